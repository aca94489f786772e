"""Where places of a text with many edits lie in the text with one of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from m31r_data.compile.batch import Batch, Edit, Edited, Mutant, functions_of, plan
from m31r_data.mutate.mutation import Mutation

TEXT = b"""\
fn first(x: &str) -> usize { x.len() }
const fn fixed() -> usize { 3 }
fn second() -> usize {
    fn inner() -> usize { 1 }
    inner()
}
fn open() -> impl Iterator<Item = u8> { [1].into_iter() }
async fn later() -> u8 { 1 }
"""


@st.composite
def edited(draw: st.DrawFn) -> tuple[bytes, list[Edit]]:
    text = draw(st.binary(min_size=1, max_size=60))
    places = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    edits = []
    for number, (start, end) in enumerate(zip(places[::2], places[1::2], strict=False)):
        edits.append(Edit(start, end, draw(st.binary(max_size=5)), number))
    return text, edits


@given(edited())
def test_a_place_maps_to_the_same_byte_of_the_text_with_one_edit(
    case: tuple[bytes, list[Edit]],
) -> None:
    text, edits = case
    both = Edited(text, edits)
    for one in edits:
        alone = Edited(text, [one]).text
        for place in range(len(both.text)):
            found = both.alone(place, one.owner)
            # Where another's text begins, a span may end, but the byte is the other's.
            begins = any(both.forward(e.start) == place for e in edits if e is not one and e.new)
            if found is not None and found < len(alone) and not begins:
                assert alone[found] == both.text[place]
        # The edit itself is found again, whatever lies before and behind it.
        start = one.start + sum(len(e.new) - e.end + e.start for e in edits if e.end <= one.start)
        assert [both.alone(start + i, one.owner) for i in range(len(one.new))] == [
            one.start + i for i in range(len(one.new))
        ]


def scope(of: bytes) -> tuple[int, int]:
    start = TEXT.index(of)
    return start, start + len(of)


BODIES = {
    "first": scope(b"{ x.len() }"),
    "fixed": scope(b"{ 3 }"),
    "second": scope(TEXT[TEXT.index(b"{\n") : TEXT.index(b"}\nfn open") + 1]),
    "inner": scope(b"{ 1 }"),
    "open": scope(b"{ [1].into_iter() }"),
    "later": (TEXT.rindex(b"{ 1 }"), TEXT.rindex(b"{ 1 }") + 5),
}


def mutant(name: str, new: bytes = b"?") -> Mutant:
    start, _ = BODIES[name]
    return Mutant("a.rs", Mutation("test", start + 1, start + 2, new, "types", BODIES[name]))


def test_only_closed_functions_that_do_not_overlap_go_together() -> None:
    mutants = dict(enumerate(mutant(name) for name in BODIES))
    functions = functions_of(mutants, {"a.rs": TEXT})
    assert [list(BODIES)[number] for number in functions] == ["first", "second", "inner"]
    groups = [[list(BODIES)[number] for number in g] for g in plan(mutants, functions, 9)]
    assert groups == [["first", "second"], ["inner"], ["fixed"], ["open"], ["later"]]


def test_an_error_belongs_to_the_function_it_is_in() -> None:
    mutants = {0: mutant("first", b"\n\n"), 1: mutant("second", b"?")}
    batch = Batch(mutants, {"a.rs": TEXT}, functions_of(mutants, {"a.rs": TEXT}))
    text = batch.files["a.rs"].text
    name = text.index(b"second")
    assert batch.owner("./a.rs", name, name + 6) == 1
    assert batch.owner("a.rs", text.index(b"fixed"), text.index(b"fixed") + 5) is None
    assert batch.owner("b.rs", name, name + 6) is None
    # It took the line break behind the brace.
    call = text.index(b"inner()\n")
    found = batch.alone(1, "a.rs", call, call + 5)
    assert found == (TEXT.index(b"inner()\n"), TEXT.index(b"inner()\n") + 5)
    line = text[:call].count(b"\n") + 1
    assert (line, batch.line_alone(1, "a.rs", line)) == (6, 4)
    assert batch.line_alone(1, "b.rs", 9) == 9
    # What another mutant changed is not shown.
    assert batch.alone(1, "a.rs", 3, 8) is None
