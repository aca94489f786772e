"""debian/copyright: licences by path, with the exceptions that a package's other files omit.

The format is https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/, which
`.reuse/dep5` uses too, with SPDX expressions as its licence names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from m31r_data.licences.expression import is_spdx, normal
from m31r_data.licences.licence import Licence, Rule

# Debian's short names that SPDX spells in another way.
_NAMES = {
    "expat": "MIT",
    "apache-2": "Apache-2.0",
    "apache-2.0+": "Apache-2.0",
    "cc0": "CC0-1.0",
    "boost-1.0": "BSL-1.0",
    "mpl-2": "MPL-2.0",
    "mpl-2.0+": "MPL-2.0",
}
_GNU = re.compile(r"(A|L)?GPL-(\d)(?:\.(\d))?(\+|-only|-or-later)?", re.IGNORECASE)
_WORD = re.compile(r"[\w.+-]+")
_EXCEPTION = re.compile(r"\bwith\s+(?:the\s+)?([\w.-]+?)[\s-]+exceptions?\b", re.IGNORECASE)
_OPERATORS = ("and", "or", "with")


def debian_rules(text: str, folder: str, place: str = "debian/copyright") -> tuple[Rule, ...]:
    """Return the rules of a debian/copyright that holds for `folder`, the strongest first.

    What `*` says in a name that SPDX lacks is left out: other places speak for the package as a
    whole. A file that is not in the machine-readable format says nothing.
    """
    return _rules(text, folder, place, spdx_of_debian)


def dep5_rules(text: str, folder: str) -> tuple[Rule, ...]:
    """Return the rules of a `.reuse/dep5` that holds for `folder`, the strongest first."""
    return _rules(text, folder, ".reuse/dep5", normal)


def spdx_of_debian(name: str) -> str:
    """Return the SPDX expression of a licence field (`Expat or GPL-2+, and Zlib`).

    A comma binds last. What SPDX lacks stays as it is, so that it is refused.
    """
    spelled = _EXCEPTION.sub(r"with \1-exception", name)
    groups = re.split(r"\s*,\s*(?=(?:and|or)\b)", spelled, flags=re.IGNORECASE)
    parts: list[str] = []
    for group in groups:
        operator, body = "", group
        if parts:
            operator, _, body = group.partition(" ")
        parts.append(f"{operator} ({_WORD.sub(_spdx_word, body)})")
    expression = " ".join(parts) if len(parts) > 1 else _WORD.sub(_spdx_word, spelled)
    return normal(expression) if is_spdx(expression) else " ".join(name.split())


def _spdx_word(found: re.Match[str]) -> str:
    word = found[0]
    if word.lower() in _OPERATORS:
        return word.upper()
    gnu = _GNU.fullmatch(word)
    if gnu:
        later = "or-later" if (gnu[4] or "").lower() in ("+", "-or-later") else "only"
        return f"{(gnu[1] or '').upper()}GPL-{gnu[2]}.{gnu[3] or 0}-{later}"
    return _NAMES.get(word.lower(), word)


def _rules(text: str, folder: str, place: str, spelled: Callable[[str], str]) -> tuple[Rule, ...]:
    rules = []
    for stanza in _stanzas(text):
        globs = stanza.get("files", "").split()
        expression = spelled(stanza.get("license", "").partition("\n")[0])
        for glob in globs:
            if is_spdx(expression) or glob != "*":
                stem = re.split(r"[*?\\]", glob, maxsplit=1)[0]
                rules.append(Rule(folder, stem, _pattern(glob), Licence(expression, place)))
    return tuple(reversed(rules))


def _pattern(glob: str) -> re.Pattern[str]:
    """`*` and `?` match slashes too; a backslash takes a wildcard's meaning away."""
    parts = re.findall(r"\\[*?\\]|\*+|\?|[^*?\\]+|\\", glob)
    meanings = {"?": "."}
    return re.compile(
        "".join(
            ".*"
            if part.startswith("*")
            else meanings.get(part) or re.escape(part[1:] if part[0] == "\\" else part)
            for part in parts
        ),
        re.DOTALL,
    )


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each stanza, their names in lower case."""
    for block in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n")):
        fields: dict[str, str] = {}
        name = ""
        for line in block.split("\n"):
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t"):
                if name:
                    fields[name] += f"\n{line.strip()}"
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields:
            yield fields
