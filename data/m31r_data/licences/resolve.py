"""Which licence holds for a file: the one order of precedence that all readers use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from m31r_data.licences.debian import debian_rules, dep5_rules
from m31r_data.licences.expression import all_of
from m31r_data.licences.headers import spdx_headers
from m31r_data.licences.licence import UNKNOWN, Licence, Rule, Tree, below, join, vendored_part
from m31r_data.licences.reuse import reuse_rules


def licence_of_file(
    text: str, path: str, package: Licence, folder: str, rules: Iterable[Sequence[Rule]] = ()
) -> Licence:
    """Return the licence of a file.

    The first of these that says something decides: an SPDX header in the comments above its code;
    the first of `rules` that covers it (those of the nearest folder come first, each the strongest
    first: REUSE.toml, `.reuse/dep5`, debian/copyright); the licence of its `package`, which lies in
    `folder`, unless the file lies in a vendored folder inside it. SPDX tags among the code, and
    rules that add, hold beside it.
    """
    above, among = spdx_headers(text)
    covering = [next((r for r in group if r.covers(path)), None) for group in rules]
    decided = [rule for rule in covering if rule is not None]
    if above:
        licence = Licence(above, "SPDX header")
    elif decided:
        licence = decided[0].licence
    else:
        rest = below(folder, path)
        licence = UNKNOWN if rest is None or vendored_part(rest) else package
    if not licence.expression:
        return UNKNOWN
    beside = [rule.licence for rule in decided if rule.adds]
    if among:
        beside.append(Licence(among, "SPDX tag"))
    if not beside:
        return licence
    every = [licence, *beside]
    return Licence(
        all_of(one.expression for one in every),
        " and ".join(dict.fromkeys(one.place for one in every)),
    )


def rules_of_folder(tree: Tree, folder: str) -> list[tuple[Rule, ...]]:
    """Return the rules that lie in `folder`: those of each file in order of precedence."""
    found = []
    for name, parse in (
        ("REUSE.toml", reuse_rules),
        (".reuse/dep5", dep5_rules),
        ("debian/copyright", debian_rules),
    ):
        content = tree.read(join(folder, name))
        if content is not None:
            found.append(parse(content.decode("utf-8", errors="replace"), folder))
    return [rules for rules in found if rules]
