"""m31r-lsp doctor: what works on this machine, and how to mend what does not."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from m31r_core.bundle import find_bundle, load_bundle
from m31r_core.cargo.process import rust_program
from m31r_core.engine import Completer, Engine, default_threads
from m31r_core.errors import M31RError
from m31r_lsp.filters.cursor import Cursor
from m31r_lsp.settings import CompletionSettings
from m31r_lsp.suggest import Query, suggest

_NEEDED_BYTES = 512 * 2**20
_NEEDED_DISK = 2**30
_PROBE = Cursor("fn main() {\n    let mut names: Vec<String> = Vec::", "\n}\n")
_STYLE = {"ok": "green", "warning": "yellow", "broken": "bold red"}


@dataclass(frozen=True)
class Finding:
    """One line of the report; `mend` says what to do where `state` is not ok."""

    what: str
    state: Literal["ok", "warning", "broken"]
    detail: str
    mend: str = ""


def doctor(model: Path | None) -> int:
    """Print what works. Returns 1 when the model does not, else 0."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    findings = [*_model(model), *_tools(), *_checks(), *_machine()]
    for each in findings:
        detail = Text(each.detail)
        if each.mend:
            detail.append(f"\n{each.mend}", style="italic")
        table.add_row(Text(each.state, _STYLE[each.state]), each.what, detail)
    Console(highlight=False).print(table)
    return 1 if any(each.state == "broken" for each in findings) else 0


def _model(explicit: Path | None) -> Iterator[Finding]:
    where = "name a folder with m31r.json through --model or M31R_MODEL"
    try:
        path = find_bundle(explicit=explicit, workspace=Path.cwd())
    except M31RError as error:
        yield Finding("model", "broken", str(error), where)
        return
    try:
        start = time.perf_counter()
        bundle = load_bundle(path)
        engine = Engine.load(bundle)
        load_ms = (time.perf_counter() - start) * 1e3
    except M31RError as error:
        yield Finding("model", "broken", str(error), f"copy the bundle again, or {where}")
        return
    manifest = bundle.manifest
    megabytes = sum(file.stat().st_size for file in path.iterdir()) / 1e6
    yield Finding(
        "model",
        "ok",
        f"{manifest.model_id}, {manifest.quant}, {megabytes:.1f} MB, "
        f"{len(manifest.files)} checksums right, in {path}",
    )
    yield Finding("load", "ok", f"{load_ms:.0f} ms with {default_threads()} threads")
    settings = CompletionSettings(min_confidence=0.0)
    try:
        found = suggest(Completer(engine), Query("src/main.rs", _PROBE, settings))
    except Exception as error:  # whatever it is, this report is the place for it
        yield Finding("completion", "broken", f"{type(error).__name__}: {error}", where)
        return
    yield Finding("completion", "ok", f"{found.took_ms:.0f} ms for {found.raw!r}")


def _tools() -> Iterator[Finding]:
    install = "install it from https://rustup.rs; needed to check completions, not to make them"
    for name in ("cargo", "rustc", "rustfmt"):
        path = rust_program(name)
        if path is None:
            yield Finding(name, "warning", "not found on PATH", install)
            continue
        try:
            done = subprocess.run(
                [path, "--version"], capture_output=True, text=True, timeout=20, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            yield Finding(name, "warning", f"{path}: {error}", install)
            continue
        said = (done.stdout or done.stderr).strip().partition("\n")[0]
        state: Literal["ok", "warning"] = "ok" if done.returncode == 0 else "warning"
        yield Finding(name, state, said, "" if state == "ok" else install)


def _checks() -> Iterator[Finding]:
    """Whether rustc compiles anything, and where what it compiled is kept."""
    rustc = rust_program("rustc")
    if rustc is not None:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "probe.rs"
            program.write_text('fn main() { println!("{}", 1 + 1); }\n', encoding="utf-8")
            command = [rustc, "--emit=metadata", "--out-dir", folder, str(program)]
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=60, check=False, cwd=folder
                )
                said = "" if done.returncode == 0 else done.stderr.strip().partition("\n")[0]
            except (OSError, subprocess.TimeoutExpired) as error:
                said = str(error)
        took_ms = (time.perf_counter() - start) * 1e3
        mend = "run `rustup default stable`; needed for code actions and checked completions"
        if said:
            yield Finding("checks", "warning", f"rustc does not compile: {said}", mend)
        else:
            yield Finding("checks", "ok", f"rustc checks a small program in {took_ms:.0f} ms")
    cache = _check_cache()
    size = sum(
        (Path(folder) / name).lstat().st_size
        for folder, _, names in os.walk(cache)
        for name in names
    )
    at = next(each for each in (cache, *cache.parents) if each.exists())
    free = shutil.disk_usage(at).free
    detail = f"{cache}, {size / 2**20:.0f} MiB used, {free / 2**30:.1f} GiB free"
    if not os.access(at, os.W_OK):
        yield Finding("check cache", "warning", f"{cache}: cannot be written", "set XDG_CACHE_HOME")
    elif free < _NEEDED_DISK:
        yield Finding(
            "check cache", "warning", detail, "remove what is not needed; all of it may go"
        )
    else:
        yield Finding("check cache", "ok", detail)


def _check_cache() -> Path:
    """Return the folder under which `m31r_core.cargo` keeps its copies and what rustc made."""
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (configured if configured.is_absolute() else Path("~/.cache").expanduser()) / "m31r"


def _machine() -> Iterator[Finding]:
    free = _available_memory()
    if free is not None:
        enough = free >= _NEEDED_BYTES
        mend = "" if enough else f"the server wants about {_NEEDED_BYTES // 2**20} MiB"
        state: Literal["ok", "warning"] = "ok" if enough else "warning"
        yield Finding("memory", state, f"{free / 2**30:.1f} GiB available", mend)
    cores = os.cpu_count() or 1
    yield Finding("cores", "ok", f"{cores}, {platform.machine()}")
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.system()}")


def _available_memory() -> int | None:
    """Return the bytes that can be had without swapping, None where nothing tells."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None
