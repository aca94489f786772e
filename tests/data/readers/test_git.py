"""A git repository at a commit: real git, and repositories that would like to run something."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from m31r_core.errors import M31RError
from m31r_data.config import ArchiveLimits, SourceConfig
from m31r_data.document import Document
from m31r_data.readers import kind_of_source, list_units, read_unit
from tests.data.readers.made import LIB, LIMITS, MANIFEST, documents, read, reasons, write_files

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        input=stdin,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip()


def commit(folder: Path, message: str = "a change") -> str:
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = write_files(
        tmp_path / "repository",
        {
            "Cargo.toml": '[workspace.package]\nlicense = "MIT"\nversion = "3.0.0"\n',
            "a/Cargo.toml": '[package]\nname = "a"\nversion.workspace = true\n'
            "license.workspace = true\n",
            "a/src/lib.rs": LIB,
            "a/tests/ui/wrong.rs": LIB,
            "b/Cargo.toml": MANIFEST.format(name="b"),
            "b/src/lib.rs": LIB,
            "b/inner/Cargo.toml": MANIFEST.format(name="inner"),
            "b/inner/src/lib.rs": LIB,
        },
    )
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def source_of(folder: Path, commit: str = "HEAD") -> SourceConfig:
    return SourceConfig(folder, kind="git", commit=commit)


def test_crates_at_a_commit(repository: Path, tmp_path: Path) -> None:
    old = git(repository, "rev-parse", "HEAD")
    write_files(repository, {"a/src/lib.rs": "// changed\n", "b/src/untracked.rs": LIB})
    found = documents(read(source_of(repository), tmp_path))
    assert [(one.package, one.path, one.kind) for one in found] == [
        ("a", "a/src/lib.rs", "src"),
        ("a", "a/tests/ui/wrong.rs", "fixture"),
        ("b", "b/src/lib.rs", "src"),
        ("inner", "b/inner/src/lib.rs", "src"),
    ]
    assert found[0] == Document("a", "3.0.0", "a/src/lib.rs", "MIT", "src", LIB, "workspace")
    commit(repository)
    assert documents(read(source_of(repository), tmp_path))[0].text == "// changed\n"
    assert documents(read(source_of(repository, old), tmp_path)) == found
    assert kind_of_source(SourceConfig(repository, commit=old)) == "git"


def test_only_what_changed_between_commits_is_new(repository: Path, tmp_path: Path) -> None:
    def fingerprints() -> dict[str, str]:
        units = list_units([source_of(repository)], tmp_path, 1000, LIMITS)
        return {unit.name: unit.fingerprint for unit in units}

    def changed(before: dict[str, str]) -> set[str]:
        after = fingerprints()
        return {name for name in after if after[name] != before.get(name)}

    before = fingerprints()
    write_files(repository, {"README.md": "new", "a/src/lib.rs": "// changed\n"})
    commit(repository)
    assert changed(before) == {"a"}
    before = fingerprints()
    write_files(repository, {"Cargo.toml": '[workspace.package]\nlicense = "ISC"\n'})
    commit(repository)
    assert changed(before) == {"a", "b", "b/inner"}


def test_a_unit_is_read_as_it_was_listed(repository: Path, tmp_path: Path) -> None:
    sources = [source_of(repository)]
    units = list(list_units(sources, tmp_path, 1000, LIMITS))
    before = [list(read_unit(unit, sources, LIMITS)) for unit in units]
    write_files(repository, {"a/src/lib.rs": "// later\n"})
    commit(repository)
    assert [list(read_unit(unit, sources, LIMITS)) for unit in units] == before


def test_a_bare_repository(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), "bare")
    assert kind_of_source(SourceConfig(tmp_path / "bare")) == "git"
    assert documents(read(tmp_path / "bare", tmp_path)) == documents(
        read(source_of(repository), tmp_path)
    )


def test_links_submodules_and_what_is_no_document(repository: Path, tmp_path: Path) -> None:
    (repository / "a/src/passwd.rs").symlink_to("/etc/passwd")
    (repository / "a/LICENSE").symlink_to("/etc/passwd")
    write_files(repository, {"a/src/latin.rs": b"// \xe9", "a/src/large.rs": b"x" * 101})
    head = git(repository, "rev-parse", "HEAD")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{head},b/module")
    commit(repository)
    found = read(source_of(repository), tmp_path, ArchiveLimits(max_file_bytes=100))
    assert sorted(reasons(found)) == ["a link", "not UTF-8", "too large"]
    assert len(documents(found)) == 4


def test_a_commit_that_is_not_there_is_named(repository: Path, tmp_path: Path) -> None:
    for name in ("nothing", "--help", "-c", "HEAD:a", ""):
        with pytest.raises(M31RError, match="no commit"):
            read(source_of(repository, name), tmp_path)
    inside = repository / "a"  # the repository around it is not taken for it
    with pytest.raises(M31RError, match="no commit"):
        read(source_of(inside), tmp_path)


def test_hostile_configuration_runs_nothing(repository: Path, tmp_path: Path) -> None:
    planted = tmp_path / "ran"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {planted}\ncat\n")
    script.chmod(0o755)
    write_files(repository, {".gitattributes": "*.rs filter=evil diff=evil\n"})
    commit(repository)
    for key, value in (
        ("core.fsmonitor", script),
        ("core.pager", script),
        ("core.sshCommand", script),
        ("filter.evil.smudge", script),
        ("filter.evil.clean", script),
        ("diff.evil.textconv", script),
        ("core.hooksPath", tmp_path),
        ("protocol.allow", "always"),
        ("protocol.ext.allow", "always"),
        ("uploadpack.packObjectsHook", script),
    ):
        git(repository, "config", key, str(value))
    (tmp_path / "post-checkout").symlink_to(script)
    assert len(documents(read(source_of(repository), tmp_path))) == 4
    assert not planted.exists()

    # A missing object of a partial clone would be fetched, by a program that the repository names.
    for key, value in (
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", f"ext::{script}"),
    ):
        git(repository, "config", key, value)
    blob = git(repository, "rev-parse", "HEAD:b/src/lib.rs")
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(M31RError):
        read(source_of(repository), tmp_path)
    assert not planted.exists()


def test_a_tree_that_holds_itself_many_times_over(repository: Path, tmp_path: Path) -> None:
    blob = git(repository, "hash-object", "-w", "--stdin", stdin=LIB.encode())
    entry = f"100644 blob {blob}\t{{}}.rs\n"
    for _ in range(8):
        lines = "".join(entry.format(i) for i in range(10))
        tree = git(repository, "mktree", stdin=lines.encode())
        entry = f"040000 tree {tree}\t{{}}\n"
    bomb = git(repository, "commit-tree", tree, "-m", "bomb")
    with pytest.raises(M31RError, match="more than 9000 files"):
        read(source_of(repository, bomb), tmp_path, ArchiveLimits(max_files=9_000))


def test_names_that_lead_outside(repository: Path, tmp_path: Path) -> None:
    tree = git(repository, "rev-parse", "HEAD:b")
    evil = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
        cwd=repository,
        env=ENVIRONMENT,
        input=b"40000 ..\0" + bytes.fromhex(tree),
        capture_output=True,
        check=True,
    ).stdout.decode()
    bad = git(repository, "commit-tree", evil.strip(), "-m", "bad")
    found = read(source_of(repository, bad), tmp_path)
    assert documents(found) == []
