"""Random edits and requests by the thousand: equal texts, an answer to all, memory that holds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from tests.lsp.conftest import LIB, SPEAK
from tests.lsp.test_documents import CODECS, PIECES

if TYPE_CHECKING:
    from tests.lsp.conftest import Start, Wire

EVENTS = 20_000
# Left out is what Python, or LSP, takes for the end of a line and the other does not.
TYPED = [each for each in PIECES if each in ("\n", "\r\n") or not each.isspace() or each == "\t"]
FILES = 3
COMPARED_EVERY = 500
OVERTAKEN = (-32800, -32801)
# What the allocator may keep of the last answers, in MiB.
GROWTH_MIB = 24


class Lines:
    """A text as the editor has it: lines with their ends, edited at random places."""

    def __init__(self, text: str, chance: random.Random) -> None:
        self.lines = text.splitlines(keepends=True) or [""]
        self.version = 1
        self._chance = chance

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def place(self) -> tuple[int, int]:
        """A random line, and an index into it before its end."""
        line = self._chance.randrange(len(self.lines))
        return line, self._chance.randint(0, len(self.lines[line].rstrip("\r\n")))

    def position(self, line: int, index: int) -> dict[str, int]:
        codec, width = CODECS["utf-16"]
        return {"line": line, "character": len(self.lines[line][:index].encode(codec)) // width}

    def edit(self) -> dict[str, Any]:
        """Insert or replace something within a line, or join it with the next one."""
        (line, start), new = self.place(), self._new()
        end = min(start + self._chance.choice((0, 0, 0, 1, 5)), self._length(line))
        where = {"start": self.position(line, start), "end": self.position(line, end)}
        old = self.lines[line]
        self.lines[line : line + 1] = _split(old[:start] + new + old[end:])
        self.version += 1
        return {"range": where, "text": new}

    def _length(self, line: int) -> int:
        return len(self.lines[line].rstrip("\r\n"))

    def _new(self) -> str:
        return self._chance.choice(("", "self.", "let a = ", *TYPED))


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def events(wire: Wire, files: dict[str, Lines], chance: random.Random) -> Iterator[int]:
    """Send random events and yield the ids of the requests among them."""
    for _ in range(EVENTS):
        uri = chance.choice(list(files))
        file = files[uri]
        kind = chance.random()
        if kind < 0.6:
            change = file.edit()
            wire.change(uri, file.version, change)
        elif kind < 0.93:
            by_hand = chance.random() < 0.02
            place = file.position(*file.place())
            number = wire.ask(uri, place["line"], place["character"], by_hand=by_hand)
            yield number
            if chance.random() < 0.1:
                wire.notify("$/cancelRequest", {"id": number})
        elif kind < 0.98:
            place = file.position(*file.place())
            document = {"textDocument": {"uri": uri}, "position": place}
            yield wire.request("textDocument/completion", document)
        else:
            wire.close(uri)
            wire.open(uri, file.text)
            file.version = 1


@pytest.mark.slow
def test_soak(start: Start, bundle_path: Path, tmp_path: Path) -> None:
    chance = random.Random(31)
    wire = start(
        "--model",
        str(bundle_path),
        env={"M31R_DEBUG_REQUESTS": "1", "XDG_DATA_HOME": str(tmp_path)},
    )
    wire.initialize({**SPEAK, "check": {"enabled": False}}, root=tmp_path)
    process = psutil.Process(wire.process.pid)
    text = LIB.read_text("utf-8")
    texts = (text.replace("title", "títle"), text.replace("\n", "\r\n"), "fn f() {\r\n}")
    files = {f"file:///soak{i}.rs": Lines(texts[i], chance) for i in range(FILES)}
    for uri, file in files.items():
        wire.open(uri, file.text)
    memory, answered, waiting = [], 0, []
    for count, number in enumerate(events(wire, files, chance), 1):
        waiting.append(number)
        if len(waiting) >= chance.randint(1, 120):
            answered += answers(wire, waiting)
            waiting = []
        if count % COMPARED_EVERY == 0:
            for uri, file in files.items():
                answer = wire.call("m31r/documentText", {"uri": uri})
                assert answer == {"text": file.text, "version": file.version}
            memory.append(process.memory_info().rss / 2**20)
    answers(wire, waiting)
    assert answered > EVENTS / 100
    assert wire.messages == []
    assert memory[-1] - memory[len(memory) // 2] < GROWTH_MIB, memory
    assert wire.leave() == 0


def answers(wire: Wire, waiting: list[int]) -> int:
    """Wait for all answers and return how many were more than a word that it was overtaken."""
    found = 0
    for number in waiting:
        answer = wire.response(number)
        if "error" in answer:
            assert answer["error"]["code"] in OVERTAKEN, answer
        else:
            found += 1
    return found


def test_ten_thousand_files_opened_and_closed(start: Start, bundle_path: Path) -> None:
    wire = start("--model", str(bundle_path), env={"M31R_DEBUG_REQUESTS": "1"})
    wire.initialize(SPEAK)
    process = psutil.Process(wire.process.pid)
    memory = []
    for number in range(10_000):
        uri = f"file:///opened{number % 700}.rs"
        wire.open(uri, "fn main() {\n    let a = 1;\n}\n")
        wire.close(uri)
        if number % 1_000 == 999:
            assert wire.call("m31r/documentText", {"uri": uri}) is None
            memory.append(process.memory_info().rss / 2**20)
    assert memory[-1] - memory[3] < GROWTH_MIB, memory
    assert wire.leave() == 0
