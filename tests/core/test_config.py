"""Configuration errors name the key, and suggest the near one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from m31r_core.config import from_mapping, load_toml
from m31r_core.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    path: Path
    steps: int = 3
    mode: Literal["a", "b"] = "a"
    limit: int | None = None
    inner: Inner = field(default_factory=Inner)

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError("'steps' must not be negative")


def test_values_defaults_and_overrides(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('path = "x/y"\n[inner]\nrate = 2\nnames = ["n"]\n')
    loaded = load_toml(file, Outer, ["steps=7", "mode=b", "inner.rate=0.25"])
    assert loaded == Outer(Path("x/y"), 7, "b", None, Inner(0.25, ("n",)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"path": "x", "step": 1}, "unknown key 'step'; did you mean 'steps'?"),
        ({"path": "x", "inner": {"rat": 1}}, "unknown key 'inner.rat'; did you mean 'rate'?"),
        ({}, "missing key 'path'"),
        ({"path": "x", "steps": "many"}, "'steps' must be int, not 'many'"),
        ({"path": "x", "steps": True}, "'steps' must be int, not True"),
        ({"path": "x", "mode": "c"}, "'mode' must be one of 'a', 'b', not 'c'"),
        ({"path": "x", "inner": 3}, "'inner' must be a table"),
        ({"path": "x", "steps": -1}, "'steps' must not be negative"),
    ],
)
def test_what_is_wrong_is_named(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(data, Outer, "c.toml")
    assert str(caught.value).startswith("c.toml: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("content", ["path = ", "path = 'x'\npath = 'y'"])
def test_broken_toml_names_the_file(content: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"c\.toml"):
        load_toml(file, Outer)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load_toml(tmp_path / "none.toml", Outer)


def test_an_override_without_a_value_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("path = 'x'")
    with pytest.raises(ConfigError, match="key=value"):
        load_toml(file, Outer, ["steps"])
