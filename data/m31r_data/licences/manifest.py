"""The licence of a crate: from its Cargo.toml, its workspace, or the licence files beside them."""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from m31r_data.licences.expression import all_of, normal
from m31r_data.licences.licence import (
    UNKNOWN,
    Licence,
    Tree,
    below,
    folders_above,
    join,
    vendored_part,
)
from m31r_data.licences.texts import recognise

_LICENCE_FILE = re.compile(r"(?i).*(?:licen[cs]e|copying)")
_NO_TEXT = (".rs", ".py", ".toml", ".json", ".lock")


def is_licence_file(name: str) -> bool:
    """Say whether a file may be a licence, by its name (`LICENSE-MIT`, `COPYING`)."""
    return bool(_LICENCE_FILE.match(name)) and not name.endswith(_NO_TEXT)


def read_manifest(tree: Tree, folder: str) -> dict[str, Any]:
    """Return the Cargo.toml in `folder`; nothing when there is none or it cannot be read."""
    try:
        return tomllib.loads((tree.read(join(folder, "Cargo.toml")) or b"").decode("utf-8"))
    except (ValueError, RecursionError):
        return {}


def workspace_of(tree: Tree, folder: str) -> tuple[str, Mapping[str, Any]] | None:
    """Return the folder of the workspace of the crate in `folder` and its `[workspace]`.

    That is the nearest Cargo.toml with one, unless the crate names another. No workspace reaches
    into a vendored folder.
    """
    package = read_manifest(tree, folder).get("package")
    named = package.get("workspace") if isinstance(package, dict) else None
    candidates = folders_above(join(folder, "Cargo.toml"))
    if isinstance(named, str):
        root = posixpath.normpath(join(folder, named))
        candidates = ["" if root == "." else root]
    for candidate in candidates:
        inside = below(candidate, join(folder, "Cargo.toml"))
        if inside is None or vendored_part(inside):
            return None
        workspace = read_manifest(tree, candidate).get("workspace")
        if isinstance(workspace, dict):
            return candidate, workspace
    return None


def inherited(tree: Tree, folder: str, key: str) -> object:
    """Return the value of `key` in the workspace's `[workspace.package]`, or None."""
    found = workspace_of(tree, folder)
    package = found[1].get("package") if found else None
    return package.get(key) if isinstance(package, dict) else None


def licence_of_crate(tree: Tree, folder: str, *, one_project: bool) -> Licence:
    """Return the licence of the crate in `folder`.

    Cargo.toml decides, with what it takes from its workspace. Where it says nothing, the texts of
    the licence files in the nearest folder that has some do, up to the workspace, or to the top of
    the tree when that is `one_project`: all of them hold together, and one that is not recognised
    makes the licence unknown. No vendored folder takes the licence of what it lies in.
    """
    package = read_manifest(tree, folder).get("package")
    if not isinstance(package, dict):
        return UNKNOWN
    stated = _stated(tree, folder, package, "license")
    if stated:
        return Licence(normal(stated[0]), stated[1])
    named = _stated(tree, folder, package, "license-file")
    if named:
        base = folder
        if named[1] == "workspace":
            found = workspace_of(tree, folder)
            base = found[0] if found else folder
        text = tree.read(posixpath.normpath(join(base, named[0])))
        expression = recognise(text.decode("utf-8", errors="replace")) if text else ""
        return Licence(expression, "license-file") if expression else UNKNOWN
    return _from_texts(tree, folder, one_project=one_project)


def _stated(
    tree: Tree, folder: str, package: Mapping[str, Any], key: str
) -> tuple[str, str] | None:
    """Return a value of Cargo.toml and where it stands."""
    value, place = package.get(key), "Cargo.toml"
    if isinstance(value, dict):
        value, place = inherited(tree, folder, key), "workspace"
    return (value, place) if isinstance(value, str) and value.strip() else None


def _from_texts(tree: Tree, folder: str, *, one_project: bool) -> Licence:
    workspace = workspace_of(tree, folder)
    top = "" if one_project else workspace[0] if workspace else folder
    inside = join(folder, "Cargo.toml")
    for candidate in folders_above(inside):
        rest = below(candidate, inside)
        if rest is None or vendored_part(rest) or below(top, join(candidate, "x")) is None:
            return UNKNOWN
        files = [name for name in tree.names(candidate) if is_licence_file(name)]
        if files:
            texts = (tree.read(join(candidate, name)) or b"" for name in files)
            found = [recognise(text.decode("utf-8", errors="replace")) for text in texts]
            return Licence(all_of(found), "licence file") if all(found) else UNKNOWN
    return UNKNOWN
