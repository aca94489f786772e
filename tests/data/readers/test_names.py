"""Names of archive members, and what paths say about their files."""

from __future__ import annotations

import posixpath
from pathlib import PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_data.readers.names import (
    is_context,
    is_printable,
    kind_of,
    leads_outside,
    package_of_path,
    plain,
    printable,
)


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../x.rs",
        "a/../../x.rs",
        "a/..",
        "..",
        "..\\x.rs",
        "a\\..\\..\\x.rs",
        "\\x.rs",
        "C:\\x.rs",
        "c:x.rs",
        "a\0b.rs",
        "",
    ],
)
def test_names_that_lead_outside(name: str) -> None:
    assert leads_outside(name)


@pytest.mark.parametrize("name", ["a/b.rs", "./a", "a//b", "a..b/c...rs", "...", "a/.hidden"])
def test_names_that_stay_inside(name: str) -> None:
    assert not leads_outside(name)


PARTS = st.sampled_from(["..", ".", "", "a", "b.rs", "/", "\\", "C:", "\0", "é", "..a", "\udc80"])


@given(st.one_of(st.text(), st.lists(PARTS).map("".join), st.lists(PARTS).map("/".join)))
def test_what_passes_stays_inside_on_every_system(name: str) -> None:
    if leads_outside(name):
        return
    inside = posixpath.normpath(posixpath.join("/top", name))
    assert inside == "/top" or inside.startswith("/top/")
    windows = PureWindowsPath(name)
    assert not windows.is_absolute()
    assert not windows.drive
    assert ".." not in windows.parts
    assert not plain(name).startswith("/")


@given(st.text())
def test_any_path_can_be_written_down(path: str) -> None:
    assert is_printable(printable(path))
    printable(path).encode()
    if is_printable(path):
        assert printable(path) == path


@pytest.mark.parametrize(
    ("inside", "kind"),
    [
        ("src/lib.rs", "src"),
        ("build.rs", "build"),
        ("src/build.rs", "src"),
        ("tests/it.rs", "test"),
        ("tests.rs", "src"),
        ("examples/a/main.rs", "example"),
        ("benches/b.rs", "bench"),
        ("tests/ui/wrong.rs", "fixture"),
        ("tests/compile-fail/wrong.rs", "fixture"),
        ("tests/compile_fail/wrong.rs", "fixture"),
        ("tests/fail/wrong.rs", "fixture"),
        ("test/ui/wrong.rs", "fixture"),
        ("compile-fail/wrong.rs", "fixture"),
        ("src/ui/mod.rs", "src"),
        ("src/tests/fail.rs", "src"),
    ],
)
def test_kinds(inside: str, kind: str) -> None:
    assert kind_of(inside, f"crates/a/{inside}") == kind


def test_crates_among_fixtures_are_fixtures() -> None:
    assert kind_of("src/lib.rs", "a/tests/ui/inner/src/lib.rs") == "fixture"


def test_what_tells_about_licences() -> None:
    assert is_context("a/Cargo.toml")
    assert is_context("a/LICENSE-MIT")
    assert is_context("a/debian/copyright")
    assert is_context("usr/share/doc/librust-a-dev/copyright")
    assert not is_context("a/src/license.rs")
    assert not is_context("a/copyright")


def test_neighbours_without_a_package_stay_together() -> None:
    assert package_of_path("a/b/c/d/e.rs") == package_of_path("a/b/c/x.rs") == "a/b/c"
    assert package_of_path("main.rs") == "main.rs"
