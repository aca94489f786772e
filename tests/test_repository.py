"""What must hold of the repository as a whole."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from m31r_lsp.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[1]
PROGRAMS = Path(sys.executable).parent
MACHINE_PATH = re.compile(
    r"(?<![\w.$~{}\-])/(?:work|root|home/(?!(?:me|you|user)\b)[a-z][\w-]*)(?![\w.-])"
)
COMMANDS = ["m31r-lsp", "m31r-train", "m31r-eval"]

WITHOUT_EXTRAS = """
import importlib, sys
extras = {"torch", "transformers", "onnx", "onnxruntime_genai", "safetensors", "zstandard",
          "tensorboard", "matplotlib", "datatrove", "ray", "websockets", "psutil", "hypothesis"}
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in extras:
            raise ImportError(f"{name} is not in the base install")
sys.meta_path.insert(0, Blocked())
for module in sys.argv[1:]:
    importlib.import_module(module)
"""


def committed_texts() -> Iterator[tuple[str, str]]:
    """Name and text of each file that is tracked or would be, models' vocabularies aside."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = REPOSITORY / name
        if path.name == "tokenizer.json" or not path.is_file():
            continue
        try:
            yield name, path.read_text("utf-8")
        except UnicodeDecodeError:
            continue


def test_no_file_names_a_path_of_one_machine() -> None:
    found = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in committed_texts()
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert not found, "\n".join(found)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    program = PROGRAMS / words[0]
    return subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_shows_an_example(command: str) -> None:
    waiting: list[tuple[str, ...]] = [(command,)]
    while waiting:
        words = waiting.pop()
        done = run(*words, "--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert re.search(r"^example", done.stdout, re.MULTILINE), " ".join(words)
        if commands := re.search(r"^  COMMAND\n((?:    .*\n)+)", done.stdout, re.MULTILINE):
            names = re.findall(r"^    ([a-z][a-z-]*)", commands[1], re.MULTILINE)
            waiting += [(*words, name) for name in names]


@pytest.mark.parametrize("command", COMMANDS)
def test_version_is_ours(command: str) -> None:
    done = run(command, "--version")
    assert (done.returncode, done.stdout) == (0, f"{command} {version('m31r')}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_use_is_status_2_in_a_few_lines(command: str) -> None:
    done = run(command, "--no-such-option")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "module",
    ["m31r_lsp.cli", "m31r_eval.cli", "m31r_train.cli", "m31r_core.engine", "m31r_core.cargo"],
)
def test_the_base_install_is_enough(module: str) -> None:
    done = run(sys.executable, "-c", WITHOUT_EXTRAS, module)
    assert done.returncode == 0, done.stderr


def test_imports_point_one_way() -> None:
    done = subprocess.run(
        [PROGRAMS / "lint-imports"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def needed(requirement: Requirement, seen: dict[str, set[str]]) -> None:
    """Collect in `seen` every distribution that `requirement` installs, with its extras."""
    name = canonicalize_name(requirement.name)
    extras = requirement.extras or {""}
    if name in seen and extras <= seen[name]:
        return
    seen.setdefault(name, set()).update(extras)
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        return
    for line in lines:
        inner = Requirement(line)
        if inner.marker is None or any(inner.marker.evaluate({"extra": e}) for e in extras | {""}):
            needed(inner, seen)


def test_constraints_pin_everything_that_the_tests_install() -> None:
    lines = (REPOSITORY / "constraints.txt").read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(str(pin.specifier).startswith("==") for pin in pins)
    seen: dict[str, set[str]] = {}
    needed(Requirement("m31r[dev]"), seen)
    assert "torch" in seen
    installed = {name for name in seen if name != "m31r"}
    missing = installed - {canonicalize_name(pin.name) for pin in pins}
    assert not missing


def test_one_version_everywhere() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    vscode = json.loads((REPOSITORY / "editors/vscode/package.json").read_text("utf-8"))
    assert project["version"] == vscode["version"] == version("m31r")


@pytest.mark.parametrize("folder", ["editors/vscode", "tests/e2e/vscode"])
def test_the_lock_file_names_no_registry(folder: str) -> None:
    lock = json.loads((REPOSITORY / folder / "package-lock.json").read_text("utf-8"))
    packages = [package for name, package in lock["packages"].items() if name]
    assert packages
    assert not any("resolved" in package for package in packages)
    assert all(package["integrity"].startswith("sha512-") for package in packages)


def leaves(settings: Any, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Dotted name and value of each setting."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", value


def test_vscode_offers_the_servers_settings() -> None:
    """Same names; the same default, or none, which leaves it to the server."""
    vscode = json.loads((REPOSITORY / "editors/vscode/package.json").read_text("utf-8"))
    offered = {
        name.removeprefix("m31r."): value["default"]
        for name, value in vscode["contributes"]["configuration"]["properties"].items()
        if not name.startswith(("m31r.server.", "m31r.trace."))
    }
    known = dict(leaves(Settings()))
    del known["trusted"]  # the editor's own knowledge, no setting
    assert offered.keys() == known.keys()
    different = {name for name, value in offered.items() if value not in (None, known[name])}
    assert not different
