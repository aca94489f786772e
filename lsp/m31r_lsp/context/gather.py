"""Which pieces of other files are worth knowing at a cursor, the best last.

Last, because what is searched for copies prefers what comes later, and because what is shown to
the model may then change at its end alone.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, get_args

from m31r_core.prompt import Chunk
from m31r_lsp.context.index import Index
from m31r_lsp.context.words import names
from m31r_lsp.filters.cursor import Cursor

Source = Literal["imports", "names", "similar", "recent"]
SOURCES: tuple[Source, ...] = get_args(Source)

# In characters: what is fitted, what is near the cursor, how fast that counts for less.
BUDGET = 12_000
_NEAR = 3_000
_NEAR_BEHIND = 1_000
_HALF = 600.0
_ITEMS_OF_ONE_NAME = 12
# A name that more files than these define says nothing about which is meant.
_FILES_OF_ONE_NAME = 4
_NAMES = 24
_PIECES = 8
_USE = re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", re.MULTILINE)
_HEAD = 8_000


def gather(
    index: Index,
    path: str,
    cursor: Cursor,
    recent: Sequence[Chunk] = (),
    sources: Iterable[Source] = SOURCES,
    budget: int = BUDGET,
) -> tuple[Chunk, ...]:
    """Return pieces of other files for a cursor in the file at `path`, the best last.

    At most `budget` characters. `recent` are places where the user was, the latest last. Equal
    questions get equal answers.
    """
    wanted = frozenset(sources)
    near = weights(cursor)
    found: OrderedDict[tuple[str, str], None] = OrderedDict()
    groups: dict[Source, Iterator[tuple[str, str]]] = {
        "names": _by_names(index, path, near),
        "similar": ((piece.path, piece.text) for piece in index.similar(near, (path,), _PIECES)),
        "recent": ((chunk.path, chunk.text) for chunk in reversed(recent) if chunk.path != path),
        "imports": _imported(index, path, cursor),
    }
    for source, pieces in groups.items():
        if source in wanted:
            found.update(dict.fromkeys(pieces))
    return tuple(reversed(list(_fitted(found, budget))))


def weights(cursor: Cursor) -> Counter[str]:
    """Return the names around the cursor; each time one stands there counts, less if far away."""
    near: Counter[str] = Counter()
    before = cursor.prefix[-_NEAR:]
    for text, distance in ((before, len(before)), (cursor.suffix[:_NEAR_BEHIND], 0)):
        at = 0
        for name in names(text):
            at = text.find(name, at)
            away = abs(distance - at) if distance else at + _HALF
            near[name] += 0.5 ** (away / _HALF)
    return near


def _by_names(index: Index, path: str, near: Counter[str]) -> Iterator[tuple[str, str]]:
    for name, _ in near.most_common(_NAMES):
        yield from _items(index, path, name)


def _imported(index: Index, path: str, cursor: Cursor) -> Iterator[tuple[str, str]]:
    for used in _USE.findall(cursor.prefix[:_HEAD]):
        for name in names(used):
            yield from _items(index, path, name)


def _items(index: Index, path: str, name: str) -> Iterator[tuple[str, str]]:
    by_path: OrderedDict[str, list[str]] = OrderedDict()
    for where, item in index.defined(name):
        texts = by_path.setdefault(where, [])
        if where != path and len(texts) < _ITEMS_OF_ONE_NAME:
            texts.append(item.text)
    if len(by_path) <= _FILES_OF_ONE_NAME:
        for where, texts in by_path.items():
            if texts:
                yield where, "\n".join(texts) + "\n"


def _fitted(pieces: Iterable[tuple[str, str]], budget: int) -> Iterator[Chunk]:
    for path, text in pieces:
        if len(text) <= budget:
            budget -= len(text)
            yield Chunk(path, text)
