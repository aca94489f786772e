"""TOML files and editor settings as frozen dataclasses, with errors that name the key."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from m31r_core.errors import ConfigError

T = TypeVar("T")


def load_toml(path: Path | None, kind: type[T], overrides: Sequence[str] = ()) -> T:
    """Read the TOML file `path` as the dataclass `kind`; without one, all is as by default.

    Each override is `dotted.key=value`, its value written as in TOML; a bare word is a string.
    Raises ConfigError naming the file and the key for a missing file, broken TOML, an unknown
    key (with the nearest known one), a missing key or a wrong type.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    for override in overrides:
        _apply_override(data, override)
    return from_mapping(data, kind, str(path or "defaults"))


def from_mapping(data: Mapping[str, Any], kind: type[T], where: str) -> T:
    """Build the dataclass `kind` from nested mappings; `where` opens every error message."""
    return typing.cast(T, _build(data, kind, where, ""))


def _apply_override(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: write it as key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, last = key.strip().split(".")
    for table in tables:
        data = data.setdefault(table, {})
        if not isinstance(data, dict):
            raise ConfigError(f"--set {override}: '{table}' is not a table")
    data[last] = value


def _build(data: object, kind: Any, where: str, prefix: str) -> object:
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: '{prefix.rstrip('.')}' must be a table")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in data:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(fields)}"
            raise ConfigError(f"{where}: unknown key '{prefix}{key}'{hint}")
    values: dict[str, object] = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _convert(data[name], hints[name], where, f"{prefix}{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where}: missing key '{prefix}{name}'")
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _convert(value: object, hint: Any, where: str, key: str) -> object:
    """Check `value` against the annotation `hint`, turning tables, lists and paths into it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _build(value, hint, where, f"{key}.")
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        inner = [argument for argument in arguments if argument is not type(None)]
        return _convert(value, inner[0], where, key)
    if origin is typing.Literal:
        if value not in arguments:
            choices = ", ".join(repr(argument) for argument in arguments)
            raise ConfigError(f"{where}: '{key}' must be one of {choices}, not {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where}: '{key}' must be a list, not {value!r}")
        return tuple(_convert(item, arguments[0], where, key) for item in value)
    if hint is Path and isinstance(value, str):
        return Path(value).expanduser()
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{where}: '{key}' must be {hint.__name__}, not {value!r}")
    return value
