"""Typing that was recorded, and played to the real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.eval.runs import metrics, results

from m31r_eval.cli import main
from m31r_eval.recording import Recorder
from m31r_eval.replaying import resident_mib
from m31r_eval.rpc import Server, frame
from m31r_eval.tasks import write_tasks
from m31r_eval.traces import Event, Trace, read_traces

TEXT = "fn add(a: i32, b: i32) -> i32 {\n    \n}\n"
TYPED = "a + b"


def trace(name: str = "adding", every_ms: float = 60.0) -> Trace:
    """A session in which TYPED is typed, with a request behind every key."""
    events = []
    for i, letter in enumerate(TYPED):
        where = {"line": 1, "character": 4 + i}
        change = {"range": {"start": where, "end": where}, "text": letter}
        behind = {"position": {"line": 1, "character": 5 + i}, "context": {"triggerKind": 2}}
        events += [Event(i * every_ms, change=[change]), Event(i * every_ms + 5, ask=behind)]
    return Trace(name, "add/src/lib.rs", TEXT, tuple(events))


@pytest.fixture
def traces_path(tmp_path: Path) -> Path:
    path = tmp_path / "traces.jsonl"
    write_tasks(path, [trace(), trace("again")])
    return path


def test_every_request_has_an_answer(
    traces_path: Path, bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["latency", str(traces_path), "--model", str(bundle_path), "--out", str(out)]
    assert main(arguments) == 0
    summary = metrics(out)
    assert summary["asks"] == 2 * len(TYPED)
    assert sum(summary["outcomes"].values()) == summary["asks"]
    assert summary["outcomes"].get("missing", 0) == summary["outcomes"].get("error", 0) == 0
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p95"]
    assert summary["first_answer_ms"]["p50"] > 0
    assert summary["ci95"]["mean_ms"][0] <= summary["mean_ms"] <= summary["ci95"]["mean_ms"][1]
    assert "latency ms" in capsys.readouterr().out
    # What the clock decides stands apart.
    record = results(out)["adding"]
    assert {name for name in record if name != "timings"} == {"id", "path", "asks"}


def test_memory_is_read_again_and_again(
    traces_path: Path, bundle_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    settings = tmp_path / "short.toml"
    settings.write_text("[replay]\nrepeats = 3\n")
    arguments = ["memory", str(traces_path), "--model", str(bundle_path), "--out", str(out)]
    assert main([*arguments, "--limit", "1", "--config", str(settings)]) == 0
    summary = metrics(out)
    assert summary["asks"] == 3 * len(TYPED)
    assert 10 < summary["start_mib"] <= summary["peak_mib"]
    assert len(results(out)["adding"]["timings"]["resident_mib"]) == 1 + 1 + 3
    assert resident_mib(os.getpid()) > 10


@pytest.mark.parametrize("gone", ["no-such-program", f"{sys.executable} -c pass"])
def test_a_server_that_is_none_is_a_result(
    gone: str, traces_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["latency", str(traces_path), "--server", gone, "--out", str(out)]) == 0
    assert metrics(out)["crashed"] == 2
    assert main(
        ["latency", str(traces_path), "--server", gone, "--model", ".", "--out", str(out)]
    ) == 2  # fmt: skip
    assert "--server names the whole command" in capsys.readouterr().err


def test_what_an_editor_says_is_recorded_and_passed_on(bundle_path: Path, tmp_path: Path) -> None:
    """An editor that is this test, our recorder in the server's place, and the real server."""
    out = tmp_path / "session.jsonl"
    here = Path(sys.executable).parent
    command = [str(here / "m31r-eval"), "record", "--out", str(out), "--"]
    command += [str(here / "m31r-lsp"), "--model", str(bundle_path)]
    with Server(command) as server:
        general = {"positionEncodings": ["utf-8", "utf-16"]}
        parameters: dict[str, Any] = {
            "processId": None,
            "rootUri": None,
            "capabilities": {"general": general},
        }
        server.answer(server.request("initialize", parameters), 30)
        server.notify("initialized", {})
        uri = "file:///projects/somebody/add/src/lib.rs"
        document = {"uri": uri, "languageId": "rust", "version": 0, "text": TEXT}
        server.notify("textDocument/didOpen", {"textDocument": document})
        for version, event in enumerate(trace().events, 1):
            if event.change is not None:
                changed = {"uri": uri, "version": version}
                changes = {"textDocument": changed, "contentChanges": event.change}
                server.notify("textDocument/didChange", changes)
            else:
                asked = {"textDocument": {"uri": uri}, **(event.ask or {})}
                answer = server.answer(server.request("textDocument/inlineCompletion", asked), 30)
                assert "result" in answer
    (recorded,) = read_traces(out).tasks
    assert recorded.text == TEXT
    assert recorded.encodings == ("utf-8", "utf-16")
    # Where it was typed is nobody's business.
    assert recorded.path == "src/lib.rs"
    assert "somebody" not in out.read_text()
    assert [e.change for e in recorded.events] == [e.change for e in trace().events]
    assert recorded.asks == len(TYPED)
    times = [event.at_ms for event in recorded.events]
    assert times == sorted(times)


def test_a_recorder_takes_nothing_amiss() -> None:
    recorder = Recorder()
    strange: list[dict[str, Any]] = [
        {},
        {"method": "x", "params": []},
        {"method": "textDocument/didChange", "params": {"textDocument": {"uri": "u"}}},
        {"method": "textDocument/inlineCompletion", "params": {"textDocument": {}}},
    ]
    for message in strange:
        recorder.see(message, 0.0)
    assert recorder.traces("none") == []


def test_a_program_that_cannot_be_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", "--out", str(tmp_path / "t.jsonl"), "--", "no-such-program"]) == 1
    assert "no-such-program: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("[]", "a trace is a JSON object"),
        (
            '{"id": "a", "path": "", "text": "", "encodings": 8, "events": '
            '[{"at_ms": 1, "ask": {"position": {}}}]}',
            "'encodings' must be a list",
        ),
        ('{"id": "a", "path": "", "text": "", "events": []}', "a list of events"),
        ('{"id": "a", "path": "", "text": "", "events": [{}]}', "a number 'at_ms'"),
        (
            '{"id": "a", "path": "", "text": "", "events": [{"at_ms": 1, "ask": {}}]}',
            "either a list 'change' or an 'ask'",
        ),
        (
            '{"id": "a", "path": "", "text": "", "events": [{"at_ms": 1, "change": []}]}',
            "no event of the trace asks",
        ),
    ],
)
def test_a_wrong_trace_is_named(
    line: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "traces.jsonl"
    path.write_text(line + "\n")
    assert main(["latency", str(path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"{path}:1: " in said
    assert complaint in said


def test_frames_survive_what_servers_write() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"],
        input=frame({"id": 1, "result": "é"}),
        capture_output=True,
        check=True,
    ).stdout
    head, _, body = said.partition(b"\r\n\r\n")
    assert head == b"Content-Length: %d" % len(body)
    assert json.loads(body) == {"jsonrpc": "2.0", "id": 1, "result": "é"}
