"""From the files of a tree (a folder, an archive, a commit) to documents of its crates."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from m31r_data.document import Document, Dropped
from m31r_data.licences import (
    Licence,
    Rule,
    Tree,
    licence_of_crate,
    licence_of_file,
    rules_of_folder,
)
from m31r_data.licences.debian import debian_rules
from m31r_data.licences.licence import below, folders_above
from m31r_data.licences.manifest import inherited, read_manifest
from m31r_data.readers.names import is_printable, kind_of, printable

_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}")
_VERSION = re.compile(r"[\w.+-]{1,100}")

TOO_LARGE = "too large"
NOT_UTF8 = "not UTF-8"
NO_CRATE = "in no crate"
LINK = "a link"
BAD_NAME = "unprintable name"


@dataclass(frozen=True)
class Crate:
    """A folder with a Cargo.toml that has a `[package]`."""

    folder: str
    name: str
    version: str
    licence: Licence


class Project:
    """Knows the crates and licences of a tree, each looked up once.

    With `one_project`, licence files at the top of the tree hold for the crates in it that name no
    licence. `copyright` is the debian/copyright of a package made from one crate.
    """

    def __init__(self, tree: Tree, *, one_project: bool, copyright: str = "") -> None:
        self._tree = tree
        self._one_project = one_project
        self._copyright = copyright
        self._crates: dict[str, Crate | None] = {}
        self._rules: dict[str, list[tuple[Rule, ...]]] = {}

    def document(self, path: str, data: bytes) -> Document | Dropped:
        """Return the document of a Rust file."""
        crate = self._owner(path)
        if crate is None or not is_printable(path):
            return self.drop(path, NO_CRATE if crate is None else BAD_NAME)
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            return self.drop(path, NOT_UTF8)
        licence = licence_of_file(
            text, path, crate.licence, crate.folder, self._rules_for(path, crate)
        )
        return Document(
            crate.name,
            crate.version,
            path,
            licence.expression,
            kind_of(below(crate.folder, path) or path, path),
            text,
            licence.place,
            hashlib.sha256(data).hexdigest(),
        )

    def drop(self, path: str, reason: str) -> Dropped:
        """Return the file at `path` as dropped, without its text."""
        crate = self._owner(path)
        inside = below(crate.folder, path) or path if crate else path
        return Dropped(
            Document(
                crate.name if crate else "",
                crate.version if crate else "",
                printable(path),
                crate.licence.expression if crate else "",
                kind_of(inside, path),
                "",
                crate.licence.place if crate else "",
            ),
            reason,
        )

    def _owner(self, path: str) -> Crate | None:
        """Return the crate that `path` belongs to: of the nearest Cargo.toml, if it has one."""
        for folder in folders_above(path):
            if folder not in self._crates:
                if "Cargo.toml" not in self._tree.names(folder):
                    continue
                self._crates[folder] = self._crate(folder)
            return self._crates[folder]
        return None

    def _crate(self, folder: str) -> Crate | None:
        package = read_manifest(self._tree, folder).get("package")
        name = package.get("name") if isinstance(package, dict) else None
        if not isinstance(package, dict) or not isinstance(name, str) or not _NAME.fullmatch(name):
            return None
        version = package.get("version", "")
        if isinstance(version, dict):
            version = inherited(self._tree, folder, "version")
        known = isinstance(version, str) and _VERSION.fullmatch(version)
        licence = licence_of_crate(self._tree, folder, one_project=self._one_project)
        return Crate(folder, name, str(version) if known else "", licence)

    def _rules_for(self, path: str, crate: Crate) -> list[tuple[Rule, ...]]:
        found: list[tuple[Rule, ...]] = []
        for folder in folders_above(path):
            if folder not in self._rules:
                self._rules[folder] = self._rules_in(folder)
            found += self._rules[folder]
        return found

    def _rules_in(self, folder: str) -> list[tuple[Rule, ...]]:
        rules = rules_of_folder(self._tree, folder)
        if self._copyright and self._crates.get(folder) is not None:
            rules.append(debian_rules(self._copyright, folder))
        return rules
