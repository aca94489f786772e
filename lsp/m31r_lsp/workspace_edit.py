"""A fix as a WorkspaceEdit, in the richest form that the client takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lsprotocol import types

from m31r_core.repair.edits import Edit
from m31r_core.repair.fixes import Fix
from m31r_lsp.client import Abilities
from m31r_lsp.documents import Documents, Encoding
from m31r_lsp.positions import text_edits

_ANNOTATION = "m31r"


@dataclass(frozen=True)
class FileText:
    """A file that a fix changes, as it was checked. `version` is None where it was not open."""

    uri: str
    version: int | None
    text: bytes


def current_text(documents: Documents, file: Path) -> FileText:
    """Return the file as the editor has it, or the disk. Raises OSError."""
    document = documents.of_file(file)
    if document is not None:
        return FileText(document.uri, document.version, document.text.encode())
    return FileText(file.as_uri(), None, file.read_bytes())


def workspace_edit(
    fix: Fix, files: Mapping[str, FileText], encoding: Encoding, client: Abilities
) -> types.WorkspaceEdit:
    """Return the edits of `fix`; `files` has each file that it changes, by the path of its edits.

    Raises ValueError for edits that do not fit the texts.
    """
    made = {
        path: text_edits(files[path].text, edits, encoding)
        for path, edits in by_file(fix.edits).items()
    }
    if not client.document_changes:
        return types.WorkspaceEdit(
            changes={
                files[path].uri: [types.TextEdit(where, new) for where, new in edits]
                for path, edits in made.items()
            }
        )
    plain = not client.annotations
    changes = [
        types.TextDocumentEdit(
            text_document=types.OptionalVersionedTextDocumentIdentifier(
                uri=files[path].uri, version=files[path].version
            ),
            edits=[
                types.TextEdit(where, new)
                if plain
                else types.AnnotatedTextEdit(range=where, new_text=new, annotation_id=_ANNOTATION)
                for where, new in edits
            ],
        )
        for path, edits in made.items()
    ]
    annotation = types.ChangeAnnotation(
        label=f"M31R: {fix.title}",
        needs_confirmation=bool(fix.cautions),
        description=", ".join(("checked with rustc", *sorted(fix.cautions))),
    )
    return types.WorkspaceEdit(
        document_changes=changes,
        change_annotations=None if plain else {_ANNOTATION: annotation},
    )


def by_file(edits: tuple[Edit, ...]) -> dict[str, list[Edit]]:
    """Return the edits grouped by path, in the order of the paths."""
    groups: dict[str, list[Edit]] = {}
    for edit in sorted(edits):
        groups.setdefault(edit.path, []).append(edit)
    return groups
