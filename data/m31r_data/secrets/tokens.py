"""Tokens that say by their shape what they are: services give them prefixes to be found by."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from m31r_data.secrets.values import is_random, masked

_END = r"(?![A-Za-z0-9])"
# Every token has this in it; most lines have not.
_LONG_WORD = re.compile(r"[A-Za-z0-9_-]{20,}")
_IDENTIFIER = re.compile(r"[a-z_-]+|[A-Z]*_[A-Z_]*")


@dataclass(frozen=True)
class TokenRule:
    """A kind of token. One of the literal `prefixes` stands in each, where the search begins.

    The pattern's first group stays, the second is secret. `lead` is how many characters before the
    prefix the token may begin.
    """

    kind: str
    pattern: re.Pattern[str]
    prefixes: tuple[str, ...]
    lead: int = 0


def _rule(kind: str, pattern: str, *prefixes: str, lead: int = 0) -> TokenRule:
    return TokenRule(kind, re.compile(pattern + _END), prefixes, lead)


RULES = (
    _rule("age key", r"(AGE-SECRET-KEY-1)([A-Z0-9]{58})", "AGE-SECRET-KEY-1"),
    _rule("anthropic key", r"(sk-ant-)([\w-]{32,})", "sk-ant-"),
    _rule(
        "aws access key", r"(A(?:KIA|SIA|BIA|CCA))([A-Z0-9]{16})", "AKIA", "ASIA", "ABIA", "ACCA"
    ),
    _rule(
        "azure key",
        r"(AccountKey=|AccessKey=)([A-Za-z0-9+/]{42,86}={0,2})",
        "AccountKey=",
        "AccessKey=",
    ),
    _rule("crates.io token", r"(cio)([A-Za-z0-9]{32})", "cio"),
    _rule("databricks token", r"(dapi)([0-9a-f]{32})(?:-\d)?", "dapi"),
    _rule("digitalocean token", r"(do[opr]_v1_)([0-9a-f]{64})", "doo_v1_", "dop_v1_", "dor_v1_"),
    _rule("discord webhook", r"(api/webhooks/\d{17,20}/)([\w-]{60,})", "api/webhooks/"),
    _rule("docker token", r"(dckr_pat_)([\w-]{27})", "dckr_pat_"),
    _rule(
        "github token", r"(gh[oprsu]_)([A-Za-z0-9]{36,255})", "gho_", "ghp_", "ghr_", "ghs_", "ghu_"
    ),
    _rule("github token", r"(github_pat_)(\w{40,255})", "github_pat_"),
    _rule(
        "gitlab token",
        r"(gl[a-z]{2,4}-)([\w-]{20,})",
        "glpat-",
        "gldt-",
        "glrt-",
        "glcbt-",
        "glptt-",
    ),
    _rule("google key", r"(AIza)([\w-]{35})", "AIza"),
    _rule("google secret", r"(GOCSPX-)([\w-]{28})", "GOCSPX-"),
    _rule("google token", r"(ya29\.)([\w-]{30,})", "ya29."),
    _rule("hugging face token", r"(hf_)([A-Za-z0-9]{34,})", "hf_"),
    _rule("json web token", r"(eyJ)([\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,})", "eyJ"),
    _rule("linear key", r"(lin_api_)([A-Za-z0-9]{40})", "lin_api_"),
    _rule("mailgun key", r"(key-)([0-9a-f]{32})", "key-"),
    _rule("new relic key", r"(NRAK-)([A-Z0-9]{27})", "NRAK-"),
    _rule("npm token", r"(npm_)([A-Za-z0-9]{36})", "npm_"),
    _rule("openai key", r"(sk-(?:proj-|svcacct-)?)([A-Za-z0-9_-]{40,})", "sk-"),
    _rule("pypi token", r"(pypi-)(AgE[\w-]{50,})", "pypi-AgE"),
    _rule("sendgrid key", r"(SG\.)([\w-]{22}\.[\w-]{43})", "SG."),
    _rule(
        "shopify token",
        r"(shp(?:at|ca|pa|ss)_)([0-9a-fA-F]{32})",
        "shpat_",
        "shpca_",
        "shppa_",
        "shpss_",
    ),
    _rule("slack token", r"(xox[abeoprs]-|xapp-)([\w-]{16,})", "xox", "xapp-"),
    _rule(
        "slack webhook", r"(hooks\.slack\.com/services/)(T\w{8,}/B\w{8,}/\w{20,})", "hooks.slack."
    ),
    _rule("square token", r"(sq0(?:atp|csp)-)([\w-]{22,43})", "sq0atp-", "sq0csp-"),
    _rule(
        "stripe key", r"((?:sk|rk)_(?:live|test)_)([A-Za-z0-9]{20,})", "k_live_", "k_test_", lead=1
    ),
    _rule("stripe secret", r"(whsec_)([A-Za-z0-9+/=]{32,})", "whsec_"),
    _rule("supabase key", r"(sbp_)([0-9a-f]{40})", "sbp_"),
    _rule("telegram token", r"(\d{8,10}:AA)([\w-]{33})", ":AA", lead=10),
    _rule("twilio key", r"(SK)([0-9a-f]{32})", "SK"),
    _rule("vault token", r"(hv[bs]\.)([\w-]{24,})", "hvs.", "hvb."),
)


def mask_tokens(text: str, counts: Counter[str]) -> str:
    """Mask the tokens of every rule, but examples that say they are ones."""
    parts = []
    done = 0
    for found in _LONG_WORD.finditer(text):
        if found.start() < done or _IDENTIFIER.fullmatch(found.group()):
            continue
        start = text.rfind("\n", done, found.start()) + 1 or done
        end = text.find("\n", found.end())
        end = end if end >= 0 else len(text)
        parts += [text[done:start], _mask_line(text[start:end], counts)]
        done = end
    return "".join([*parts, text[done:]]) if parts else text


def _mask_line(line: str, counts: Counter[str]) -> str:
    for rule in RULES:
        for prefix in rule.prefixes:
            at = line.find(prefix)
            while at >= 0:
                found = _token_at(rule, line, at)
                if found:
                    counts[rule.kind] += 1
                    start, end = found.span(2)
                    line = line[:start] + masked(line[start:end]) + line[end:]
                at = line.find(prefix, at + len(prefix))
    return line


def _token_at(rule: TokenRule, text: str, at: int) -> re.Match[str] | None:
    """Return the token whose prefix is at `at`, unless it is the middle of a longer word."""
    for start in range(at, max(at - rule.lead, 0) - 1, -1):
        found = rule.pattern.match(text, start)
        if found and _begins_word(text, start) and is_random(found.group(2)):
            return found
    return None


def _begins_word(text: str, at: int) -> bool:
    """Say whether nothing before `at` belongs to the same word; the `n` of a `\\n` does not."""
    return not text[at - 1 : at].isalnum() or text[at - 2 : at - 1] == "\\"
