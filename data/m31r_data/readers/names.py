"""What paths say: whether a name may be taken from an archive, and what kind of code it holds."""

from __future__ import annotations

import re

from m31r_data.licences.manifest import is_licence_file

_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KINDS = {"tests": "test", "examples": "example", "benches": "bench"}
_TELL_ABOUT_PARENT = ((".reuse", "dep5"), ("debian", "copyright"))
# Programs for the compiler to reject, by the folders that test harnesses look into.
_FIXTURES = re.compile(
    r"(?:^|/)tests?/(?:ui|fail|trybuild|(?:compile|run|ui)[-_](?:fail|tests?))/"
    r"|(?:^|/)compile[-_]fail/"
)


def leads_outside(name: str) -> bool:
    """Say whether a member's name could be a place outside of the folder it is unpacked to.

    Holds for every system: both slashes divide names, and a drive's letter is absolute.
    """
    parts = re.split(r"[/\\]", name)
    return "\0" in name or ".." in parts or parts[0] == "" or bool(_DRIVE.match(name))


def plain(name: str) -> str:
    """Return a member's name without what means nothing (`./`, `//`)."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def is_printable(path: str) -> bool:
    """Say whether a path can be written down: UTF-8, without control characters."""
    return not _CONTROL.search(path) and not any("\ud800" <= char <= "\udfff" for char in path)


def printable(path: str) -> str:
    """Return the path with what cannot be written down escaped."""
    safe = path.encode("utf-8", errors="backslashreplace").decode("utf-8")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", safe)


def is_hidden(path: str) -> bool:
    """Say whether a file or one of its folders is hidden."""
    return path.startswith(".") or "/." in path


def is_context(path: str) -> bool:
    """Say whether a file tells about others: manifests and whatever licences may stand in."""
    name = path.rpartition("/")[2]
    return (
        name in ("Cargo.toml", "REUSE.toml")
        or path.endswith((".reuse/dep5", "debian/copyright"))
        or (name == "copyright" and "share/doc/" in path)
        or is_licence_file(name)
    )


def is_manifest(path: str) -> bool:
    """Say whether a file is a Cargo.toml."""
    return path == "Cargo.toml" or path.endswith("/Cargo.toml")


def context_folder(path: str) -> str:
    """Return the folder that a file of `is_context` tells about."""
    folder, _, name = path.rpartition("/")
    inner = folder.rpartition("/")
    return inner[0] if (inner[2], name) in _TELL_ABOUT_PARENT else folder


def kind_of(inside: str, path: str) -> str:
    """Return the kind of a file from its path in its crate and from its path in the source."""
    if _FIXTURES.search(path):
        return "fixture"
    if inside == "build.rs":
        return "build"
    top, slash, _ = inside.partition("/")
    return _KINDS.get(top, "src") if slash else "src"


def package_of_path(path: str) -> str:
    """Name what has no package by the folders it lies in, so that neighbours stay together."""
    return "/".join(path.split("/")[:-1][:3]) or path
