"""Repairs of compiler errors, each accepted by the compiler before anybody sees it."""

from m31r_core.repair.candidates import Candidate, Caution, Proposer, Ranker
from m31r_core.repair.edits import Edit, apply_edits, lay
from m31r_core.repair.fixes import Fix
from m31r_core.repair.search import RepairLimits, find_fixes, repair_all

__all__ = [
    "Candidate",
    "Caution",
    "Edit",
    "Fix",
    "Proposer",
    "Ranker",
    "RepairLimits",
    "apply_edits",
    "find_fixes",
    "lay",
    "repair_all",
]
