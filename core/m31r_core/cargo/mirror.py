"""A copy of a workspace that lives in our cache, kept up to date from call to call.

The copy has the layout of the whole file system: `/src/ws` becomes `TREE/src/ws`, so that
every relative path between packages holds. Files are copied and never linked, because a build
script or a procedural macro may write to them; large files and vendored packages are linked.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from m31r_core.cargo.process import CargoError, Deadline
from m31r_core.cargo.tree import Tree, is_rust, version_of

MANY = 64
"""So many changed files are worth writing the whole index."""


class Mirror:
    """The copy of one workspace under `folder`. Callers hold a lock while they use it.

    On disk `index.json` says what every file of the copy is a version of, except for the files
    that `changing` names, which come first to be written and whose state is unknown after a kill.
    """

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        self._folder = folder
        self._index: dict[str, str] = {}
        self._changing: set[str] = set()
        self._token = uuid.uuid4().hex

    def place(self, path: Path | str) -> Path:
        """Where the absolute `path` lies in the copy."""
        return self.tree / str(path).lstrip("/")

    def sync(self, tree: Tree, overlay: Mapping[str, bytes], deadline: Deadline) -> None:
        """Make the copy equal to `tree` with the texts of `overlay` in their places.

        What is written gets the present time: cargo takes a file for unchanged when its time is
        older than the last build, which is wrong for one that an overlay had replaced.
        Raises CargoError when a file changed since `tree` was read.
        """
        self._take_over()
        laid = {path: version_of(text) for path, text in overlay.items()}
        wanted = {**tree.versions, **laid}
        removed = [path for path in self._index if path not in wanted]
        written = [path for path, version in wanted.items() if self._index.get(path) != version]
        if not removed and not written:
            return
        self._announce([*removed, *written])
        for path in removed:
            _remove(self.place(path))
            del self._index[path]
        for path in written:
            deadline.left()
            self._write(path, wanted[path], overlay.get(path), tree)
            self._index[path] = wanted[path]
        if len(self._changing) > MANY:
            _replace(self._folder / "index.json", json.dumps(self._index))
            _replace(self._folder / "changing", "")
            self._changing.clear()

    def _write(self, path: str, version: str, text: bytes | None, tree: Tree) -> None:
        place = self.place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove(place)
        if text is not None:
            place.write_bytes(text)
        elif is_rust(path) and version.startswith("text:"):
            place.write_bytes(tree.read(path))
        elif version.startswith("link:"):
            place.symlink_to(version.removeprefix("link:"))
        elif version.startswith("stamp:"):
            try:
                shutil.copy(path, place)
            except OSError as error:
                raise CargoError(f"{path}: changed on disk while it was checked") from error
        else:
            place.symlink_to(path)

    def _take_over(self) -> None:
        """Read the index again when another process used the copy since we did."""
        owner = self._folder / "owner"
        with contextlib.suppress(OSError):
            if owner.read_text("utf-8") == self._token:
                return
        try:
            self._index = json.loads((self._folder / "index.json").read_text("utf-8"))
            changing = (self._folder / "changing").read_text("utf-8").splitlines()
        except (OSError, ValueError):
            shutil.rmtree(self.tree, ignore_errors=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            _replace(self._folder / "changing", "")
            _replace(self._folder / "index.json", "{}")
            self._index, changing = {}, []
        self._changing = set(changing)
        for line in changing:
            with contextlib.suppress(ValueError):
                self._index[json.loads(line)] = "unknown"
        _replace(owner, self._token)

    def _announce(self, paths: list[str]) -> None:
        """Note that the state of `paths` is unknown from now on."""
        lines = [json.dumps(path) for path in paths]
        fresh = [line for line in lines if line not in self._changing]
        if fresh:
            self._changing.update(fresh)
            with (self._folder / "changing").open("a", encoding="utf-8") as file:
                file.write("".join(line + "\n" for line in fresh))


def _replace(file: Path, text: str) -> None:
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    temporary.write_text(text, "utf-8")
    temporary.replace(file)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
