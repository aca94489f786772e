"""Every setting with its default, and how the editor's and the workspace's are laid over them."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from m31r_core.config import from_mapping
from m31r_core.errors import ConfigError

WORKSPACE_FILE = "m31r.toml"
_TABLES = ("model", "completion", "context", "check")


@dataclass(frozen=True)
class ModelSettings:
    """Which bundle answers."""

    path: Path | None = None


@dataclass(frozen=True)
class CompletionSettings:
    """When to speak, and for how long.

    With `trigger` manual nothing is said unless the user asks. `blocks` offers several lines where
    the cursor opens a block. `min_confidence` is the chance to be right, 0 to 1, under which text
    of ten characters is not shown; longer text may be less certain, shorter text less.
    `check_names` lowers the chance of text with names that exist nowhere. `max_new_tokens`
    is for a line, `max_block_tokens` for a block. `max_file_bytes` counts UTF-8. `max_debounce_ms`
    is the longest wait for the next key before the model is asked, when keys come faster than
    answers. `menu_item` adds one item to the editor's completion menu.
    """

    enabled: bool = True
    trigger: Literal["automatic", "manual"] = "automatic"
    menu_item: bool = True
    blocks: bool = True
    check_names: bool = True
    min_confidence: float = 0.3
    max_new_tokens: int = 32
    max_block_tokens: int = 64
    max_debounce_ms: int = 150
    max_file_bytes: int = 1_000_000
    in_comments: bool = False
    in_strings: bool = False
    after_deletion: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise ValueError("'completion.min_confidence' must lie between 0 and 1")
        for name in ("max_new_tokens", "max_block_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"'completion.{name}' must be at least 1")
        if self.max_debounce_ms < 0:
            raise ValueError("'completion.max_debounce_ms' must not be negative")


@dataclass(frozen=True)
class ContextSettings:
    """What of other files is known.

    `workspace` indexes the workspace's Rust files, `dependencies` reads the names that its
    dependencies make public, from their sources on this machine. `max_index_mb` bounds the text
    that is kept, in units of 10**6 bytes.
    """

    workspace: bool = True
    dependencies: bool = True
    max_index_mb: int = 16

    def __post_init__(self) -> None:
        if self.max_index_mb < 1:
            raise ValueError("'context.max_index_mb' must be at least 1")


@dataclass(frozen=True)
class CheckSettings:
    """What the compiler is asked, and how long an answer may take; times in seconds.

    `enabled` false: nothing is compiled and there are no code actions. `deadline_s` is for code
    actions asked for by hand, `fix_all_s` for `source.fixAll.m31r`, `completion_deadline_s` for
    ghost text asked for by hand, `start_s` for the first look at a crate, whose dependencies may
    have to be built. `rest_s` is how long the cursor rests on an error before its repair is looked
    for unasked. At most `actions` repairs of one error are offered. `completions` has ghost text
    checked. `on_save` publishes rustc's errors after a save; "auto" leaves that to rust-analyzer
    where the editor runs it.
    """

    enabled: bool = True
    on_save: Literal["auto", "on", "off"] = "auto"
    completions: bool = True
    deadline_s: float = 8.0
    fix_all_s: float = 30.0
    completion_deadline_s: float = 1.5
    start_s: float = 300.0
    rest_s: float = 0.6
    actions: int = 3

    def __post_init__(self) -> None:
        for name in ("deadline_s", "fix_all_s", "completion_deadline_s", "start_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"'check.{name}' must be more than 0")
        if self.rest_s < 0:
            raise ValueError("'check.rest_s' must not be negative")
        if self.actions < 1:
            raise ValueError("'check.actions' must be at least 1")


@dataclass(frozen=True)
class Settings:
    """All of it.

    `trusted` is the editor's word that the user trusts the workspace; `threads` are the engine's,
    None for as many as there are cores, at most 4. `statistics` counts what was accepted, on this
    machine, for `m31r-lsp stats`.
    """

    trusted: bool = True
    threads: int | None = None
    statistics: bool = True
    model: ModelSettings = field(default_factory=ModelSettings)
    completion: CompletionSettings = field(default_factory=CompletionSettings)
    context: ContextSettings = field(default_factory=ContextSettings)
    check: CheckSettings = field(default_factory=CheckSettings)

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise ValueError("'threads' must be at least 1")


def editor_section(raw: object) -> Mapping[str, Any]:
    """Return our settings from what an editor sent: under the key `m31r`, or bare.

    Among bare ones, tables that are not ours are other servers'.
    """
    if not isinstance(raw, Mapping):
        return {}
    if "m31r" in raw:
        return raw["m31r"] if isinstance(raw["m31r"], Mapping) else {}
    ours = {field.name for field in dataclasses.fields(Settings)}
    return {
        key: value for key, value in raw.items() if key in ours or not isinstance(value, Mapping)
    }


def workspace_section(root: Path | None) -> Mapping[str, Any]:
    """Return the content of the workspace's `m31r.toml`, empty where there is none.

    Raises ConfigError naming the file when it cannot be read.
    """
    if root is None:
        return {}
    path = root / WORKSPACE_FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def resolve(sources: Mapping[str, Mapping[str, Any]]) -> tuple[Settings, list[str]]:
    """Lay the sources, in order, over the defaults; a later one wins.

    Returns the settings and one line for each key that was refused. The other keys count.
    """
    settings, refusals = Settings(), []
    for where, source in sources.items():
        for path, value in _leaves(source):
            try:
                settings = _with(settings, path, value, where)
            except ConfigError as error:
                refusals.append(str(error))
    return settings, refusals


def _leaves(
    source: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in source.items():
        if isinstance(value, Mapping) and not path and key in _TABLES:
            yield from _leaves(value, (key,))
        elif value is not None:  # JSON's null, an editor's word for "not set"
            yield (*path, key), value


def _with(settings: Settings, path: tuple[str, ...], value: Any, where: str) -> Settings:
    """Set one key. It is parsed alone, so that one wrong key takes no other with it."""
    alone: dict[str, Any] = {path[-1]: value}
    for table in reversed(path[:-1]):
        alone = {table: alone}
    parsed = from_mapping(alone, Settings, where)
    if len(path) == 1:
        return dataclasses.replace(settings, **{path[0]: getattr(parsed, path[0])})
    table, key = path
    checked = getattr(getattr(parsed, table), key)
    merged = dataclasses.replace(getattr(settings, table), **{key: checked})
    return dataclasses.replace(settings, **{table: merged})
