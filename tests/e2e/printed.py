"""The settings that editors/README.md prints, so that what is tested is what users paste."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from tests.e2e.editors import REPOSITORY, environment


def printed(heading: str, language: str) -> list[str]:
    """Return the blocks of a language in a section of editors/README.md, in their order."""
    text = (REPOSITORY / "editors" / "README.md").read_text("utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def surroundings(home: Path, bundle: Path, *programs: Path) -> dict[str, str]:
    """Return variables for an editor that finds on PATH m31r-lsp, and programs in the folders
    `programs`; the server takes the model `bundle`."""
    folders = [Path(sys.executable).parent, *programs]
    return {
        **environment(home),
        "PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]]),
        "M31R_MODEL": str(bundle),
        "CARGO_NET_OFFLINE": "true",
    }
