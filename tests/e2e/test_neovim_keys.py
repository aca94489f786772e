"""What the keys of the Neovim plugin do, with a server that says what a test wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest
from tests.e2e.editors import until
from tests.e2e.neovim import VERSIONS, Neovim, scripted

pytestmark = pytest.mark.e2e

CALL = [
    {
        "line": "    book",
        "items": [
            {"text": ".lend(größe, day);"},
            {"text": ".title.len();"},
            {"text": ".author;"},
        ],
    }
]
EMPTY = "fn main() {\n\n}\n"
HERE = "return { vim.api.nvim_win_get_cursor(0), vim.api.nvim_buf_get_lines(0, 0, -1, false) }"
MESSAGES = "return vim.fn.execute('messages')"
LINE = 1
"""The line that is typed into, from 0."""


class Start(Protocol):
    def __call__(
        self, text: str, answers: Sequence[Mapping[str, Any]], **more: Any
    ) -> AbstractContextManager[Neovim]: ...


@pytest.fixture(params=VERSIONS)
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Start:
    """Start Neovim with a scripted server."""

    def begin(
        text: str, answers: Sequence[Mapping[str, Any]], **more: Any
    ) -> AbstractContextManager[Neovim]:
        return scripted(tmp_path, text, answers, version=request.param, **more)

    return begin


@pytest.fixture
def commands(tmp_path: Path) -> Callable[[], list[Any]]:
    """The arguments of the commands that the server was sent so far."""

    def read() -> list[Any]:
        lines = (tmp_path / "commands.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    return read


def shows(editor: Neovim, text: str) -> None:
    """Wait until the screen shows `text`."""
    assert until(lambda: text in editor.screen(), 5), editor.screen()


def hides(editor: Neovim, text: str) -> None:
    assert until(lambda: text not in editor.screen(), 5), editor.screen()


def holds(editor: Neovim, *lines: str) -> None:
    """Wait until the buffer has `lines` from the one that is typed into on."""
    wanted = list(lines)
    there = until(lambda: editor.buffer()[LINE : LINE + len(lines)] == wanted, 5)
    assert there, editor.buffer()


def moved(editor: Neovim, before: object) -> bool:
    return bool(editor.lua(HERE) != before)


def test_a_suggestion_is_taken_by_word_and_by_line_and_as_a_whole(
    start: Start, commands: Callable[[], list[Any]]
) -> None:
    with start(EMPTY, CALL) as editor:
        editor.keys("jI    book")
        shows(editor, "    book.lend(größe, day);")
        holds(editor, "    book")
        for taken in (".lend", "(größe", ",", " day"):
            before = editor.buffer()[LINE]
            editor.keys("<M-Right>")
            holds(editor, before + taken)
            shows(editor, "    book.lend(größe, day);")
        editor.keys("<Tab>")
        holds(editor, "    book.lend(größe, day);", "}")
        parts = [[0, {"characters": size}] for size in (5, 6, 1, 4)]
        assert until(lambda: commands() == [*parts, [0]], 5), commands()

        # What was taken is undone apart from what was typed.
        editor.keys("<Esc>u")
        holds(editor, "    book.lend(größe, day", "}")

        # The rest of a line that is the rest of all counts as the whole.
        editor.keys("0C    book")
        shows(editor, ".lend(größe, day);")
        editor.keys("<M-End>")
        holds(editor, "    book.lend(größe, day);", "}")
        assert until(lambda: commands()[-1] == [0], 5)


def test_typing_what_it_says_keeps_it_and_anything_else_does_not(start: Start) -> None:
    with start(EMPTY, CALL) as editor:
        editor.keys("jI    book")
        shows(editor, "book.lend(größe, day);")
        editor.keys(".le")
        shows(editor, "book.lend(größe, day);")
        editor.keys("x")
        hides(editor, "größe")
        editor.keys("<BS>")
        shows(editor, "book.lend(größe, day);")
        editor.keys("<Esc>")
        hides(editor, "größe")
        holds(editor, "    book.le")


def test_next_previous_ask_and_dismiss(start: Start, commands: Callable[[], list[Any]]) -> None:
    with start(EMPTY, CALL) as editor:
        editor.keys("jI    book")
        shows(editor, "book.lend(größe, day);")
        editor.keys("<M-]>")
        shows(editor, "book.title.len(); (2/3)")
        editor.keys("<M-]>")
        shows(editor, "book.author; (3/3)")
        editor.keys("<M-]>")
        shows(editor, "book.lend(größe, day); (1/3)")
        editor.keys("<M-[>")
        shows(editor, "book.author; (3/3)")
        editor.keys("<C-]>")
        hides(editor, "author")
        holds(editor, "    book")
        editor.keys("<M-Bslash>")
        shows(editor, "book.lend(größe, day); (1/3)")
        editor.keys("<M-]>")
        shows(editor, "(2/3)")
        editor.keys("<M-Right>")
        shows(editor, "book.title.len();")
        holds(editor, "    book.title")
        editor.keys("<Tab>")
        holds(editor, "    book.title.len();")
        assert until(lambda: commands() == [[1, {"characters": 6}], [1]], 5), commands()


def test_what_rustc_refuses_gives_way_to_the_next(start: Start) -> None:
    items = [{"text": ".lend(größe);", "refused": True}, {"text": ".title.len();"}]
    with start(EMPTY, [{"line": "    book", "items": items}]) as editor:
        editor.keys("jI    book")
        shows(editor, "book.lend(größe);")
        shows(editor, "book.title.len();")
        assert editor.lua("return require('m31r').status()") == "M31R refused"
        editor.keys("<Tab>")
        holds(editor, "    book.title.len();")


BRACKETS = [
    # Before the cursor, behind it, what is inserted, how much of that is there, and the result.
    ("    foo(a", ")", ", b);", 1, ["    foo(a, b);"]),
    ("    bar(a", ") + 1", ", b)", 1, ["    bar(a, b) + 1"]),
    ("    foo(", "))", "bar(1), (2));", 2, ["    foo(bar(1), (2));"]),
    ("    vec![é(", ")]", "ü), é(2)];", 2, ["    vec![é(ü), é(2)];"]),
    (
        "    each(",
        ")",
        "|x| {\n        go(x)\n    });",
        1,
        ["    each(|x| {", "        go(x)", "    });"],
    ),
    (
        "    map(",
        ").all()",
        "|x| {\n        x\n    })",
        1,
        ["    map(|x| {", "        x", "    }).all()"],
    ),
    (
        "    if good(",
        ")",
        "1) {\n        go()\n    }",
        1,
        ["    if good(1) {", "        go()", "    }"],
    ),
    ("    if good ", "", "{\n\tgo()\n    }", 0, ["    if good {", "\tgo()", "    }"]),
]


@pytest.mark.parametrize("key", ["<Tab>", "<M-End>", "<M-Right>"])
def test_text_over_closing_brackets_and_of_several_lines(start: Start, key: str) -> None:
    answers = [
        {"line": before, "items": [{"text": text, "over": over}]}
        for before, _, text, over, _ in BRACKETS
    ]
    with start(EMPTY, answers, before="vim.cmd('filetype indent off')") as editor:
        for before, behind, _, _, result in BRACKETS:
            editor.keys("<Esc>:%delete<CR>ifn main() {<CR>x<CR>}<Esc>k0C" + before + behind)
            editor.keys("<C-]>" + "<Left>" * len(behind))
            shown = "\n".join(line.replace("\t", " " * 8) for line in result)
            wanted = ["fn main() {", *result, "}"]
            for _ in range(20):
                # Part for part it looks the same.
                shows(editor, f"fn main() {{\n{shown}\n}}\n~")
                if editor.buffer() == wanted:
                    break
                # A part that is a bracket which is there moves the cursor over it.
                before_key = editor.lua(HERE)
                editor.keys(key)
                assert until(partial(moved, editor, before_key), 5), before_key
            assert editor.buffer() == wanted
            assert until(lambda: editor.ghost() is None, 5), editor.ghost()


def test_line_ends_of_dos_stay(start: Start) -> None:
    answers = [{"line": "    if good ", "items": [{"text": "{\r\n        go()\r\n    }"}]}]
    with start("fn main() {\r\n\r\n}\r\n", answers) as editor:
        editor.keys("jI    if good ")
        shows(editor, "    if good {\n        go()\n    }\n}")
        editor.keys("<Tab>")
        holds(editor, "    if good {", "        go()", "    }", "}")
        assert editor.lua("return vim.bo.fileformat") == "dos"


def test_it_hides_behind_the_completion_menu_and_tab_is_the_menus(start: Start) -> None:
    mapping = "vim.keymap.set('i', '<Tab>', function() return vim.fn.pumvisible() == 1"
    mapping += " and '<C-n>' or '<Tab>' end, { expr = true })"
    with start("fn main() {\n\n}\nbook_one book_two\n", CALL, before=mapping) as editor:
        editor.keys("jI    book")
        shows(editor, "book.lend(größe, day);")
        editor.keys("<C-x><C-n>")
        assert until(lambda: editor.lua("return vim.fn.pumvisible()") == 1, 5)
        hides(editor, "größe")
        editor.keys("<Tab>")
        holds(editor, "    book_two")
        editor.keys("<C-e>")
        holds(editor, "    book")
        assert until(lambda: editor.lua("return vim.fn.pumvisible()") == 0, 5)
        shows(editor, "book.lend(größe, day);")
        editor.keys("<Tab>")
        holds(editor, "    book.lend(größe, day);")


BEFORE = {
    "inoremap <Tab> [tab]": "    x[tab]",
    r'inoremap <expr> <Tab> col(".") > 1 ? "\<Left>y" : "\<lt>"': "    yx",
    "imap <Tab> <Plug>(ours)": "    x[plug]",
    "lua vim.keymap.set('i', '<Tab>', function() vim.api.nvim_set_current_line('a') end)": "a",
    "lua vim.keymap.set('i', '<Tab>', function() return '<Left>z' end, { expr = true })": "    zx",
    "iunmap <Tab>": "    x\t",
}
"""What another plugin may do with Tab, and what Tab does then behind an x."""


def test_tab_without_a_suggestion_does_what_it_did(start: Start) -> None:
    plug = "vim.cmd('inoremap <Plug>(ours) [plug]') vim.g.rust_recommended_style = 0"
    with start(EMPTY, CALL, before=plug) as editor:
        assert editor.lua("return require('m31r').native()") is (editor.version == "0.12")
        editor.keys("j")
        for script, result in BEFORE.items():
            editor.lua(f"vim.cmd({json.dumps(script)})")
            editor.keys("0C    x<Tab>")
            holds(editor, result, "}")
            editor.keys("<Esc>0C    book")
            shows(editor, "book.lend(größe, day);")
            editor.keys("<Tab>")
            holds(editor, "    book.lend(größe, day);", "}")
            editor.keys("<Esc>")


def test_a_mapping_of_the_buffer_is_asked_too_and_comes_back(start: Start) -> None:
    script = "autocmd FileType rust inoremap <buffer> <Tab> [buffer]"
    lua = f"vim.cmd({json.dumps(script)}) vim.keymap.set('i', '<Tab>', '[global]')"
    with start(EMPTY, CALL, before=lua) as editor:
        editor.keys("j0C    x<Tab>")
        holds(editor, "    x[buffer]", "}")
        editor.keys("<Esc>0C    book")
        shows(editor, "book.lend(größe, day);")
        editor.keys("<Tab><Esc>")
        holds(editor, "    book.lend(größe, day);", "}")
        editor.keys(":M31R restart<CR>")
        assert until(lambda: "started again" in editor.lua(MESSAGES), 10)
        assert until(editor.attached, 10)
        editor.keys("0C    book")
        shows(editor, "book.lend(größe, day);")
        editor.keys("<Tab>")
        holds(editor, "    book.lend(größe, day);", "}")
        editor.keys("<Esc>0C    x<Tab><Esc>")
        holds(editor, "    x[buffer]", "}")
        # With the server its mappings go.
        editor.lua("vim.lsp.enable('m31r', false) vim.lsp.stop_client(vim.lsp.get_clients())")
        assert until(lambda: editor.lua("return vim.fn.maparg('<M-Right>', 'i')") == "", 5)
        editor.keys("0C    x<Tab>")
        holds(editor, "    x[buffer]", "}")


def test_keys_are_only_what_setup_was_asked_for(start: Start) -> None:
    options = {"keys": {"accept": False, "accept_word": "<C-f>"}}
    with start(EMPTY, CALL, options=options) as editor:
        editor.keys("jI    book")
        shows(editor, "book.lend(größe, day);")
        editor.keys("<C-f>")
        holds(editor, "    book.lend")
        mapped = "return vim.tbl_map(function(map) return map.lhs end,"
        mapped += " vim.api.nvim_buf_get_keymap(0, 'i'))"
        assert sorted(editor.lua(mapped)) == sorted(
            ["<C-F>", "<M-End>", "<M-]>", "<M-[>", "<C-]>", "<M-Bslash>"]
        )
        assert editor.lua("return require('m31r').accept()") is True
        holds(editor, "    book.lend(größe, day);")
        assert editor.lua("return require('m31r').accept()") is False
