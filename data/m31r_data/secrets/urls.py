"""Passwords in URLs."""

from __future__ import annotations

import re
from collections import Counter

from m31r_data.secrets.values import is_made_up, masked

_CREDENTIALS = re.compile(
    r"://([^\s/:@\"'`<>{}\[\]()\\]{1,64}):([^\s/:@\"'`<>{}\[\]()\\]{8,128})@([\w.-]+)"
)
_NOWHERE = re.compile(
    r"localhost|127\.0\.0\.1|(.*\.)?(example(\.\w+)?|test|invalid|local)|host(name)?", re.IGNORECASE
)


def mask_urls(text: str, counts: Counter[str]) -> str:
    """Mask the password of `scheme://user:password@host`.

    Passwords without a digit, ones that name themselves a stand-in, and hosts that nobody can have
    are left.
    """
    if "://" not in text or "@" not in text:
        return text

    def mask(found: re.Match[str]) -> str:
        user, password, host = found.groups()
        if (
            password.isalpha()
            or len(set(password)) < 6
            or is_made_up(password)
            or _NOWHERE.fullmatch(host)
        ):
            return found.group()
        counts["password in URL"] += 1
        return f"://{user}:{masked(password)}@{host}"

    return _CREDENTIALS.sub(mask, text)
