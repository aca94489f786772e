"""What other files say that helps at the cursor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_core.prompt import Chunk
from m31r_lsp.context.gather import SOURCES, Source, gather
from m31r_lsp.context.index import Index, describe
from m31r_lsp.context.outline import outline
from m31r_lsp.context.surroundings import Surroundings
from m31r_lsp.filters.cursor import Cursor

SHELF = """\
//! Books.
use std::collections::HashMap;

/// A book.
pub struct Book<'a> {
    pub title: &'a str,
}

impl<'a> Book<'a> {
    /// Say the title loudly.
    pub fn loud_title(&self) -> String {
        self.title.to_uppercase()
    }
}

pub trait Shelf: Sized {
    fn borrow_book(&mut self, title: &str) -> Option<Book<'_>>;
}

pub enum Loan { Kept, Returned { days: u32 } }

mod inner {
    pub const MOST_LOANS: usize = 5;
}

macro_rules! shelve { () => {} }
"""
DESK = Cursor("use crate::shelf::{Shelf};\n\nfn lend(book: &Book) {\n    book.", "\n}\n")
MOST = 10**6


def test_the_items_of_a_file() -> None:
    found = {(item.owner, item.name): item.text for item in outline(SHELF)}
    assert found["", "Book"].startswith("pub struct Book<'a> {")
    assert found["Book", "loud_title"] == "pub fn loud_title(&self) -> String"
    assert found["", "Shelf"] == "pub trait Shelf: Sized"
    assert found["Shelf", "borrow_book"].endswith("-> Option<Book<'_>>;")
    assert {"Loan", "MOST_LOANS", "shelve"} <= {name for _, name in found}


@given(st.text(alphabet="fn struct{}()<>;'\"/*\n é😀", max_size=80))
def test_any_text_has_an_outline(text: str) -> None:
    index = Index(MOST)
    index.update("a.rs", describe(text))
    gather(index, "b.rs", Cursor(text, text))
    assert all(item.text in text for item in outline(text))


@pytest.fixture
def index() -> Index:
    made = Index(MOST)
    made.update("src/shelf.rs", describe(SHELF))
    made.update("src/other.rs", describe("fn unrelated(alpha: u8) -> u8 {\n    alpha + 1\n}\n"))
    return made


def texts(index: Index, cursor: Cursor, *sources: Source, path: str = "src/desk.rs") -> str:
    return "\n".join(chunk.text for chunk in gather(index, path, cursor, sources=sources))


def test_what_the_file_imports(index: Index) -> None:
    assert "fn borrow_book" in texts(index, DESK, "imports")
    assert "loud_title" not in texts(index, DESK, "imports")


def test_what_is_named_near_the_cursor(index: Index) -> None:
    assert "pub fn loud_title" in texts(index, DESK, "names")


def test_pieces_that_look_alike(index: Index) -> None:
    cursor = Cursor("fn related(alpha: u8) -> u8 {\n    ", "\n}\n")
    assert "unrelated" in texts(index, cursor, "similar")


def test_a_file_is_no_context_of_itself(index: Index) -> None:
    assert texts(index, DESK, *SOURCES, path="src/shelf.rs") == ""


def test_the_budget_is_kept_and_the_best_is_last(index: Index) -> None:
    recent = [Chunk("src/seen.rs", "fn seen() {}\n")]
    found = gather(index, "src/desk.rs", DESK, recent)
    assert "loud_title" in found[-1].text
    assert "seen" in "".join(chunk.text for chunk in found)
    for budget in (0, 50, 300):
        fitted = gather(index, "src/desk.rs", DESK, recent, budget=budget)
        assert sum(len(chunk.text) for chunk in fitted) <= budget


FILES = st.sampled_from(["a.rs", "b.rs", "c.rs"])
WORDS = st.lists(st.sampled_from(["alpha", "beta", "fn gamma() {}", "struct Delta;"]), max_size=60)


@given(st.lists(st.tuples(FILES, st.none() | WORDS), max_size=30))
def test_an_index_that_changes_is_as_one_that_is_made_anew(
    changes: list[tuple[str, list[str] | None]],
) -> None:
    changed, last = Index(MOST), dict[str, str]()
    for path, lines in changes:
        if lines is None:
            changed.remove(path)
            last.pop(path, None)
        else:
            changed.update(path, describe("\n".join(lines)))
            last[path] = "\n".join(lines)
    anew = Index(MOST)
    for path, text in last.items():
        anew.update(path, describe(text))
    assert (changed.files, changed.items, changed.size) == (anew.files, anew.items, anew.size)
    for name in ("alpha", "gamma", "Delta", "nowhere"):
        assert changed.has_name(name) == anew.has_name(name)
        assert sorted(map(str, changed.defined(name))) == sorted(map(str, anew.defined(name)))
    wanted = {"alpha": 1.0, "gamma": 0.5}
    assert {piece.text for piece in changed.similar(wanted, (), 99)} == {
        piece.text for piece in anew.similar(wanted, (), 99)
    }


def test_memory_is_bounded() -> None:
    index = Index(most_bytes=10_000)
    for number in range(200):
        index.update(f"{number}.rs", describe(f"fn f{number}() {{}}\n" * 20))
    assert index.size <= 10_000
    assert "199.rs" in index
    assert "0.rs" not in index
    assert not index.has_name("f0")


def test_what_the_editor_has_counts_more_than_the_disk() -> None:
    known = Surroundings(MOST)
    known.edited("src/shelf.rs", SHELF.replace("loud_title", "quiet_title"), 3)
    known.read("src/shelf.rs", SHELF)
    found = "".join(chunk.text for chunk in known.around("src/desk.rs", DESK))
    assert "quiet_title" in found
    assert "loud_title" not in found
    known.closed("src/shelf.rs", SHELF)
    assert "loud_title" in "".join(chunk.text for chunk in known.around("src/desk.rs", DESK))
    known.closed("src/shelf.rs", None)
    assert known.around("src/desk.rs", DESK) == ()


def test_context_stays_while_a_line_is_typed() -> None:
    known = Surroundings(MOST)
    known.read("src/shelf.rs", SHELF)
    found = known.around("src/desk.rs", DESK)
    longer = Cursor(DESK.prefix + "loud_title", DESK.suffix)
    assert known.around("src/desk.rs", longer) is found


def test_a_name_exists_until_everything_was_read() -> None:
    known = Surroundings(MOST)
    assert known.exists("nowhere_at_all")
    known.read("src/shelf.rs", SHELF)
    known.add_names({"from_elsewhere"})
    known.complete(True)
    assert known.size().ready
    for name in ("Book", "from_elsewhere", "HashMap", "to_uppercase", "saturating_sub"):
        assert known.exists(name), name
    assert not known.exists("nowhere_at_all")
