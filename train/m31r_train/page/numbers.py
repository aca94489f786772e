"""The numbers that a run logs: what they are called and how they are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from m31r_train.page.scales import short


def _share(value: float) -> str:
    return f"{value:.1%}"


def _percent(value: float) -> str:
    return f"{100 * value:.3g}%"


def _digits(value: float) -> str:
    return f"{value:.4f}"


def _factor(value: float) -> str:
    return f"{value:.2f}"


@dataclass(frozen=True)
class Number:
    """What a key of the log means to a reader, and how its values and its axis are written."""

    label: str
    unit: str = ""
    write: Callable[[float], str] = short
    tick: Callable[[float], str] = short


NUMBERS = {
    "loss": Number("train loss", "nats/token", _digits),
    "valid_loss": Number("valid loss", "nats/token", _digits),
    "valid_bits_per_byte": Number("valid", "bits/byte", _digits),
    "tasks_exact_match": Number("exact match", "share of line tasks", _share, _percent),
    "tasks_ended": Number("ended by <|end|>", "share of line tasks", _share, _percent),
    "tokens_per_second": Number("tokens/s", "", lambda value: f"{value:,.0f}"),
    "mfu": Number("MFU", "share of the GEMM peak", _share, _percent),
    "grad_norm": Number("gradient norm"),
    "rate_factor": Number("learning-rate factor", "", _factor),
}
"""In the order in which tables show them."""


def number_of(key: str) -> Number:
    """Return what is known of a key; a key that nobody described is called by its name."""
    return NUMBERS.get(key, Number(key.replace("_", " ")))


def written(key: str, value: float | None) -> str:
    """Write the value of a key."""
    return "not finite" if value is None else number_of(key).write(value)
