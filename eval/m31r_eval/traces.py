"""Recorded typing: what an editor told the server, and when.

    {"id", "path", "text", "encodings"?: ["utf-16"],
     "events": [{"at_ms", "change": [{…}]} | {"at_ms", "ask": {…}}]}

`text` is the file as it was opened, `encodings` what the editor counts positions in, best first;
`change` holds the content changes of a didChange, `ask` the position and context of an
inlineCompletion, both as the protocol has them. `at_ms` counts from the opening. `m31r-eval record`
makes them of a real session.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m31r_eval.tasks import TaskFile, read_lines, string


@dataclass(frozen=True)
class Event:
    """Something that the editor sent: exactly one of `change` and `ask` is there."""

    at_ms: float
    change: list[dict[str, Any]] | None = None
    ask: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the event as it stands in a trace."""
        what = {"ask": self.ask} if self.change is None else {"change": self.change}
        return {"at_ms": round(self.at_ms, 1), **what}


@dataclass(frozen=True)
class Trace:
    """One session in one file."""

    id: str
    path: str
    text: str
    events: tuple[Event, ...]
    encodings: tuple[str, ...] = ("utf-16",)

    @property
    def asks(self) -> int:
        """How often ghost text was asked for."""
        return sum(event.ask is not None for event in self.events)

    def as_json(self) -> dict[str, object]:
        """Return the trace as the object of its line."""
        events = [event.as_json() for event in self.events]
        return {
            "id": self.id,
            "path": self.path,
            "text": self.text,
            "encodings": list(self.encodings),
            "events": events,
        }


def read_traces(path: Path, limit: int | None = None) -> TaskFile[Trace]:
    """Read the traces of `path`, at most the first `limit`. Raises ConfigError as `read_lines`."""
    return read_lines(path, _trace, limit)


def _trace(data: object) -> Trace:
    if not isinstance(data, dict):
        raise ValueError("a trace is a JSON object")
    events = data.get("events")
    if not isinstance(events, list) or not events:
        raise ValueError("'events' must be a list of events")
    found = tuple(_event(event) for event in events)
    if not any(event.ask is not None for event in found):
        raise ValueError("no event of the trace asks for anything")
    encodings = data.get("encodings", ["utf-16"])
    if not isinstance(encodings, list) or not all(isinstance(each, str) for each in encodings):
        raise ValueError("'encodings' must be a list of names")
    return Trace(
        string(data, "id"), string(data, "path"), string(data, "text"), found, tuple(encodings)
    )


def _event(data: object) -> Event:
    if not isinstance(data, dict) or not isinstance(data.get("at_ms"), int | float):
        raise ValueError("an event is an object with a number 'at_ms'")
    change, ask = data.get("change"), data.get("ask")
    if isinstance(change, list) and ask is None:
        return Event(float(data["at_ms"]), change=change)
    if isinstance(ask, dict) and isinstance(ask.get("position"), dict) and change is None:
        return Event(float(data["at_ms"]), ask=ask)
    raise ValueError("an event has either a list 'change' or an 'ask' with a 'position'")
