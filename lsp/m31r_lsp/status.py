"""m31r/status: what the user may know of the server at any time (docs/protocol.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from m31r_lsp.verifying import Word

State = Literal["off", "loading", "failed", "ready", "thinking", "checking"]

# What is answered sooner is not worth a change of what the user sees.
_THINKING_SHOWS_AFTER_S = 0.15

_VERDICTS: dict[Word, str] = {
    "passed": "the suggestion compiles",
    "failed": "the suggestion does not compile and is not made again",
    "unknown": "rustc cannot say whether the suggestion compiles",
}


@dataclass(frozen=True)
class Status:
    """What docs/protocol.md says; `problem` is why the model is not there or says nothing."""

    state: State = "loading"
    model: str | None = None
    silent: str | None = None
    verdict: Word | None = None
    uri: str | None = None
    problem: str | None = None

    @property
    def message(self) -> str:
        """One line for the user."""
        if self.state in ("failed", "off"):
            return self.problem or f"M31R is {self.state}"
        if self.state == "loading":
            return "the model is being loaded"
        if self.state == "thinking":
            return f"{self.model} is thinking"
        if self.state == "checking":
            return "rustc is checking the suggestion"
        if self.silent is not None:
            return f"silent: {self.silent}"
        return f"{self.model} is ready" if self.verdict is None else _VERDICTS[self.verdict]

    def as_json(self) -> dict[str, Any]:
        """Return the parameters of the notification."""
        fields = asdict(self)
        del fields["problem"]
        return {**fields, "message": self.message}


class StatusLine:
    """Keeps the status and has the client told when it changes. For the loop's thread."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self.now = Status()
        self._tell = tell
        self._told: dict[str, Any] | None = None
        self._off: str | None = None
        self._thinking: asyncio.TimerHandle | None = None

    def loading(self) -> None:
        """A model is being loaded."""
        self._become(Status("loading"))

    def ready(self, model: str) -> None:
        """The model is there."""
        self._become(replace(self.now, state="ready", model=model, problem=None))

    def failed(self, problem: str) -> None:
        """There is no model, and `problem` says why."""
        self._become(Status("failed", problem=problem))

    def switched_off(self, reason: str | None) -> None:
        """Ghost text is off for a reason, or on again with None."""
        self._off = reason
        self._show(self.now if reason is None else replace(self.now, verdict=None))

    def thinking(self, uri: str) -> None:
        """The model was asked; shown when the answer takes a while."""
        self._stop_waiting()
        self._thinking = asyncio.get_running_loop().call_later(
            _THINKING_SHOWS_AFTER_S, lambda: self._busy("thinking", uri)
        )

    def answered(self, uri: str, silent: str | None) -> None:
        """A request has its answer: text, or nothing for the reason `silent`."""
        self._change(state="ready", silent=silent, verdict=None, uri=uri)

    def checking(self, uri: str) -> None:
        """rustc looks at what is shown."""
        self._busy("checking", uri)

    def judged(self, uri: str, verdict: Word | None) -> None:
        """rustc has said what it thinks, or stopped."""
        self._change(state="ready", silent=None, verdict=verdict, uri=uri)

    def _become(self, status: Status) -> None:
        self._stop_waiting()
        self._show(status)

    def _busy(self, state: Literal["thinking", "checking"], uri: str) -> None:
        self._change(state=state, silent=None, verdict=None, uri=uri)

    def _change(self, **changes: Any) -> None:
        self._stop_waiting()
        if self.now.model is None:
            del changes["state"]
        self._show(replace(self.now, **changes))

    def _show(self, status: Status) -> None:
        self.now = status
        said = self.current().as_json()
        if said != self._told:
            self._told = said
            self._tell(said)

    def current(self) -> Status:
        """Return the status as the client is told."""
        if self._off is None or self.now.state in ("loading", "failed"):
            return self.now
        return Status("off", self.now.model, problem=f"M31R is off: {self._off}")

    def _stop_waiting(self) -> None:
        if self._thinking is not None:
            self._thinking.cancel()
            self._thinking = None
