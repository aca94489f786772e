"""Secrets that only the name beside them gives away: `api_key = "…"`, `.password("…")`."""

from __future__ import annotations

import re
from collections import Counter

from m31r_data.secrets.values import entropy, is_made_up, masked

_VALUE = re.compile(r"\"([A-Za-z0-9!#$%&*+,\-./:;=?@^_|~]{12,200})\"")
# The name, the rest of it, and what may stand between it and the value: a type, a call, a quote.
_NAME = re.compile(
    r"(passphrase|password|passwd|api[_-]?key|access[_-]?key|auth[_-]?key|private[_-]?key"
    r"|secret[_-]?key|client[_-]?secret|secret|token|credential)\w{0,24}\"?[ ]*"
    r"(?::[ ]*&?(?:'static[ ])?[\w:<>\[\]; ]{1,24}=|=>|==?|[:,(])"
    r"[ \n]*(?:String::from\(|Some\(|&|b)*[ \n]*\Z",
    re.IGNORECASE,
)
_BEFORE = 120
_HEX = re.compile(r"(0x)?([0-9a-f]+|[0-9A-F]+)")
_PARTS = re.compile(r"[-_./:,=]")
_WORDS = re.compile(r"[a-z]+([-_./:,=][a-z0-9]*)*|[A-Z]+([-_./:][A-Z0-9]*)*|([A-Z][a-z]+){2,}\d*")
_BITS = 3.2
_PART = 6
_HEX_BITS = 3.0
_HEX_LENGTH = 32


def mask_assignments(text: str, counts: Counter[str]) -> str:
    """Mask values in quotes that look random and stand behind such a name."""
    parts = []
    done = 0
    for found in _VALUE.finditer(text):
        start, end = found.span(1)
        if not any(map(str.isdigit, found.group(1))):
            continue
        name = _NAME.search(text, max(done, start - 1 - _BEFORE), start - 1)
        if name and _is_secret(found.group(1), name.group(1).lower()):
            counts["assigned secret"] += 1
            parts += [text[done:start], masked(found.group(1))]
            done = end
    return "".join([*parts, text[done:]]) if parts else text


def _is_secret(value: str, name: str) -> bool:
    """Say whether the value of something called `name` came out of a generator.

    Long hexadecimal numbers are mostly hashes and test vectors: they count where the name is that
    of a service's key, and not beside `secret`, which a cipher's test may call its input.
    """
    if is_made_up(value) or len(set(value)) < 8:
        return False
    if _HEX.fullmatch(value):
        service = name != "secret" and not name.endswith(("private_key", "secret_key"))
        return service and len(value) >= _HEX_LENGTH and entropy(value) >= _HEX_BITS
    if _WORDS.fullmatch(value) or "://" in value:
        return False
    random = any(len(part) >= _PART and _is_mixed(part) for part in _PARTS.split(value))
    return random and entropy(value) >= _BITS


def _is_mixed(part: str) -> bool:
    return any(map(str.isdigit, part)) and any(map(str.isalpha, part))
