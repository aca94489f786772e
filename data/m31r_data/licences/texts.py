"""Licences recognised by their text: for crates whose Cargo.toml names none.

Recognition is by the phrases that make a licence what it is. A text that is much longer than the
licences found in it holds terms that nobody looked at, so it stays unknown.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from m31r_data.licences.expression import all_of, is_spdx, normal

# Words at the top of a text in which a title must stand.
_TITLE_WORDS = 60
# A text as short as this can only name a licence.
_NAME_WORDS = 12


class _Text(NamedTuple):
    """A licence, the most words of its text, and the phrases (lower case, words only) that must be
    there and must not.
    """

    name: str
    words: int
    needs: tuple[str, ...]
    lacks: tuple[str, ...] = ()


_GRANT = "permission is hereby granted free of charge to any person obtaining a copy"
_DEAL = "to deal in the software without restriction"
_NOTICE = "above copyright notice and this permission notice"
_BSD = (
    "redistribution and use in source and binary forms with or without modification are permitted"
)
_SOURCE = "redistributions of source code must retain the above copyright"
_BINARY = "redistributions in binary form must reproduce the above copyright"
_ENDORSE = "endorse or promote products derived from this software"
_ADVERTISE = "advertising materials mentioning features"
_ISC = "distribute this software for any purpose with or without fee is hereby granted"
_PROVIDED = "provided that the above copyright notice and this permission notice appear"

_TEXTS = (
    _Text("MIT", 280, (_GRANT, _DEAL, _NOTICE), ("in advertising or otherwise",)),
    _Text("MIT-0", 260, (_GRANT, _DEAL), (_NOTICE,)),
    _Text("NCSA", 380, (_GRANT, "to deal with the software without restriction", _SOURCE, _BINARY)),
    _Text("BSD-3-Clause", 340, (_BSD, _SOURCE, _BINARY, _ENDORSE), (_ADVERTISE, "patent")),
    _Text(
        "BSD-2-Clause",
        300,
        (_BSD, _SOURCE, _BINARY),
        (_ENDORSE, "neither the name", _ADVERTISE, "patent"),
    ),
    _Text("ISC", 200, (_ISC, _PROVIDED)),
    _Text("0BSD", 170, (f"{_ISC} the software is provided as is",)),
    _Text(
        "Zlib",
        240,
        (
            "for any purpose including commercial applications and to alter it and redistribute",
            "altered source versions must be plainly marked as such",
            "this notice may not be removed or altered from any source distribution",
        ),
    ),
    _Text(
        "Unlicense",
        320,
        (
            "free and unencumbered software released into the public domain",
            "relinquishment in perpetuity of all present and future rights to this software",
        ),
    ),
    _Text(
        "BSL-1.0",
        330,
        (
            "boost software license version 1 0",
            "permission is hereby granted free of charge to any person or organization obtaining",
        ),
    ),
    _Text(
        "CC0-1.0",
        1_300,
        ("cc0 1 0 universal", "affirmer hereby overtly fully permanently irrevocably"),
    ),
    _Text(
        "Apache-2.0",
        2_300,
        (
            "apache license version 2 0 january 2004",
            "terms and conditions for use reproduction and distribution",
            "grant of patent license",
        ),
    ),
    _Text(
        "Apache-2.0",
        130,
        (
            "licensed under the apache license version 2 0 the license",
            "you may not use this file except in compliance with the license",
        ),
    ),
    _Text("Unicode-3.0", 420, ("unicode license v3", f"{_GRANT} of data files")),
    _Text(
        "Unicode-DFS-2016",
        600,
        (
            "unicode inc license agreement data files and software",
            f"{_GRANT} of the unicode data files",
        ),
    ),
)
_LLVM = "llvm exceptions to the apache 2 0 license"

_TITLES = (
    ("AGPL-3.0-only", "gnu affero general public license"),
    ("LGPL-2.1-only", "gnu lesser general public license version 2 1"),
    ("LGPL-3.0-only", "gnu lesser general public license"),
    ("LGPL-2.0-only", "gnu library general public license"),
    ("GPL-2.0-only", "gnu general public license version 2"),
    ("GPL-3.0-only", "gnu general public license"),
    ("MPL-1.1", "mozilla public license version 1 1"),
    ("MPL-2.0", "mozilla public license"),
    ("EPL-2.0", "eclipse public license v 2 0"),
    ("EPL-1.0", "eclipse public license"),
    ("EUPL-1.2", "european union public licence"),
    ("BUSL-1.1", "business source license"),
    ("SSPL-1.0", "server side public license"),
)
_FORBIDDEN = (
    "commons clause",
    "non commercial use",
    "non commercial purposes",
    "noncommercial use",
    "noncommercial purposes",
    "evaluation purposes",
)


def recognise(text: str) -> str:
    """Return the SPDX expression of a licence text, or empty when unsure.

    A text that holds several licences is under all of them (`MIT AND Apache-2.0`).
    """
    words = re.findall(r"[a-z0-9]+", text.lower())
    if len(words) <= _NAME_WORDS:
        return normal(text) if is_spdx(text) else ""
    plain = " ".join(words)
    title = " ".join(words[:_TITLE_WORDS])
    for name, phrase in _TITLES:
        if phrase in title:
            return name
    found = [known for known in _TEXTS if _is_in(plain, known)]
    too_long = len(words) > sum(known.words for known in found)
    if not found or too_long or any(phrase in plain for phrase in _FORBIDDEN):
        return ""
    return all_of(_with_exception(known.name, plain) for known in found)


def _is_in(plain: str, known: _Text) -> bool:
    return all(phrase in plain for phrase in known.needs) and not any(
        phrase in plain for phrase in known.lacks
    )


def _with_exception(name: str, plain: str) -> str:
    return f"{name} WITH LLVM-exception" if name == "Apache-2.0" and _LLVM in plain else name
