"""Type 200 characters into a 500-line file and time every answer of the real server.

    python benchmarks/keystrokes.py --json keystrokes.json
    python benchmarks/keystrokes.py --soak 10000    # and then types on: does memory grow?

Each key is a didChange and an inlineCompletion over stdio, sent when the key before was answered
and a pause went by. Time runs from the didChange to the answer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._machine import machine

FILE = Path(__file__).parent / "data" / "desk.rs"
URI = "file:///desk/src/lib.rs"
KEYS = 200
IDLE_S = 3.0

# Typed behind this line; an editor indents on its own, so a newline and its indent are one key.
ANCHOR = "    /// Lets days go by.\n"
TYPED = """\
    pub fn titles_with(&self, letter: char) -> Vec<&str> {
        let mut titles = Vec::new();
        for book in self.books.values() {
            if book.title.starts_with(letter) {
                titles.push(book.title.as_str());
            }
        }
        titles.sort();
        titles
    }
"""


@dataclass(frozen=True)
class Row:
    """One measurement and the most it should be, in `unit`; None for what has no bound."""

    name: str
    value: float
    unit: str
    budget: float | None = None


class Client:
    """The least that can talk to a language server over pipes."""

    def __init__(self, arguments: list[str]) -> None:
        command = [sys.executable, "-m", "m31r_lsp", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._stdin = cast(BinaryIO, self.process.stdin)
        self._stdout = cast(BinaryIO, self.process.stdout)
        self._requests = 0

    def send(self, *messages: dict[str, Any]) -> None:
        """Write the messages."""
        for message in messages:
            body = json.dumps({"jsonrpc": "2.0", **message}).encode()
            self._stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._stdin.flush()

    def request(self, method: str, params: Any) -> dict[str, Any]:
        """Return a request with a fresh id."""
        self._requests += 1
        return {"id": self._requests, "method": method, "params": params}

    def wait(self) -> Any:
        """Return the result of the latest request; what the server tells the user is printed."""
        while True:
            message = self._read()
            if message.get("id") == self._requests and "method" not in message:
                return message.get("result")
            if message.get("method") == "window/showMessage":
                raise SystemExit(f"keystrokes.py: {message['params']['message']}")

    def _read(self) -> dict[str, Any]:
        length = 0
        while (header := self._stdout.readline()).strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise SystemExit("keystrokes.py: the server ended")
        return cast(dict[str, Any], json.loads(self._stdout.read(length)))


def main() -> int:
    arguments = _parser().parse_args()
    begin = time.perf_counter()
    server = Client(["--model", str(arguments.model)] if arguments.model else [])
    try:
        rows = measure(server, begin, arguments.pause_ms / 1e3)
        if arguments.soak:
            rows += soak(server, arguments.soak)
        server.send(server.request("shutdown", None))
        server.wait()
        server.send({"method": "exit"})
        server.process.wait(30)
    finally:
        server.process.kill()
    _print(rows)
    if arguments.json:
        report = {"machine": machine(), "rows": [asdict(row) for row in rows], "ratios": {}}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return 0


def measure(server: Client, begin: float, pause_s: float) -> list[Row]:
    """Run the session; `begin` is when the process was started."""
    parameters: dict[str, Any] = {"processId": os.getpid(), "rootUri": None, "capabilities": {}}
    server.send(server.request("initialize", parameters))
    server.wait()
    text = FILE.read_text("utf-8")
    line = text[: text.index(ANCHOR)].count("\n") + 1
    document = {"uri": URI, "languageId": "rust", "version": 1, "text": text}
    server.send(
        {"method": "initialized", "params": {}},
        {"method": "textDocument/didOpen", "params": {"textDocument": document}},
        server.request("textDocument/inlineCompletion", ask_at(line - 4, 0)),
    )
    server.wait()
    first_s = time.perf_counter() - begin

    took: list[float] = []
    computed: list[float] = []
    shown = 0
    ghost = ""
    character = 0
    for version, key in enumerate(typed_keys(), 2):
        where = {"line": line, "character": character}
        change = {"range": {"start": where, "end": where}, "text": key}
        edited = {"uri": URI, "version": version}
        if "\n" in key:
            line, character = line + 1, len(key) - 1
        else:
            character += len(key)
        time.sleep(pause_s)
        start = time.perf_counter()
        server.send(
            {
                "method": "textDocument/didChange",
                "params": {"textDocument": edited, "contentChanges": [change]},
            },
            server.request("textDocument/inlineCompletion", ask_at(line, character)),
        )
        items = server.wait()["items"]
        took.append((time.perf_counter() - start) * 1e3)
        answer = items[0]["insertText"] if items else ""
        if not (ghost.startswith(key) and answer and answer == ghost[len(key) :]):
            computed.append(took[-1])
        ghost = answer
        shown += bool(ghost)

    process = psutil.Process(server.process.pid)
    resident = process.memory_info().rss / 2**20
    before = process.cpu_times()
    time.sleep(IDLE_S)
    after = process.cpu_times()
    busy = max(0.0, after.user + after.system - before.user - before.system) / IDLE_S
    return [
        Row("didChange to answer, p50", quantile(took, 0.50), "ms", 50),
        Row("didChange to answer, p95", quantile(took, 0.95), "ms", 120),
        Row("same, not typed through, p50", quantile(computed, 0.50), "ms"),
        Row("same, not typed through, p95", quantile(computed, 0.95), "ms"),
        Row("process start to first answer", first_s, "s", 1.5),
        Row("resident memory", resident, "MiB", 350),
        Row("CPU when idle", busy * 100, "%", 1),
        Row("keys", len(took), ""),
        Row("keys typed through", len(took) - len(computed), ""),
        Row("keys with ghost text", shown, ""),
    ]


def soak(server: Client, answers: int) -> list[Row]:
    """Type the text and take it away, again and again, until there were so many answers."""
    text = FILE.read_text("utf-8")
    line = text[: text.index(ANCHOR)].count("\n") + 1
    process, memory = psutil.Process(server.process.pid), list[float]()
    version, count = 10 * KEYS, 0
    while count < answers:
        version += 1
        edited = {"uri": URI, "version": version}
        whole = {"textDocument": edited, "contentChanges": [{"text": text}]}
        server.send({"method": "textDocument/didChange", "params": whole})
        at, character = line, 0
        for key in typed_keys()[: answers - count]:
            version, count = version + 1, count + 1
            where = {"line": at, "character": character}
            change = {"range": {"start": where, "end": where}, "text": key}
            if "\n" in key:
                at, character = at + 1, len(key) - 1
            else:
                character += len(key)
            edited = {"uri": URI, "version": version}
            parameters = {"textDocument": edited, "contentChanges": [change]}
            server.send(
                {"method": "textDocument/didChange", "params": parameters},
                server.request("textDocument/inlineCompletion", ask_at(at, character)),
            )
            server.wait()
        memory.append(process.memory_info().rss / 2**20)
    early = memory[len(memory) // 10]
    return [
        Row(f"resident memory behind {answers} more answers", memory[-1], "MiB", 350),
        Row("growth since a tenth of them", (memory[-1] / early - 1) * 100, "%", 1),
    ]


def typed_keys() -> list[str]:
    """Return the keys: characters, and newlines with the indent of the next line."""
    keys: list[str] = []
    for number, line in enumerate(TYPED.splitlines()):
        content = line.lstrip()
        indent = line[: len(line) - len(content)]
        keys.append(("\n" if number else "") + indent)
        keys += content
    return keys[:KEYS]


def ask_at(line: int, character: int) -> dict[str, Any]:
    position = {"line": line, "character": character}
    context = {"triggerKind": 2}
    return {"textDocument": {"uri": URI}, "position": position, "context": context}


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _print(rows: list[Row]) -> None:
    table = Table("", "measured", "at most")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        limit = "" if row.budget is None else f"{row.budget:g} {row.unit}"
        over = row.budget is not None and row.value > row.budget
        digits = 2 if row.unit == "s" else 1 if row.unit else 0
        value = f"{row.value:.{digits}f} {row.unit}".rstrip()
        table.add_row(row.name, f"[red]{value}[/]" if over else value, limit)
    Console().print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE")
    parser.add_argument("--model", type=Path, metavar="DIR", help="the bundle to use")
    parser.add_argument("--soak", type=int, default=0, metavar="N", help="type N more keys")
    parser.add_argument(
        "--pause-ms", type=float, default=50.0, metavar="MS", help="between keys (default: 50)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
