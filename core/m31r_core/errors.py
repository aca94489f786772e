"""The two kinds of failure that a user can do something about."""

from __future__ import annotations


class M31RError(Exception):
    """The work failed. The message is one clear line naming the file, key or next step."""


class ConfigError(M31RError):
    """Wrong use or configuration. Commands exit with 2 instead of 1."""
