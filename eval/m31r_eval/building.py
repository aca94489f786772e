"""Line tasks from the files of a dataset split: where the cursors are put, and how evenly."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from m31r_core.shards import DocumentRecord, TokenDataset
from m31r_core.syntax import cursor_state
from m31r_core.tokenizer import Tokenizer
from m31r_eval.progress import track
from m31r_eval.settings import TaskSettings
from m31r_eval.tasks import CompleteTask


@dataclass(frozen=True)
class Cursor:
    """A place in a file: `offset` in characters, on the line `line` (both from 0)."""

    line: int
    offset: int


@dataclass
class _File:
    """A document that may still give tasks, and the lines that gave one."""

    document: int
    record: DocumentRecord
    used_lines: set[int] = field(default_factory=set)
    exhausted: bool = False


def build_line_tasks(
    dataset: TokenDataset, tokenizer: Tokenizer, *, count: int, seed: int, settings: TaskSettings
) -> list[CompleteTask]:
    """Cut `count` line tasks from `dataset`, or as many as it can give, in a shuffled order.

    Every file gives one task before any gives a second. A package that has its share waits until
    the others can give no more; then every share grows. The same arguments give the same tasks.
    """
    found = _line_tasks(dataset, tokenizer, count, seed, settings)
    tasks = list(track(found, "tasks", count))
    random.Random(f"{seed}:tasks").shuffle(tasks)
    return tasks


def find_cursor(
    text: str, used_lines: set[int], chance: random.Random, settings: TaskSettings
) -> Cursor | None:
    """Draw a cursor in the code of `text`, on a line that is not in `used_lines`.

    A line is drawn evenly, then a column from its first visible character on such that the rest of
    the line has `min_letters` letters. Cursors in a comment or string, and lines that end in a
    comment, are drawn again, `tries` times in all.
    """
    lines = text.split("\n")
    able = [
        i for i, line in enumerate(lines)
        if i not in used_lines and _letters(line) >= settings.min_letters
    ]  # fmt: skip
    source = text.encode()
    for _ in range(min(settings.tries, len(able))):
        number = able.pop(chance.randrange(len(able)))
        line = lines[number]
        first = len(line) - len(line.lstrip())
        last = _last_column(line, settings.min_letters)
        column = chance.randint(first, last)
        start = sum(len(before) + 1 for before in lines[:number])
        at = len(text[: start + column].encode())
        end = at + len(line[column:].rstrip().encode())
        if cursor_state(source, at) == "code" and cursor_state(source, end) != "comment":
            return Cursor(number, start + column)
    return None


def cut(text: str, cursor: Cursor, record: DocumentRecord, settings: TaskSettings) -> CompleteTask:
    """Return the task of writing the rest of the cursor's line.

    The prefix is the text before it, at most its last `prefix_bytes`, from a line start; the suffix
    begins with the line break and holds at most `suffix_bytes`, up to a line end. Where a single
    line is longer than that, it is cut at a character.
    """
    end = text.find("\n", cursor.offset)
    end = len(text) if end < 0 else end
    if text[cursor.offset : end].endswith("\r"):
        end -= 1
    return CompleteTask(
        id=f"{record.sha256[:16]}-{cursor.offset}",
        path=record.path,
        prefix=last_bytes(text[: cursor.offset], settings.prefix_bytes),
        suffix=first_bytes(text[end:], settings.suffix_bytes),
        middle=text[cursor.offset : end],
    )


def _line_tasks(
    dataset: TokenDataset, tokenizer: Tokenizer, count: int, seed: int, settings: TaskSettings
) -> Iterator[CompleteTask]:
    files = [_File(i, dataset.record(i)) for i in range(len(dataset))]
    random.Random(f"{seed}:files").shuffle(files)
    step = share = max(1, math.floor(settings.package_share * count))
    taken = Counter[str]()
    while True:
        before = taken.total()
        for file in files:
            if taken.total() == count:
                return
            if file.exhausted or taken[file.record.package] >= share:
                continue
            text = tokenizer.decode(dataset.document(file.document).tolist())
            turn = f"{seed}:{file.record.sha256}:{len(file.used_lines)}"
            cursor = find_cursor(text, file.used_lines, random.Random(turn), settings)
            if cursor is None:
                file.exhausted = True
                continue
            file.used_lines.add(cursor.line)
            taken[file.record.package] += 1
            yield cut(text, cursor, file.record, settings)
        if taken.total() == before:
            if all(file.exhausted for file in files):
                return
            share += step


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _last_column(line: str, letters: int) -> int:
    """Return the last column behind which `letters` letters are left."""
    column = len(line)
    while letters > 0:
        column -= 1
        letters -= line[column].isalpha()
    return column


def last_bytes(text: str, limit: int) -> str:
    """Return the end of `text`, at most `limit` bytes of UTF-8, from a line start on."""
    data = text.encode()
    if len(data) <= limit:
        return text
    newline = data.find(b"\n", len(data) - limit - 1)
    start = newline + 1 if newline >= 0 else len(data) - limit
    return data[start:].decode(errors="ignore")


def first_bytes(text: str, limit: int) -> str:
    """Return the beginning of `text`, at most `limit` bytes of UTF-8, up to a line end."""
    data = text.encode()
    if len(data) <= limit:
        return text
    newline = data.rfind(b"\n", 1, limit)
    return data[: newline if newline > 0 else limit].decode(errors="ignore")
