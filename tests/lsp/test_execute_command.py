"""What a user can ask of the server by name, and what the client is told unasked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.lsp.conftest import LIB, SPEAK, Start, Wire

URI = "file:///status.rs"
TELL_STATUS = {"experimental": {"m31r": {"status": True}}}
ELSEWHERE = "// a comment\n"


@pytest.fixture
def serve(start: Start, bundle_path: Path, tmp_path: Path) -> Callable[..., Wire]:
    def serve_it(**options: Any) -> Wire:
        wire = start("--model", str(bundle_path), env={"XDG_DATA_HOME": str(tmp_path)})
        wire.initialize({**SPEAK, **options}, capabilities=TELL_STATUS)
        return wire

    return serve_it


def command(wire: Wire, name: str, *arguments: object) -> Any:
    return wire.call("workspace/executeCommand", {"command": name, "arguments": list(arguments)})


def until(wire: Wire, state: str) -> dict[str, Any]:
    while (said := wire.wait_for("m31r/status"))["state"] != state:
        pass
    return said


def test_the_client_hears_when_the_model_is_there(serve: Callable[..., Wire]) -> None:
    wire = serve()
    assert wire.wait_for("m31r/status")["state"] == "loading"
    said = wire.wait_for("m31r/status")
    assert said["state"] == "ready"
    assert said["message"] == f"{said['model']} is ready"


def test_a_model_that_is_not_there_is_named(start: Start, tmp_path: Path) -> None:
    wire = start("--model", str(tmp_path))
    wire.initialize({}, capabilities=TELL_STATUS)
    said = until(wire, "failed")
    assert str(tmp_path) in said["message"]


def test_a_silence_has_its_reason_in_the_status(serve: Callable[..., Wire]) -> None:
    wire = serve()
    until(wire, "ready")
    wire.open(URI, ELSEWHERE)
    assert wire.ghost(URI, 0, 5) is None
    said = until(wire, "ready")
    assert said["silent"] == "the cursor is in a comment"
    assert said["uri"] == URI
    assert command(wire, "m31r.status")["silent"] == "the cursor is in a comment"


def test_a_client_that_did_not_ask_for_it_gets_no_status(
    server: Wire, lively: tuple[str, int, int]
) -> None:
    assert command(server, "m31r.status")["state"] == "ready"
    assert all(message["method"] != "m31r/status" for message in server.messages)


def test_toggle_holds_until_the_setting_changes(
    serve: Callable[..., Wire], lively: tuple[str, int, int]
) -> None:
    wire, (text, line, character) = serve(), lively
    wire.open(URI, text)
    assert command(wire, "m31r.toggle") == {"enabled": False}
    assert wire.ghost(URI, line, character) is None
    assert until(wire, "off")["message"].startswith("M31R is off")
    assert command(wire, "m31r.toggle", False) == {"enabled": False}
    assert command(wire, "m31r.toggle") == {"enabled": True}
    assert wire.ghost(URI, line, character)

    def say(enabled: bool) -> None:
        settings = {"m31r": {"completion": {"enabled": enabled}}}
        wire.notify("workspace/didChangeConfiguration", {"settings": settings})

    say(False)
    assert wire.ghost(URI, line, character) is None
    assert command(wire, "m31r.toggle") == {"enabled": True}
    say(True)
    say(False)
    assert wire.ghost(URI, line, character) is None


def test_clearing_the_cache_changes_no_answer(
    serve: Callable[..., Wire], lively: tuple[str, int, int]
) -> None:
    wire, (text, line, character) = serve(), lively
    wire.open(URI, text)
    before = wire.ghost(URI, line, character)
    assert command(wire, "m31r.clearCache") is None
    assert wire.ghost(URI, line, character) == before


def test_what_was_taken_is_counted(
    serve: Callable[..., Wire], lively: tuple[str, int, int], tmp_path: Path
) -> None:
    wire, (text, line, character) = serve(), lively
    wire.open(URI, text)
    (item,) = wire.response(wire.ask(URI, line, character))["result"]["items"]
    assert item["command"]["command"] == "m31r.accepted"
    # Typing what it says is the same suggestion.
    place = {"line": line, "character": character}
    typed = {"range": {"start": place, "end": place}, "text": item["insertText"][0]}
    wire.change(URI, 2, typed)
    (again,) = wire.response(wire.ask(URI, line, character + 1))["result"]["items"]
    assert again["command"]["arguments"] == item["command"]["arguments"]
    # A word of it, then the rest.
    key = item["command"]["arguments"][0]
    command(wire, "m31r.accepted", key, {"characters": 1})
    command(wire, "m31r.accepted", key)
    accepted = {"range": {"start": moved(place), "end": moved(place)}, "text": again["insertText"]}
    wire.change(URI, 3, accepted)
    wire.save(URI)
    counts = {"shown": 1, "accepted": 1, "kept": 1, "characters": len(again["insertText"])}
    assert command(wire, "m31r.status")["statistics"] == counts
    assert wire.leave() == 0
    assert stats(tmp_path)["total"] == counts


def moved(place: dict[str, int]) -> dict[str, int]:
    return {**place, "character": place["character"] + 1}


def test_nothing_is_written_where_statistics_are_off(
    serve: Callable[..., Wire], lively: tuple[str, int, int], tmp_path: Path
) -> None:
    wire, (text, line, character) = serve(statistics=False), lively
    wire.open(URI, text)
    assert wire.ghost(URI, line, character)
    assert wire.leave() == 0
    assert stats(tmp_path)["total"]["shown"] == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [[], ["7"], [7], [None, None], [1, {"characters": "x"}]])
def test_nonsense_is_answered(server: Wire, arguments: list[object]) -> None:
    assert command(server, "m31r.accepted", *arguments) is None


def test_a_command_that_does_not_exist_is_refused(server: Wire) -> None:
    number = server.request("workspace/executeCommand", {"command": "m31r.nonsense"})
    assert "m31r.nonsense" in server.response(number)["error"]["message"]


def stats(home: Path) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "m31r_lsp", "stats", "--json"],
        env={"XDG_DATA_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_two_servers_count_into_one_file(
    serve: Callable[..., Wire], lively: tuple[str, int, int], tmp_path: Path
) -> None:
    text, line, character = lively
    for wire in [serve(), serve()]:
        wire.open(URI, text)
        assert wire.ghost(URI, line, character)
        assert wire.leave() == 0
    assert stats(tmp_path)["total"]["shown"] == 2


def test_the_schema_in_the_repository_is_that_of_the_settings() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "m31r_lsp", "schema"], capture_output=True, text=True, check=True
    )
    kept = LIB.parents[2] / "editors" / "m31r.schema.json"
    assert json.loads(kept.read_text("utf-8")) == json.loads(done.stdout)
