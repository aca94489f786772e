"""From a place in a file to what can be written there, each accepted by the compiler."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from tree_sitter import Node

from m31r_core.cargo.compiler import Compiler
from m31r_core.cargo.diagnostics import Diagnostic
from m31r_core.engine import Completer
from m31r_core.repair.candidates import Candidate
from m31r_core.repair.edits import Edit
from m31r_core.repair.fixes import Fix
from m31r_core.repair.rewrite.arms import missing_arms
from m31r_core.repair.rewrite.bodies import Body, likely_bodies
from m31r_core.repair.rewrite.checking import Checker
from m31r_core.repair.rewrite.imports import shortened
from m31r_core.repair.rewrite.items import missing_items
from m31r_core.repair.rewrite.places import open_match, trait_impl, unfinished_function
from m31r_core.repair.rewrite.signature import Definitions, find_definitions, place_of
from m31r_core.repair.rewrite.written import in_block, rank, written_bodies
from m31r_core.repair.search import RepairLimits
from m31r_core.repair.source import SourceText, field

_WRITTEN = 6
_MOST_BODIES = 5
_LONGEST_TITLE = 50


def find_rewrites(
    compiler: Compiler,
    path: str,
    byte_offset: int,
    limits: RepairLimits,
    *,
    completer: Completer | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Fix]:
    """Yield what can be written at `byte_offset` of the file, the likeliest first.

    None adds an error, and none is offered that rustc did not look at. Raises CargoError when
    the compiler cannot answer at all.
    """
    source = SourceText(path, compiler.text(path))
    checker = Checker(compiler, limits.seconds, limits.total, cancelled)
    for fix in _all(checker, source, byte_offset, limits, completer, cancelled):
        if limits.cautions or not fix.cautions:
            yield fix


def _all(
    checker: Checker,
    source: SourceText,
    byte_offset: int,
    limits: RepairLimits,
    completer: Completer | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[Fix]:
    compiler = checker.compiler
    definitions = find_definitions(source, compiler.text, compiler.paths())
    match = open_match(source, byte_offset)
    if match is not None:
        yield from missing_arms(checker, source, match, definitions, completer, cancelled)
    function = unfinished_function(source, byte_offset)
    if function is not None:
        yield from _bodies(checker, source, function, definitions, limits, completer, cancelled)
    impl = trait_impl(source, byte_offset)
    if impl is not None:
        yield from missing_items(checker, source, impl, definitions, completer, cancelled)


def _bodies(
    checker: Checker,
    source: SourceText,
    function: Node,
    definitions: Definitions,
    limits: RepairLimits,
    completer: Completer | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[Fix]:
    body = field(function, "body")
    assert body is not None
    compiler = checker.compiler
    place = place_of(source, function, definitions)
    likely = [Body(shortened(each.text, source.text), each.weight) for each in likely_bodies(place)]
    bodies = list({each.text: each for each in reversed(likely)}.values())[::-1]
    if completer is not None:
        known = {each.text for each in bodies}
        written = written_bodies(completer, source, function, n=_WRITTEN, cancelled=cancelled)
        bodies += [each for each in written if each.text not in known]
        bodies = rank(completer, source, function, bodies, cancelled=cancelled)
    else:
        known = {each.text for each in bodies}
    indent = source.indent(function.start_byte)
    candidates = [
        Candidate(
            f"write the body of `{place.function.name}`: {_short(each)}",
            (Edit(source.path, body.start_byte, body.end_byte, in_block(each.text, indent)),),
            "template" if each.text in known else "model",
            each.weight,
        )
        for each in bodies[: limits.checks]
    ]
    own = _errors_in(compiler, source.path, function)
    passing = checker.passing(candidates, own)
    for candidate, verdict in itertools.islice(passing, _MOST_BODIES):
        yield checker.fix(candidate, verdict)


def _short(body: Body) -> str:
    first, _, more = body.text.partition("\n")
    cut = first if len(first) <= _LONGEST_TITLE else first[:_LONGEST_TITLE] + "…"
    return f"`{cut}`{' …' if more else ''}"


def _errors_in(compiler: Compiler, path: str, node: Node) -> list[Diagnostic]:
    return [
        error
        for error in compiler.errors
        if (span := error.primary) is not None
        and span.path == path
        and node.start_byte <= span.byte_start <= node.end_byte
    ]
