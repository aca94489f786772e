"""Whether the compiler may be asked about a document, and on which texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from m31r_lsp.crates import crate_of
from m31r_lsp.documents import Document
from m31r_lsp.settings import Settings

if TYPE_CHECKING:
    from m31r_lsp.server import M31RServer


def why_not(settings: Settings, document: Document) -> str | None:
    """Return why nothing may or can be compiled for `document`, or None."""
    if not settings.trusted:
        return "the workspace is not trusted"
    if not settings.check.enabled:
        return "check.enabled is false"
    if sys.platform == "win32":
        return "rustc is not run on Windows yet"
    if document.file is None or document.file.suffix != ".rs":
        return f"{document.uri} is no Rust file on this machine"
    if crate_folder(document) is None:
        return f"there is no Cargo.toml above {document.file}"
    return None


def crate_folder(document: Document) -> Path | None:
    """Return the folder of the document's crate."""
    return None if document.file is None else crate_of(document.file)


def buffers_around(server: M31RServer, folder: Path) -> dict[Path, str]:
    """Return the texts of the open Rust files, whose crates may depend on the one in `folder`."""
    return {
        document.file: document.text
        for document in server.documents
        if document.file is not None and document.file.suffix == ".rs"
    }
