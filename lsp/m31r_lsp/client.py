"""What the client said it can take, in the few words that the server needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lsprotocol import types
from pygls.capabilities import get_capability


@dataclass(frozen=True)
class Abilities:
    """`lazy_edits`: code actions may get their edit on resolve. `llm_tag`: a tag says that a model
    wrote it. `status`: the client asked for m31r/status."""

    lazy_edits: bool = False
    llm_tag: bool = False
    preferred: bool = False
    document_changes: bool = False
    annotations: bool = False
    progress: bool = False
    related_information: bool = False
    status: bool = False


def abilities(capabilities: types.ClientCapabilities) -> Abilities:
    """Return what the client announced; nothing is taken for granted."""

    def announced(path: str) -> Any:
        return get_capability(capabilities, path, None)

    action = "text_document.code_action"
    resolved = announced(f"{action}.resolve_support.properties") or ()
    tags = announced(f"{action}.tag_support.value_set") or ()
    return Abilities(
        # Without `data` an action that comes back says nothing about where it came from.
        lazy_edits="edit" in resolved and bool(announced(f"{action}.data_support")),
        llm_tag=types.CodeActionTag.LlmGenerated in tags,
        preferred=bool(announced(f"{action}.is_preferred_support")),
        document_changes=bool(announced("workspace.workspace_edit.document_changes")),
        annotations=announced("workspace.workspace_edit.change_annotation_support") is not None
        and announced(f"{action}.honors_change_annotations") is not False,
        progress=bool(announced("window.work_done_progress")),
        related_information=bool(
            announced("text_document.publish_diagnostics.related_information")
        ),
        status=bool(_key(_key(capabilities.experimental, "m31r"), "status")),
    )


def _key(value: Any, name: str) -> Any:
    """Return a key of what pygls made of a JSON object: a mapping or an object."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
