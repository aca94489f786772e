"""Under which licence a file may be used, and whether that is permissive."""

from m31r_data.licences.expression import PERMISSIVE, is_permissive

__all__ = ["PERMISSIVE", "is_permissive"]
