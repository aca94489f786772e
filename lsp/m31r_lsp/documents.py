"""The editor's open files, edited in place in the negotiated position encoding.

pygls has a document class of its own. It splits lines at characters that LSP does not call line
ends (form feed, U+2028), moves positions past the end of a line to before its last character, and
rewrites the whole text for each change; hence this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import unquote, urlsplit

from lsprotocol import types

Encoding = Literal["utf-8", "utf-16", "utf-32"]
Change = types.TextDocumentContentChangePartial | types.TextDocumentContentChangeWholeDocument

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_CODEC: dict[Encoding, tuple[str, int]] = {
    "utf-8": ("utf-8", 1),
    "utf-16": ("utf-16-le", 2),
    "utf-32": ("utf-32-le", 4),
}


def code_units(text: str, encoding: Encoding) -> int:
    """Return the length of `text` in code units of `encoding`."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    codec, width = _CODEC[encoding]
    return len(text.encode(codec)) // width


def character_index(line: str, units: int, encoding: Encoding) -> int:
    """Return the index into `line` of the character that `units` code units lie before.

    Past the end of the line it is the length of the line; inside a character, its start.
    """
    if encoding == "utf-32" or line.isascii():
        return min(units, len(line))
    codec, width = _CODEC[encoding]
    return len(line.encode(codec)[: units * width].decode(codec, errors="ignore"))


class Document:
    """The text of one open file, as lines that keep their line ends.

    `size` is its length in UTF-8 bytes; `deleted` says that the latest change only took text away;
    `file` is where it lies on the disk, links resolved, None for what is no file.
    """

    def __init__(self, uri: str, text: str, version: int, encoding: Encoding) -> None:
        self.uri = uri
        self.version = version
        self.encoding: Encoding = encoding
        self.deleted = False
        self.file = _file(uri)
        self._set(text)

    @property
    def path(self) -> str:
        """The path part of the URI."""
        return unquote(urlsplit(self.uri).path)

    @property
    def text(self) -> str:
        """The whole text, line ends as the editor sent them."""
        return "".join(self._lines)

    @property
    def line_end(self) -> str:
        """How its lines end: as the first one does."""
        first = self._lines[0]
        return first[len(first.rstrip("\r\n")) :] or "\n"

    def apply(self, changes: Iterable[Change], version: int) -> None:
        """Apply the changes of one notification in order; positions past the end are clamped."""
        for change in changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                self._replace(change.range, _without_lone_surrogates(change.text))
            else:
                self._set(change.text)
                self.deleted = False
        self.version = version

    def clamp(self, position: types.Position) -> types.Position:
        """Return `position`, or the nearest one before it that exists."""
        line, index = self._locate(position)
        return types.Position(line, code_units(self._lines[line][:index], self.encoding))

    def around(self, position: types.Position) -> tuple[str, str]:
        """Return the text before and after `position`, clamped."""
        line, index = self._locate(position)
        before = "".join(self._lines[:line]) + self._lines[line][:index]
        after = self._lines[line][index:] + "".join(self._lines[line + 1 :])
        return before, after

    def line_before(self, position: types.Position) -> str:
        """Return the text of the position's line up to the position, clamped."""
        line, index = self._locate(position)
        return self._lines[line][:index]

    def units(self, text: str) -> int:
        """Return the length of `text` in the code units of the client's positions."""
        return code_units(text, self.encoding)

    def _set(self, text: str) -> None:
        text = _without_lone_surrogates(text)
        self._lines = _split(text)
        self.size = code_units(text, "utf-8")

    def _locate(self, position: types.Position) -> tuple[int, int]:
        """Return the line number and the index into that line, before its line end."""
        if position.line >= len(self._lines):
            last = len(self._lines) - 1
            return last, len(self._lines[last])
        content = self._lines[position.line].rstrip("\r\n")
        return position.line, character_index(content, position.character, self.encoding)

    def _replace(self, where: types.Range, text: str) -> None:
        start, end = sorted((self._locate(where.start), self._locate(where.end)))
        self.deleted = not text and start != end
        first, last = start[0], end[0]
        head, tail = self._lines[first][: start[1]], self._lines[last][end[1] :]
        if first > 0 and self._lines[first - 1].endswith("\r"):
            # A newline that now follows the carriage return makes one line end with it.
            first -= 1
            head = self._lines[first] + head
        old = self._lines[first : last + 1]
        new = _split(head + text + tail)
        if last + 1 < len(self._lines) and len(new) > 1 and not new[-1]:
            # Only the last line of a text can be empty.
            new.pop()
        self._lines[first : last + 1] = new
        self.size += sum(code_units(line, "utf-8") for line in new)
        self.size -= sum(code_units(line, "utf-8") for line in old)


@dataclass
class Documents:
    """The open documents by URI. `encoding` is the negotiated one."""

    encoding: Encoding = "utf-16"

    def __post_init__(self) -> None:
        self._open: dict[str, Document] = {}

    def open(self, item: types.TextDocumentItem) -> None:
        """Start to follow a document; one that is open already is replaced."""
        self._open[item.uri] = Document(item.uri, item.text, item.version, self.encoding)

    def close(self, uri: str) -> None:
        """Forget a document."""
        self._open.pop(uri, None)

    def get(self, uri: str) -> Document | None:
        """Return the open document, or None when the editor never opened it."""
        return self._open.get(uri)

    def of_file(self, file: Path) -> Document | None:
        """Return the open document that lies at `file`, links resolved."""
        return next((each for each in self if each.file == file), None)

    def __iter__(self) -> Iterator[Document]:
        return iter(tuple(self._open.values()))


def short_path(path: str, roots: Sequence[Path] = ()) -> str:
    """Return `path` relative to the innermost of the folders `roots` that it lies in.

    With its name before, where there are several of them; the file's name where it lies in none.
    """
    root = innermost(path, roots)
    if root is None:
        return PurePosixPath(path).name
    inside = PurePosixPath(path).relative_to(root.as_posix())
    return str(inside if len(roots) == 1 else root.name / inside)


def innermost(path: str, roots: Iterable[Path]) -> Path | None:
    """Return the innermost of the folders `roots` that `path` lies in, None for none."""
    around = [root for root in roots if PurePosixPath(path).is_relative_to(root.as_posix())]
    return max(around, key=lambda root: len(root.parts), default=None)


def _file(uri: str) -> Path | None:
    parts = urlsplit(uri)
    return Path(unquote(parts.path)).resolve() if parts.scheme == "file" and parts.path else None


def _split(text: str) -> list[str]:
    """Split at \\n, \\r\\n and \\r only; the last line has no line end and may be empty."""
    lines = _LINE.findall(text)
    if not lines or lines[-1][-1] in "\r\n":
        lines.append("")
    return lines


def _without_lone_surrogates(text: str) -> str:
    """Put U+FFFD, which is as long in UTF-16, where JSON spelled half a surrogate pair."""
    return _LONE_SURROGATE.sub("\ufffd", text)
