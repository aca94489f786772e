"""Small crates with errors, an editor's way to apply edits to them, and what cargo says then."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import converters, types

from m31r_lsp.documents import Document, Encoding

Json = dict[str, Any]

MOVED = """\
fn length(text: String) -> usize {
    text.len()
}

fn main() {
    let name = String::from("m31r");
    println!("{}", length(name));
    println!("{name}");
}
"""
MOVED_LINE = 7

RICH: Json = {
    "textDocument": {
        "codeAction": {
            "dataSupport": True,
            "isPreferredSupport": True,
            "honorsChangeAnnotations": True,
            "resolveSupport": {"properties": ["edit"]},
            "tagSupport": {"valueSet": [1]},
        },
        "publishDiagnostics": {"relatedInformation": True},
    },
    "workspace": {
        "workspaceEdit": {"documentChanges": True, "changeAnnotationSupport": {}},
    },
}
"""What VS Code announces, as far as it counts here."""

needs_cargo = pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed")


def make_crate(folder: Path, files: Mapping[str, str]) -> Path:
    """Write a crate without dependencies and return its folder, links resolved."""
    folder.mkdir(parents=True)
    manifest = '[package]\nname = "small"\nversion = "0.1.0"\nedition = "2021"\n\n[workspace]\n'
    for name, text in {"Cargo.toml": manifest, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return folder.resolve()


def compiles(crate: Path) -> bool:
    """Whether plain cargo has no error, in a target folder of its own."""
    return _check(crate).returncode == 0


def errors_of(crate: Path) -> int:
    """Return the number of errors that plain cargo finds."""
    return sum(line.startswith(b"error[") for line in _check(crate).stderr.splitlines())


def _check(crate: Path) -> subprocess.CompletedProcess[bytes]:
    target = crate.parent / "plain-target"
    command = ["cargo", "check", "--offline", "--quiet", "--target-dir", str(target)]
    return subprocess.run(command, cwd=crate, capture_output=True, check=False)


def apply_on_disk(edit: Json, encoding: Encoding = "utf-16") -> None:
    """Apply a WorkspaceEdit to the files on the disk, as an editor does and saves."""
    changes = dict(edit.get("changes") or {})
    for change in edit.get("documentChanges") or ():
        changes[change["textDocument"]["uri"]] = change["edits"]
    for uri, edits in changes.items():
        file = Document(uri, "", 0, encoding).file
        assert file is not None
        file.write_bytes(applied(file.read_bytes().decode(), edits, encoding).encode())


def applied(text: str, edits: list[Json], encoding: Encoding = "utf-16") -> str:
    """Return `text` with TextEdits applied at once."""
    document = Document("file:///a.rs", text, 0, encoding)
    structure = converters.get_converter().structure
    ranges = [(structure(edit["range"], types.Range), edit["newText"]) for edit in edits]
    for where, new in sorted(ranges, key=lambda each: each[0].start, reverse=True):
        document.apply([types.TextDocumentContentChangePartial(where, new)], 1)
    return document.text


def diagnostic(line: int, code: str | None, *, start: int = 0, end: int = 80) -> Json:
    """What another server would say about a line."""
    where = {
        "start": {"line": line, "character": start},
        "end": {"line": line, "character": end},
    }
    return {"range": where, "message": "as told", "severity": 1, **({"code": code} if code else {})}
