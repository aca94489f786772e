"""A real Neovim with the plugin of editors/neovim against the real server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.editors import REPOSITORY, installed, until
from tests.e2e.neovim import VERSIONS, Neovim, neovim
from tests.lsp.crates import MOVED, MOVED_LINE, compiles, make_crate, needs_cargo

pytestmark = pytest.mark.e2e

BORROWS = {
    "E0382": (MOVED, MOVED_LINE),
    "E0499": (
        """\
fn main() {
    let mut names = vec![String::from("Ada"), String::from("Grace")];
    let first = &mut names[0];
    let last = &mut names[1];
    first.push('!');
    last.push('?');
    println!("{names:?}");
}
""",
        3,
    ),
    "E0505": (
        """\
fn main() {
    let names = vec![String::from("Ada"), String::from("Grace")];
    let first = &names[0];
    let kept = names;
    println!("{first} of {}", kept.len());
}
""",
        3,
    ),
    "E0597": (
        """\
fn main() {
    let longest;
    {
        let name = String::from("Ada");
        longest = name.as_str();
    }
    println!("{longest}");
}
""",
        4,
    ),
}
"""A program with one borrow error, by its code, and the line of the error, from 0."""

TAKE_THE_FIRST = "vim.ui.select = function(items, _, choose) choose(items[1], 1) end"


@pytest.fixture(params=VERSIONS)
def ghostly(request: pytest.FixtureRequest, tmp_path: Path, bundle_path: Path) -> Iterator[Neovim]:
    crate = tmp_path / "crate"
    shutil.copytree(REPOSITORY / "examples", crate, ignore=shutil.ignore_patterns("target"))
    # A confidence of 0 shows whatever the model says: this test is not about its wit.
    settings = {"completion": {"min_confidence": 0}}
    file = crate / "src" / "lib.rs"
    with neovim(tmp_path, file, bundle_path, settings, version=request.param) as editor:
        yield editor


def test_ghost_text_is_shown_followed_and_accepted(ghostly: Neovim) -> None:
    ghostly.keys("/books.insert(<CR>O")
    stems = ("let old = self.books.", "let other = title.", "let mut lent = Vec::")
    ghost = None
    for stem in stems:
        ghostly.keys(stem)
        ghost = until(ghostly.ghost, 5)
        if ghost is not None:
            break
        ghostly.keys("<C-u>")
    assert ghost is not None, f"no ghost text after any of {stems}"
    before = ghostly.buffer()
    row, column, lines = ghost["row"], ghost["column"], ghost["lines"]
    assert before[row].endswith(stem)
    assert column == len(before[row].encode())

    # Typing what it says keeps it, one letter shorter.
    if len(lines[0]) > 1:
        ghostly.keys("<lt>" if lines[0][0] == "<" else lines[0][0])
        shorter = until(ghostly.ghost, 5)
        assert shorter is not None
        assert (shorter["row"], shorter["column"]) == (row, column + len(lines[0][0].encode()))
        assert shorter["lines"] == [lines[0][1:], *lines[1:]]

    ghostly.keys("<Tab>")
    accepted = [before[row] + lines[0], *lines[1:]]
    expected = [*before[:row], *accepted, *before[row + 1 :]]
    assert until(lambda: ghostly.buffer() == expected, 5), ghostly.buffer()[row : row + len(lines)]

    # Without a suggestion Tab is a Tab, and leaving insert mode leaves nothing behind.
    ghostly.keys("<Esc>")
    assert until(lambda: ghostly.ghost() is None, 2)


APPLY = """
vim.lsp.buf.code_action({ apply = true, filter = function(action)
  return vim.startswith(action.title, 'M31R: ')
end })
"""


def ask_until(editor: Neovim, ask: Callable[[], object], before: list[str]) -> None:
    """Ask for actions until one has changed the buffer; a slow answer may come back empty."""
    for _ in range(5):
        ask()
        if until(lambda: editor.buffer() != before, 12):
            return
    pytest.fail("no action was applied")


@needs_cargo
@pytest.mark.parametrize(("code", "version"), [("E0382", "0.11"), ("E0505", "0.12")])
def test_a_borrow_error_is_fixed_with_the_action(
    code: str, version: str, tmp_path: Path, bundle_path: Path
) -> None:
    text, line = BORROWS[code]
    crate = make_crate(tmp_path / "crate", {"src/main.rs": text})
    file = crate / "src" / "main.rs"
    assert not compiles(crate)
    with neovim(tmp_path, file, bundle_path, version=version) as editor:
        editor.lua(TAKE_THE_FIRST)
        editor.keys(f":{line + 1}<CR>:write<CR>")
        shown = "return vim.tbl_map(function(each) return each.code end, vim.diagnostic.get(0))"
        assert until(lambda: code in editor.lua(shown), 60), "the error is not shown after a save"
        ask_until(editor, lambda: editor.lua(APPLY), text.splitlines())
        editor.keys(":write<CR>")
        assert until(lambda: file.read_text() != text, 5)
        assert until(lambda: editor.lua(shown) == [], 60), "the error is still shown"
    assert compiles(crate)
    assert not (crate / "target").exists()


@needs_cargo
def test_the_command_fixes_what_is_under_the_cursor_and_with_a_bang_all(
    tmp_path: Path, bundle_path: Path
) -> None:
    bodies = [text.replace("main", code.lower()) for code, (text, _) in BORROWS.items()]
    text = "".join(bodies) + "fn main() {}\n"
    crate = make_crate(tmp_path / "crate", {"src/main.rs": text})
    file = crate / "src" / "main.rs"
    with neovim(tmp_path, file, bundle_path) as editor:
        editor.lua(TAKE_THE_FIRST)
        editor.keys(f":{MOVED_LINE + 1}<CR>")
        ask_until(editor, lambda: editor.keys(":M31RFix<CR>"), text.splitlines())
        after_one = editor.buffer()
        assert after_one[MOVED_LINE + 2 :] == text.splitlines()[MOVED_LINE + 2 :]
        ask_until(editor, lambda: editor.keys(":M31RFix!<CR>"), after_one)
        editor.keys(":write<CR>")
        assert until(lambda: file.read_text() != text, 5)
    assert compiles(crate)


@needs_cargo
@pytest.mark.slow
def test_an_error_that_rust_analyzer_shows_is_fixed(tmp_path: Path, bundle_path: Path) -> None:
    analyzer = {
        "cmd": [str(installed("rust-analyzer") / "rust-analyzer")],
        "filetypes": ["rust"],
        "root_markers": ["Cargo.toml"],
        "settings": {"rust-analyzer": {"cargo": {"sysroot": None}}},
    }
    crate = make_crate(tmp_path / "crate", {"src/main.rs": MOVED})
    with neovim(tmp_path, crate / "src/main.rs", bundle_path) as editor:
        editor.lua(TAKE_THE_FIRST)
        editor.lua(
            f"vim.lsp.config('rust-analyzer', vim.json.decode({json.dumps(json.dumps(analyzer))}))"
            "vim.lsp.enable('rust-analyzer')"
        )
        editor.keys(f":{MOVED_LINE + 1}<CR>")
        sources = "return vim.tbl_map(function(each) return each.source end, vim.diagnostic.get(0))"

        def shown() -> bool:
            editor.keys(":write<CR>")
            return until(lambda: "rustc" in editor.lua(sources), 5)

        assert until(shown, 60), "rust-analyzer shows no error"
        assert "m31r" not in editor.lua(sources), "the error is shown twice"
        ask_until(editor, lambda: editor.keys(":M31RFix<CR>"), MOVED.splitlines())
        editor.keys(":write<CR>")
        assert until(lambda: editor.lua(sources) == [], 60), "the error is still shown"
    assert compiles(crate)


@needs_cargo
def test_nothing_is_fixed_where_the_settings_say_that_nothing_is_trusted(
    tmp_path: Path, bundle_path: Path
) -> None:
    crate = make_crate(tmp_path / "crate", {"src/main.rs": MOVED})
    settings = {"trusted": False}
    with neovim(tmp_path, crate / "src/main.rs", bundle_path, settings) as editor:
        editor.keys(f":{MOVED_LINE + 1}<CR>:M31RFix<CR>")
        log = tmp_path / "server.log"
        assert until(lambda: "no actions: the workspace is not trusted" in log.read_text(), 10)
        assert editor.buffer() == MOVED.splitlines()
