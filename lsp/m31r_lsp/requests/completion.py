"""textDocument/completion: one item of the model among the editor's own."""

from __future__ import annotations

import re

from lsprotocol import types

from m31r_lsp.requests.inline_completion import one_ghost, reach
from m31r_lsp.server import M31RServer

_WORD = re.compile(r"\w*\Z")


def register(server: M31RServer) -> None:
    """Register the request."""
    options = types.CompletionOptions(trigger_characters=[".", ":"])
    server.feature(types.TEXT_DOCUMENT_COMPLETION, options)(completion)


async def completion(server: M31RServer, params: types.CompletionParams) -> types.CompletionList:
    """Return at most one item, marked as M31R, that replaces the word before the cursor."""
    nothing = types.CompletionList(is_incomplete=True, items=[])
    document = server.documents.get(params.text_document.uri)
    if document is None or not server.settings_of(document).completion.menu_item:
        return nothing
    position = document.clamp(params.position)
    where = types.Range(position, position)
    match = _WORD.search(document.line_before(position))
    ghost = await one_ghost(server, document, where, "")
    if not ghost:
        return nothing
    word = match[0] if match else ""
    start = types.Position(position.line, position.character - document.units(word))
    text = ghost.text.replace("\n", document.line_end)
    label = (word + ghost.text).strip()
    item = types.CompletionItem(
        label=label.partition("\n")[0] + (" …" if "\n" in label else ""),
        label_details=types.CompletionItemLabelDetails(description="M31R"),
        detail="M31R",
        kind=types.CompletionItemKind.Text,
        sort_text="0",
        filter_text=word + text,
        insert_text_format=types.InsertTextFormat.PlainText,
        text_edit=types.TextEdit(
            range=types.Range(start, reach(where, ghost).end), new_text=word + text
        ),
    )
    # Incomplete, so that the editor asks again for each letter typed.
    return types.CompletionList(is_incomplete=True, items=[item])
