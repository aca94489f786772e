"""A language server whose inline completions are written down in a file.

What a model says cannot be foretold; this says what a test of the plugin wants to see drawn and
taken. It speaks as docs/protocol.md has it:

    python -m tests.e2e.neovim_server ANSWERS COMMANDS

ANSWERS is JSON, read for each request: a list of `{"line", "items": [{"text", "over"}]}`, `line`
being the text before the cursor and `over` how many characters behind it the text repeats; an item
with `"refused": true` is shown once, and then rustc is said to refuse it. Each command that the
client has executed is a line of COMMANDS.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

answers, commands = (Path(name) for name in sys.argv[1:])
server = LanguageServer("scripted", "1")
refused: set[str] = set()


@server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
async def inline_completion(params: types.InlineCompletionParams) -> types.InlineCompletionList:
    """Return what is written down for this line, and what is left of it while it is typed."""
    document = server.workspace.get_text_document(params.text_document.uri)
    at = params.position
    offset = document.offset_at_position(at) - document.offset_at_position(
        types.Position(at.line, 0)
    )
    line = (document.lines[at.line] if at.line < len(document.lines) else "").rstrip("\n")
    before, items = line[:offset], []
    for answer in json.loads(answers.read_text("utf-8")):
        for number, item in enumerate(answer["items"]):
            whole = answer["line"] + item["text"]
            if not (len(answer["line"]) <= len(before) < len(whole) and whole.startswith(before)):
                continue
            if item["text"] in refused:
                continue
            if item.get("refused"):
                refused.add(item["text"])
                said = {"state": "ready", "verdict": "failed", "uri": params.text_document.uri}
                loop = asyncio.get_running_loop()
                loop.call_later(0.5, server.protocol.notify, "m31r/status", said)
            end = types.Position(at.line, at.character + item.get("over", 0))
            items.append(
                types.InlineCompletionItem(
                    insert_text=whole[len(before) :],
                    range=types.Range(at, end),
                    command=types.Command("accepted", "m31r.accepted", arguments=[number]),
                )
            )
    if params.context.trigger_kind == types.InlineCompletionTriggerKind.Automatic:
        items = items[:1]
    return types.InlineCompletionList(items=items)


@server.command("m31r.accepted")
def accepted(*arguments: Any) -> None:
    """Take a note of it."""
    with commands.open("a", encoding="utf-8") as file:
        file.write(json.dumps(arguments) + "\n")


if __name__ == "__main__":
    server.start_io()
