"""Refuse copies of other people's code that lie in a package which did not write it.

Their licence and version are not the package's, and the original is mostly in the corpus as well.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from m31r_data.config import FilterConfig
from m31r_data.document import Document
from m31r_data.filters.answer import Answer, refuse_if

_COPIES = frozenset({"vendor", "vendored"})
# Under `src` these are modules: what connects the package with others.
_OUTSIDE_SRC = frozenset(
    {"3rdparty", "external", "node_modules", "third-party", "third_party", "thirdparty"}
)
_VERSION = re.compile(r"-v?\d+(\.\d+)*([-+.].*)?$")


def vendored(document: Document, config: FilterConfig) -> Answer:
    """Refuse what lies in a vendor folder, unless a folder behind it has the package's name.

    `vendor/libc-0.2.1/src/lib.rs` of package `libc` passes: it is a crate of its own, with its
    own licence. A module's file, `src/vendor/mod.rs` or `src/external.rs`, is no copy.
    """
    folders = PurePosixPath(document.path).parts[:-1]
    places = [
        i
        for i, name in enumerate(folders[:-1])
        if name.lower() in _COPIES or (name.lower() in _OUTSIDE_SRC and "src" not in folders[:i])
    ]
    if not places:
        return True
    own = _plain(document.package)
    behind = folders[places[-1] + 1 :]
    return refuse_if(all(_plain(name) != own for name in behind), "vendored copy")


def _plain(name: str) -> str:
    return _VERSION.sub("", name).lower().replace("-", "_")
