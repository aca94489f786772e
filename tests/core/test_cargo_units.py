"""Calls of rustc as they are written down, moved and read back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.cargo import CargoError, Deadline, recorder
from m31r_core.cargo.mirror import Mirror
from m31r_core.cargo.tree import Scanner, version_of
from m31r_core.cargo.units import (
    Unit,
    command_line,
    dep_info_sources,
    in_order,
    read_unit,
    unit_as_json,
    unit_from_json,
)

CALL = """
    /toolchain/rustc --crate-name app --edition=2021 src/main.rs --error-format=json
    --json=artifacts --crate-type bin --emit=dep-info,metadata -C debuginfo=2
    -C metadata=aa -C extra-filename=-bb --out-dir /copy/target/deps
    -C incremental=/copy/target/incremental -L dependency=/copy/target/deps
    --extern lib=/copy/target/deps/liblib-cc.rmeta --extern std
"""
MOVED = """
    /toolchain/rustc --crate-name app --edition=2021 src/main.rs --error-format=json
    --crate-type bin --emit=dep-info,metadata -C debuginfo=2
    -C metadata=aa -C extra-filename=-bb --out-dir /lane/deps -L dependency=/lane/deps
    -L dependency=/copy/target/deps --extern lib=/lane/deps/liblib-cc.rmeta --extern std
    -C incremental=/lane/incremental/app-bb
"""


def unit(name: str, *needed: str) -> Unit:
    argv = ["rustc", "src/lib.rs"]
    for other in needed:
        argv += ["--extern", f"x=/deps/lib{other}.rmeta"]
    return Unit(name, tuple(argv), "/", {}, "/src/lib.rs", "/")


def test_a_call_is_written_down_without_the_users_environment(tmp_path: Path) -> None:
    own = {"PATH": os.environ["PATH"], "TOKEN": "secret", "CHANGED": "before"}
    environment = {
        **own,
        "CHANGED": "after",
        "CARGO_MANIFEST_DIR": "/copy/tree/user/ws",
        "CARGO_MAKEFLAGS": "--jobserver-fds=3,4",
        "M31R_RECORDS": str(tmp_path),
        "M31R_BASE": recorder.base(own, "salt"),
    }
    command = [sys.executable, "-IS", recorder.__file__, *CALL.split()]
    subprocess.run(command, check=True, env=environment, cwd=tmp_path)
    (file,) = tmp_path.glob("*.json")
    assert file.name == "app-bb.json"
    assert file.stat().st_mode & 0o777 == 0o600
    record = json.loads(file.read_text())
    del record["env"]["LC_CTYPE"]  # Python's own
    assert record["env"] == {"CHANGED": "after", "CARGO_MANIFEST_DIR": "/copy/tree/user/ws"}
    read = read_unit(file, "/copy/tree")
    assert read is not None
    assert (read.name, read.package, read.externs) == ("app-bb", "/user/ws", ("lib-cc",))
    assert unit_from_json(json.loads(json.dumps(unit_as_json(read)))) == read


@pytest.mark.parametrize("text", ["", "{", "[]", '{"argv": []}', '{"argv": ["rustc"], "env": {}}'])
def test_what_is_no_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert read_unit(tmp_path / "a.json", "") is None
    assert read_unit(tmp_path / "b.json", "") is None


def test_a_call_is_moved_to_a_lane() -> None:
    call = Unit("app-bb", tuple(CALL.split()), "/copy/tree/ws", {}, "/ws/src/main.rs", "/ws")
    command = command_line(
        call,
        place=lambda text: text.replace("/copy/tree", "/lane/tree"),
        extern=lambda path: path.replace("/copy/target", "/lane"),
        search=[Path("/lane/deps")],
        out_dir=Path("/lane/deps"),
        incremental=Path("/lane/incremental/app-bb"),
    )
    assert command == MOVED.split()


def test_units_come_behind_what_they_need() -> None:
    units = {found.name: found for found in (unit("a-1", "c-1"), unit("b-1"), unit("c-1", "b-1"))}
    assert [found.name for found in in_order(units)] == ["b-1", "c-1", "a-1"]


@given(st.lists(st.text("ab \\#$é/", min_size=1, max_size=8), min_size=1, max_size=4))
def test_dep_info_names_any_file(names: list[str]) -> None:
    """rustc writes a blank as "\\ " and a backslash as it is; so does this test."""
    import tempfile

    paths = [f"src/{name.replace(chr(92), '_').replace('#', '_')}.rs" for name in names]
    escaped = [path.replace(" ", "\\ ") for path in paths]
    text = f"/out/app.d: {' '.join(escaped)} notes.txt\n\n"
    text += "".join(f"{path}:\n" for path in escaped) + "notes.txt:\n# env-dep:NAME=x.rs:\n"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "app.d")
        file.write_text(text, "utf-8")
        found = dep_info_sources(file, "/lane/ws", "/lane")
    assert found == frozenset(os.path.normpath(f"/ws/{path}") for path in paths)


def scan(root: Path) -> Scanner:
    return Scanner([root], root.parent / "cache")


def test_the_copy_follows_the_files_and_what_lies_over_them(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    (root / "src").mkdir(parents=True)
    (root / "Cargo.toml").write_text("[package]\n")
    (root / "src/lib.rs").write_text("one")
    (root / "src/a.rs").write_text("a")
    (root / "target").mkdir()
    (root / "target/junk.rs").write_text("never copied")
    mirror = Mirror(tmp_path / "copy")
    scanner = scan(root)
    library = str(root / "src/lib.rs")

    def copied() -> dict[str, str]:
        place = mirror.place(root)
        files = [path for path in sorted(place.rglob("*")) if path.is_file()]
        return {str(path.relative_to(place)): path.read_text() for path in files}

    saved = {"Cargo.toml": "[package]\n", "src/a.rs": "a", "src/lib.rs": "one"}
    mirror.sync(scanner.scan(Deadline(9)), {}, Deadline(9))
    assert copied() == saved
    new = str(root / "src/new.rs")
    mirror.sync(scanner.scan(Deadline(9)), {library: b"two", new: b"new"}, Deadline(9))
    assert copied() == {**saved, "src/lib.rs": "two", "src/new.rs": "new"}
    # Another process comes upon what a killed one left behind.
    mirror = Mirror(tmp_path / "copy")
    (root / "src/a.rs").unlink()
    mirror.sync(scanner.scan(Deadline(9)), {}, Deadline(9))
    del saved["src/a.rs"]
    assert copied() == saved
    assert Path(library).read_text() == "one"


def test_a_text_that_changed_since_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "ws" / "lib.rs"
    file.parent.mkdir()
    file.write_text("one")
    tree = scan(file.parent).scan(Deadline(9))
    assert tree.versions[str(file)] == version_of(b"one")
    assert tree.read(str(file)) == b"one"
    file.write_text("two")
    with pytest.raises(CargoError, match="changed on disk"):
        tree.read(str(file))
