"""Planted secrets are all found, other text stays, and code stays code."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m31r_core.syntax import error_share
from m31r_data.secrets import mask_secrets
from tests.data.planted import KINDS, Planted, planted

PLANTED = planted(seed=5, of_each=4)


def test_the_corpus_is_large_enough() -> None:
    assert len(PLANTED) >= 200
    assert len(KINDS) >= 50


def shared(a: str, b: str) -> int:
    """Return how many characters both begin with."""
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )


@pytest.mark.parametrize("case", PLANTED, ids=lambda case: case.kind)
def test_planted_secrets_are_found_and_only_they_go(case: Planted) -> None:
    text, counts = mask_secrets(case.text)
    assert case.secret not in text
    assert sum(counts.values()) == 1
    assert text.count("\n") == case.text.count("\n")
    # What goes is the secret or a part of it: its ends stay where they were.
    start = shared(text, case.text)
    hidden = case.text[start : len(case.text) - shared(text[::-1], case.text[::-1])]
    if "PRIVATE KEY" not in case.text:
        assert hidden in case.secret
        assert len(hidden) >= min(10, len(case.secret) // 2)
    if error_share(case.text.encode()) == 0:
        assert error_share(text.encode()) == 0
    if "@" not in case.secret:
        assert len(text) == len(case.text)


def test_many_in_one_file() -> None:
    source = "".join(case.text for case in PLANTED)
    text, counts = mask_secrets(source)
    assert not [case.kind for case in PLANTED if case.secret in text]
    assert sum(counts.values()) == len(PLANTED)
    assert mask_secrets(text) == (text, Counter())


HARMLESS = [
    # Hashes, test vectors and identifiers.
    'const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";',
    'let secret = hex!("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");',
    'let secret = "c45b2a9f0d8e7163c45b2a9f0d8e7163c45b2a9f0d8e7163";',
    'let id = Uuid::parse_str("936da01f-9abd-4d9d-80c7-02af85c822a8")?;',
    "fn test_gho_st_token_with_a_very_long_name_2_and_3() {}",
    'checksum = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="',
    # Names, paths, sentences and stand-ins beside names of secrets.
    'let token = "identifier_or_keyword_2024";',
    'const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/token1";',
    'password: "correct horse battery staple 9".into(),',
    'std::env::var("GITHUB_TOKEN_V2_PRODUCTION")',
    'let api_key = "<YOUR-API-KEY-0123456789abcdef>";',
    'let password = "{user_password_1A}";',
    'let key = "AKIA' + 'IOSFODNN7EXAMPLE";',
    # Addresses that nobody has, and what only looks like one.
    '"user@example.com, root@localhost, a@b.test, me@sub.example.org"',
    'const REMOTE: &str = "git@github.com:rust-lang/rust.git";',
    'let unit = "getty@tty1.service";',
    'let cipher = "chacha20-poly1305@openssh.com";',
    'let url = "https://acme.io/project@team.git?rev=1";',
    "// expected `{closure@file.rs:41:16}` to be a closure",
    '"name", "pkcs-9-at-encryptedPrivateKeyInfo",',
    "foo\n" + "@acme.io",
    "match x { n @ 1..=9 => n, all @ Some(_) => 0 }",
    "macro_rules! m { (@inner.x $a:ident@$b:ident) => {} }",
    'let url = "https://user:password@localhost:5432/db";',
    'let url = "https://name@registry.acme.io/index";',
    'let image = "registry.acme.io/app@sha256:abcdef";',
    # What servers and people have, but the whole world knows.
    "let dns = Ipv4Addr::new(8, 8, 8, 8);",
    '"-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUXg6eWwYK2iCUz0Iu7i4AD2QqVJwwCgYIKoZIzj0E\n"',
    '"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9bIvxIRlNbZ4QZ8qTg\n"',
    'starts_with("-----BEGIN PRIVATE KEY-----") || ends_with("-----END PRIVATE KEY-----")',
]


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_stays(text: str) -> None:
    assert mask_secrets(text) == (text, Counter())


def test_a_mail_address_gives_way_to_one_that_nobody_has() -> None:
    text = "// (c) Jane Doe <jane" + "@doe.org>, John <j.doe+x" + "@mail.doe.co.uk>.\n"
    masked, counts = mask_secrets(text)
    assert masked == "// (c) Jane Doe <user@example.com>, John <user@example.com>.\n"
    assert counts == {"mail address": 2}


def test_escapes_are_no_part_of_a_secret() -> None:
    found = {case.kind: case.secret for case in PLANTED}
    for secret in (found["github"], found["jwt"], found["mail in code"]):
        text, counts = mask_secrets(f'let s = "a\\n{secret}\\n";')
        assert counts.total() == 1
        assert text.startswith('let s = "a\\n')
        assert text.endswith('\\n";')
        assert error_share(text.encode()) == 0


PIECES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ['"', "\n", "\\n", "@", ".", "://", ":", "password = ", "token: ", " ", "-----"]
    ),
    st.sampled_from([case.text for case in PLANTED]),
    st.sampled_from([case.secret for case in PLANTED]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join))
def test_masking_again_changes_nothing_and_lines_stay(text: str) -> None:
    masked, counts = mask_secrets(text)
    assert masked.count("\n") == text.count("\n")
    assert bool(counts) == (masked != text)
    again, more = mask_secrets(masked)
    assert again == masked
    assert not more


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_characters="@0123456789-"), max_size=400))
def test_text_without_digits_and_at_signs_stays(text: str) -> None:
    assert mask_secrets(text) == (text, Counter())


def test_no_planted_secret_is_in_the_repository() -> None:
    """Scanners of repositories shall have nothing to say about these tests."""
    for name in ("planted.py", "test_secrets.py"):
        source = (Path(__file__).parent / name).read_text("utf-8")
        _, counts = mask_secrets(source)
        assert not counts
        assert not [case for case in PLANTED if case.secret in source]
        assert not re.search(r"BEGIN [A-Z ]*PRIVATE KEY-{5}\n", source)
