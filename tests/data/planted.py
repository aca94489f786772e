"""Secrets that nobody has, made up at run time: none stands in the repository as it is."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass

LETTERS = string.ascii_letters + string.digits
BASE64 = LETTERS + "+/"
URL_SAFE = LETTERS + "-_"
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits


@dataclass(frozen=True)
class Planted:
    """Rust that holds a secret: `text` with `secret` somewhere in it."""

    kind: str
    secret: str
    text: str


def planted(seed: int, of_each: int) -> list[Planted]:
    """Return `of_each` secrets of each kind, each in code of its own."""
    chance = random.Random(seed)
    return [
        Planted(kind, secret, place(secret))
        for kind, make in KINDS.items()
        for _ in range(of_each)
        for secret, place in [make(chance)]
    ]


Made = tuple[str, Callable[[str], str]]


def some(chance: random.Random, alphabet: str, length: int) -> str:
    return "".join(chance.choices(alphabet, k=length))


def in_code(secret: str) -> str:
    return f'fn client() -> Client {{\n    Client::new("{secret}")\n}}\n'


def in_comment(secret: str) -> str:
    return f"// Works with {secret}, ask before you use it.\nfn client() {{}}\n"


def token(prefix: str, alphabet: str, length: int, rest: str = "") -> Callable[..., Made]:
    def make(chance: random.Random) -> Made:
        place = chance.choice([in_code, in_comment])
        return prefix + some(chance, alphabet, length) + rest, place

    return make


def dotted(*parts: tuple[str, str, int]) -> Callable[..., Made]:
    def make(chance: random.Random) -> Made:
        words = [prefix + some(chance, alphabet, length) for prefix, alphabet, length in parts]
        return ".".join(words), in_code

    return make


KEY_FORMS = [
    ('const KEY: &str = "…";\n', "\n"),
    ('const KEY: &str = "…";\n', "\\n\\\n    "),
    ('const KEY: &str = "…";\n', "\\n"),
    ('const KEY: &[u8] = br#"…"#;\n', "\n"),
    ("/*\n…\n*/\n", "\n"),
]


def private_key(kind: str) -> Callable[..., Made]:
    def make(chance: random.Random) -> Made:
        lines = [some(chance, BASE64, 64) for _ in range(12)] + [some(chance, BASE64, 38) + "=="]
        dashes = "-" * 5
        begin, end = (f"{dashes}{word} {kind}PRIVATE KEY{dashes}" for word in ("BEGIN", "END"))
        form = chance.choice(
            ['const KEY: &str = "{}";\n', 'const KEY: &[u8] = br#"{}"#;\n', "/*\n{}\n*/\n"]
        )
        joint = chance.choice(["\n", "\\n\\\n    "]) if form.startswith("const KEY: &str") else "\n"
        secret = lines[3]
        return secret, lambda _: form.replace("{}", joint.join([begin, *lines, end]))

    return make


def assigned(template: str, alphabet: str, length: int) -> Callable[..., Made]:
    def make(chance: random.Random) -> Made:
        secret = some(chance, alphabet, length - 2) + chance.choice("7829") + chance.choice("QWK")
        if alphabet == HEX:
            secret = some(chance, HEX, length)
        return secret, lambda value: template.replace("…", value)

    return make


def in_url(scheme: str) -> Callable[..., Made]:
    def make(chance: random.Random) -> Made:
        secret = some(chance, LETTERS, 14) + "7x"
        host = f"db{chance.randrange(9)}.internal.acme.io"
        return secret, lambda value: f'let db = connect("{scheme}://admin:{value}@{host}/app");\n'

    return make


def mail(form: str) -> Callable[..., Made]:
    def make(chance: random.Random) -> Made:
        name = some(chance, string.ascii_lowercase, 6)
        family = some(chance, string.ascii_lowercase, 8)
        domain = some(chance, string.ascii_lowercase, 7) + chance.choice([".com", ".co.uk", ".de"])
        secret = (
            chance.choice([f"{name}.{family}", f"{name}+rust", f"{family}_{name}"]) + "@" + domain
        )
        return secret, lambda value: form.replace("…", value)

    return make


def web_token(chance: random.Random) -> Made:
    start = "ey" + "J"
    parts = [start + some(chance, URL_SAFE, length) for length in (33, 120)]
    return ".".join([*parts, some(chance, URL_SAFE, 43)]), in_code


DISCORD = "https://discord.com/api/web" + "hooks/123456789012345678/"
SLACK = "https://hooks.slack.com/ser" + "vices/T024BE7LD/B03A9KQ2M/"

KINDS: dict[str, Callable[[random.Random], Made]] = {
    "rsa key": private_key("RSA "),
    "pkcs8 key": private_key(""),
    "ec key": private_key("EC "),
    "openssh key": private_key("OPENSSH "),
    "age key": token("AGE-SECRET-" + "KEY-1", UPPER, 58),
    "anthropic": token("sk-" + "ant-api03-", URL_SAFE, 93, "AA"),
    "aws id": token("AK" + "IA", UPPER, 16),
    "aws session id": token("AS" + "IA", UPPER, 16),
    "aws secret": assigned('aws_secret_access_key = "…"\n', BASE64, 40),
    "azure storage": assigned('let s = "AccountName=a;AccountKey=…;Suffix=b";\n', BASE64, 86),
    "crates.io": token("c" + "io", LETTERS, 32),
    "databricks": token("da" + "pi", HEX, 32),
    "digitalocean": token("dop_" + "v1_", HEX, 64),
    "discord webhook": token(
        "https://discord.com/api/web" + "hooks/123456789012345678/", URL_SAFE, 68
    ),
    "docker": token("dckr_" + "pat_", URL_SAFE, 26, "x"),
    "github": token("gh" + "p_", LETTERS, 36),
    "github app": token("gh" + "s_", LETTERS, 36),
    "github fine-grained": token("github_" + "pat_", LETTERS, 82),
    "gitlab": token("glp" + "at-", LETTERS, 20),
    "google api": token("AI" + "za", URL_SAFE, 34, "k"),
    "google secret": token("GOC" + "SPX-", LETTERS, 28),
    "google oauth": token("ya" + "29.", LETTERS, 80),
    "hugging face": token("h" + "f_", LETTERS, 34),
    "jwt": web_token,
    "linear": token("lin_" + "api_", LETTERS, 40),
    "mailgun": token("ke" + "y-", HEX, 32),
    "new relic": token("NR" + "AK-", UPPER, 27),
    "npm": token("np" + "m_", LETTERS, 36),
    "openai": token("sk-" + "proj-", LETTERS, 74),
    "pypi": token("py" + "pi-AgEIcHlwaS5vcmc", URL_SAFE, 150, "z"),
    "sendgrid": dotted(("SG", "", 0), ("", LETTERS, 22), ("", LETTERS, 43)),
    "shopify": token("shp" + "at_", HEX, 32),
    "slack": token("xo" + "xb-", string.digits, 12, "-" + "Zk4Qe81LmPzu7YtRw2XvBn5c"),
    "slack webhook": token(
        "https://hooks.slack.com/ser" + "vices/T024BE7LD/B03A9KQ2M/", LETTERS, 24
    ),
    "square": token("sq0" + "atp-", LETTERS, 22),
    "stripe live": token("sk_" + "live_", LETTERS, 24),
    "stripe restricted": token("rk_" + "test_", LETTERS, 24),
    "stripe webhook": token("wh" + "sec_", LETTERS, 32),
    "supabase": token("sb" + "p_", HEX, 40),
    "telegram": token("110201543" + ":AA", URL_SAFE, 32, "q"),
    "twilio": token("S" + "K", HEX, 32),
    "vault": token("hv" + "s.", LETTERS, 95),
    "password": assigned('const DB_PASSWORD: &str = "…";\n', LETTERS + "!#%&*", 16),
    "password of a call": assigned('    builder.password("…").build()\n', LETTERS + "!#%&*", 18),
    "api key": assigned('    api_key: Some("…".to_string()),\n', LETTERS, 32),
    "api key in hex": assigned('static API_KEY: &str = "…";\n', HEX, 40),
    "client secret": assigned('json!({"client_secret": "…"})\n', LETTERS + "~._", 40),
    "token of the environment": assigned('env::set_var("AUTH_TOKEN", "…");\n', LETTERS, 30),
    "postgres url": in_url("postgres"),
    "web url": in_url("https"),
    "author": mail("// Copyright 2019 Some One <…>\n"),
    "mail in code": mail('let from = "…".parse()?;\n'),
    "mail in docs": mail("/// Write to …, or open an issue.\nfn f() {}\n"),
}
