"""Mail addresses: those of authors stand in the comments of half of all old files."""

from __future__ import annotations

import re
from collections import Counter

STAND_IN = "user@example.com"

_DOMAIN = re.compile(
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+([A-Za-z]{2,24}))(?![\w@(!-]|:\d)"
)
_LOCAL = re.compile(r"[A-Za-z0-9_%+-]+(?:\.[A-Za-z0-9_%+-]+)*\Z")
_LOCAL_LENGTH = 64
_IN_URL = re.compile(r"://[^\s/\"'<>]*\Z")
# Domains that nobody has, and those that stand in the names of SSH's algorithms.
_RESERVED = re.compile(
    r"(.*\.)?(example(\.(com|net|org|edu))?|test|invalid|local|localhost|localdomain"
    r"|openssh\.com|libssh\.org)",
    re.IGNORECASE,
)
# `git@github.com:owner/name.git` is an address of machines.
_MACHINES = frozenset({"git", "hg", "ssh", "svn"})
# Behind the last dot: not mail, but files, units of systemd and fields.
_FILES = frozenset(
    {"bmp", "css", "gif", "git", "gz", "html", "jpeg", "jpg", "js", "json", "lock", "md", "mount"}
    | {"path", "png", "py", "rlib", "scss", "service", "slice", "socket", "svg", "target", "tgz"}
    | {"timer", "toml", "ts", "txt", "wasm", "webp", "xml", "yaml", "yml", "zip"}
)


def mask_mails(text: str, counts: Counter[str]) -> str:
    """Replace mail addresses of domains that can exist by one of example.com."""
    if "@" not in text:
        return text
    parts = []
    done = 0
    for found in _DOMAIN.finditer(text):
        at = found.start()
        local = _LOCAL.search(text, max(done, at - _LOCAL_LENGTH), at)
        if local is None or _is_public(local.group(), found.group(1), found.group(2)):
            continue
        # `\n` before a name is no part of it.
        start = local.start() + (text[local.start() - 1 : local.start()] == "\\")
        if start == at or _IN_URL.search(text, max(done, start - _LOCAL_LENGTH), start):
            continue
        counts["mail address"] += 1
        parts += [text[done:start], STAND_IN]
        done = found.end()
    return "".join([*parts, text[done:]]) if parts else text


def _is_public(local: str, domain: str, last: str) -> bool:
    return (
        local.lower() in _MACHINES
        or last.lower() in _FILES
        or _RESERVED.fullmatch(domain) is not None
    )
