"""Ask cargo what it thinks of files that were never saved.

Checking a crate runs its build scripts and procedural macros, so callers must only pass
workspaces that the user trusts. POSIX only: deadlines are kept by killing a process group.
"""

from m31r_core.cargo.compiler import Compiler, Verdict
from m31r_core.cargo.diagnostics import (
    Diagnostic,
    Note,
    Replacement,
    Span,
    Suggestion,
    parse_messages,
)
from m31r_core.cargo.overlay import check_overlay
from m31r_core.cargo.process import CargoError, Deadline
from m31r_core.cargo.snapshot import Snapshot
from m31r_core.cargo.workspace import Workspace

__all__ = [
    "CargoError",
    "Compiler",
    "Deadline",
    "Diagnostic",
    "Note",
    "Replacement",
    "Snapshot",
    "Span",
    "Suggestion",
    "Verdict",
    "Workspace",
    "check_overlay",
    "parse_messages",
]
