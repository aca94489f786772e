"""Completion tasks: one JSON object a line, the same format for every source.

    {"header": {"crates": ["fst-0.4.7"], …}}                          at most once, on top
    {"id", "path", "prefix", "suffix", "middle", "kind": "line|block|token",
     "context": [{"path", "text"}]}

`prefix + middle + suffix` is the file, or a window of it. A file whose name ends in .xz is packed.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from m31r_core.errors import ConfigError
from m31r_core.prompt import Chunk

Kind = Literal["line", "block", "token"]
KINDS: tuple[Kind, ...] = ("line", "block", "token")


class Task(Protocol):
    """What every kind of task has."""

    @property
    def id(self) -> str:
        """Its name, of which there is only one in a file."""

    def as_json(self) -> dict[str, object]:
        """Return the task as the object of its line."""


T = TypeVar("T", bound=Task)


@dataclass(frozen=True)
class CompleteTask:
    """A cursor between `prefix` and `suffix`, and the text that stood there."""

    id: str
    path: str
    prefix: str
    suffix: str
    middle: str
    kind: Kind = "line"
    context: tuple[Chunk, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the task as the object of its line."""
        return {
            "id": self.id,
            "path": self.path,
            "prefix": self.prefix,
            "suffix": self.suffix,
            "middle": self.middle,
            "kind": self.kind,
            "context": [{"path": chunk.path, "text": chunk.text} for chunk in self.context],
        }


@dataclass(frozen=True)
class TaskFile(Generic[T]):
    """The tasks of a file, the sha256 (hexadecimal) of its unpacked bytes, and its header."""

    tasks: tuple[T, ...]
    sha256: str
    header: Mapping[str, Any]


def read_tasks(path: Path, limit: int | None = None) -> TaskFile[CompleteTask]:
    """Read the tasks of `path`, at most the first `limit`. Raises ConfigError as `read_lines`."""
    return read_lines(path, complete_task, limit)


def read_lines(path: Path, parse: Callable[[object], T], limit: int | None = None) -> TaskFile[T]:
    """Return what `parse` makes of the lines, at most the first `limit`.

    Blank lines are skipped. `parse` raises ValueError saying what is wrong. Raises ConfigError with
    the file's name, and the line number where it is a line that is wrong: broken JSON, a missing or
    ill-typed key, an id that was there before.
    """
    data = _unpacked(path)
    tasks: list[T] = []
    header: Mapping[str, Any] = {}
    lines_of: dict[str, int] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        if limit is not None and len(tasks) >= limit:
            break
        try:
            content = json.loads(line.decode("utf-8"))
            if (
                number == 1
                and isinstance(content, dict)
                and isinstance(content.get("header"), dict)
            ):
                header = content["header"]
                continue
            task = parse(content)
        except json.JSONDecodeError as error:
            message = f"not JSON ({error.msg}, column {error.colno})"
            raise ConfigError(f"{path}:{number}: {message}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}:{number}: not UTF-8 (byte {error.start})") from error
        except ValueError as error:
            raise ConfigError(f"{path}:{number}: {error}") from error
        if task.id in lines_of:
            raise ConfigError(
                f"{path}:{number}: id {task.id!r} is also on line {lines_of[task.id]}"
            )
        lines_of[task.id] = number
        tasks.append(task)
    if not tasks:
        raise ConfigError(f"{path}: no tasks")
    return TaskFile(tuple(tasks), hashlib.sha256(data).hexdigest(), header)


def write_tasks(path: Path, tasks: Iterable[Task], header: Mapping[str, Any] | None = None) -> None:
    """Write `tasks` to `path`, replacing it only when all of them are on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [] if header is None else [{"header": header}]
    text = "".join(
        json.dumps(line, ensure_ascii=False) + "\n"
        for line in (*lines, *(task.as_json() for task in tasks))
    )
    data = text.encode()
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(lzma.compress(data, preset=9) if path.suffix == ".xz" else data)
    partial.replace(path)


def _unpacked(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return lzma.decompress(data) if path.suffix == ".xz" else data
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except lzma.LZMAError as error:
        raise ConfigError(f"{path}: not an .xz file ({error})") from error


def complete_task(data: object) -> CompleteTask:
    """Return the completion task of a line. Raises ValueError saying what is wrong."""
    if not isinstance(data, dict):
        raise ValueError("a task is a JSON object")
    kind = data.get("kind", "line")
    if kind not in KINDS:
        raise ValueError(f"'kind' must be line, block or token, not {kind!r}")
    context = data.get("context", [])
    if not isinstance(context, list) or not all(isinstance(chunk, dict) for chunk in context):
        raise ValueError("'context' must be a list of objects with 'path' and 'text'")
    return CompleteTask(
        id=string(data, "id"),
        path=string(data, "path"),
        prefix=string(data, "prefix"),
        suffix=string(data, "suffix"),
        middle=string(data, "middle"),
        kind=kind,
        context=tuple(Chunk(string(chunk, "path"), string(chunk, "text")) for chunk in context),
    )


def string(data: Mapping[str, Any], key: str) -> str:
    """Return the text under `key`. Raises ValueError when there is none."""
    if key not in data:
        raise ValueError(f"missing key '{key}'")
    value = data[key]
    if not isinstance(value, str):
        raise ValueError(f"'{key}' must be a string")
    return value
