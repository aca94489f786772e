"""Functions that are named for what they do: `parse_header` parses the header."""

from __future__ import annotations

from tree_sitter import Node

from m31r_data.derive.words import noun, text_of, words

# A name that begins with one of these says what is done; to the rest of the name, if there is one.
_VERBS = frozenset(
    """
    add allocate apply build calculate check collect compile compute configure convert
    create decode delete deserialize dispatch draw emit encode evaluate extract fetch fill
    find format generate get handle initialize insert install load merge normalize
    parse prepare print process push read record register remove render report reset resolve run
    save send serialize set spawn start stop store update validate verify visit walk write
    """.split()  # noqa: SIM905 - a list in lines of five words would be no easier to read
)
# Without a rest in the name, to the only argument: of a function …
_TO_ARGUMENT = frozenset(
    """
    add apply check compile decode dispatch emit encode evaluate handle load normalize parse print
    process record register render report resolve send serialize validate verify visit walk write
    """.split()  # noqa: SIM905
)
# … and, of these, of a method: `node.visit(visitor)` and `value.encode(sink)` go the other way.
_METHOD_TO_ARGUMENT = frozenset({"add", "record", "register"})
# … or to what it is called on.
_TO_RECEIVER = frozenset(
    """
    draw render reset run save start stop update validate verify
    """.split()  # noqa: SIM905
)
# A method without arguments may be named for what it gives: `install_path` is a path.
_NOUNS = frozenset(
    """
    add build check count dispatch draw fill format handle install load merge normalize print
    process read record render report reset run spawn start stop store verify write
    """.split()  # noqa: SIM905
)
_NO_NOUNS = frozenset(
    """
    again all and as at by else for from if in into is mut next not of off on one or out ref some
    then to unchecked until up while with inner impl internal raw stable legacy relaxed static
    unsigned async sync blocking slow fast only be le ne
    always apply checked fatal now prefixed used
    """.split()  # noqa: SIM905
)


def spoken(name: str, receiver: str | None, arguments: list[Node]) -> str | None:
    """Return what a function of this name does, or None where the name does not say it.

    `receiver` is what it is called on, in words; None for a function that is no method.
    """
    said = words(name)
    if said is None:
        return None
    verb, *rest = said.split()
    if verb not in _VERBS or _NO_NOUNS.intersection(rest):
        return None
    if rest:
        asked = receiver is not None and not arguments
        return None if asked and verb in _NOUNS else f"{verb} the {' '.join(rest)}"
    to_argument = _TO_ARGUMENT if receiver is None else _METHOD_TO_ARGUMENT
    if verb in to_argument and len(arguments) == 1 and (what := noun(arguments[0])):
        return None if text_of(arguments[0]).startswith("&mut") else f"{verb} {what}"
    if verb in _TO_RECEIVER and not arguments and receiver and receiver != "self":
        return f"{verb} {receiver}"
    return None
