"""What a model reads of rustc's words: no paths, no line numbers."""

from __future__ import annotations

from m31r_core.cargo.diagnostics import Diagnostic, Note, Span
from m31r_core.cargo.wording import portable, snippet, wording


def span(text: str, columns: tuple[int, int], label: str | None, *, primary: bool) -> Span:
    return Span("src/lib.rs", 0, 1, 7, 7, *columns, primary, label, (text,) if text else ())


def error(
    *spans: Span, message: str = "mismatched types", notes: tuple[Note, ...] = ()
) -> Diagnostic:
    return Diagnostic("error", "E0308", message, spans, (), "rendered", notes)


def test_the_primary_place_comes_first_and_places_are_named_by_their_text() -> None:
    line = "    let x: u32 = name.len();"
    found = error(
        span(line, (12, 15), "expected due to this", primary=False),
        span(line, (18, 28), "expected `u32`,\n  found `usize`", primary=True),
        span("", (1, 1), "somewhere in a macro", primary=False),
    )
    assert wording([found]).splitlines() == [
        "E0308: mismatched types",
        "`name.len()`: expected `u32`, found `usize`",
        "`u32`: expected due to this",
        "somewhere in a macro",
    ]


def test_notes_without_a_place_are_kept_and_help_is_not() -> None:
    notes = (Note("note", "expected `A`\n   found `B`", ()), Note("help", "try this", ()))
    assert wording([error(notes=notes)]).splitlines()[1:] == ["note: expected `A` found `B`"]


def test_no_more_than_three_errors_are_told() -> None:
    found = [error(message=f"message {number}") for number in range(5)]
    assert wording(found).count("E0308") == 3


def test_long_and_broken_texts_are_cut() -> None:
    assert snippet(span("x" * 90, (1, 91), None, primary=True)) == "x" * 60 + "…"
    many = Span("a.rs", 0, 9, 1, 2, 5, 2, True, None, ("    first(", "  )"))
    assert snippet(many) == "first(…"


def test_what_is_true_of_one_machine_is_left_out() -> None:
    said = """\
error[E0277]: `{closure@/home/me/registry/log-0.4.1/src/lib.rs:3:5: 3:9}` is not `Send`
  --> src/lib.rs:12:5
   |
  ::: /opt/rust/lib/rustlib/src/rust/library/core/src/ops/arith.rs:78:1
   = note: the full name for the type has been written to '/tmp/x/a.long-type-129.txt'
   = note: consider using `--verbose` to print the full type name to the console
   = help: a / b and 1/2 stay"""
    assert portable(said).splitlines() == [
        "error[E0277]: `{closure@log-0.4.1/src/lib.rs:3:5: 3:9}` is not `Send`",
        "  --> src/lib.rs:12:5",
        "   |",
        "  ::: src/ops/arith.rs:78:1",
        "   = help: a / b and 1/2 stay",
    ]
