"""A sandbox, and small crates to check in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from m31r_core.cargo.sandbox import Sandbox, SandboxError
from m31r_core.cargo.toolchain import Toolchain, find_toolchain
from m31r_data.compile.verify import CrateVerdict, sandbox_for, verify_crate
from m31r_data.config import CompileConfig

CONFIG = CompileConfig(enabled=True, seconds=60.0)

Verify = Callable[..., CrateVerdict]


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    return find_toolchain()


@pytest.fixture(scope="session")
def sandbox(toolchain: Toolchain) -> Sandbox:
    try:
        return sandbox_for(CONFIG, toolchain)
    except SandboxError as error:
        pytest.skip(str(error))


@pytest.fixture
def verify(sandbox: Sandbox, toolchain: Toolchain, tmp_path: Path) -> Verify:
    """Check a crate by its files; `work` is below tmp_path."""

    def call(
        files: Mapping[str, str],
        *,
        name: str = "sample",
        vendor: Path | None = None,
        config: CompileConfig = CONFIG,
        box: Sandbox = sandbox,
    ) -> CrateVerdict:
        folder = write_crate(tmp_path / name, files, name)
        return verify_crate(
            name,
            "0.1.0",
            folder,
            work=tmp_path / "work",
            vendor=vendor,
            sandbox=box,
            toolchain=toolchain,
            config=config,
        )

    return call


def write_crate(folder: Path, files: Mapping[str, str], name: str = "sample") -> Path:
    """Write the files of a package, with a manifest unless it is among them."""
    manifest = f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n'
    for path, text in {"Cargo.toml": manifest, **files}.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder
