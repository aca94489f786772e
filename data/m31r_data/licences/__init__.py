"""Under which licence a file may be used, and whether that is permissive."""

from m31r_data.licences.expression import PERMISSIVE, is_permissive, normal
from m31r_data.licences.licence import UNKNOWN, Licence, Rule, Tree
from m31r_data.licences.manifest import licence_of_crate
from m31r_data.licences.resolve import licence_of_file, rules_of_folder

__all__ = [
    "PERMISSIVE",
    "UNKNOWN",
    "Licence",
    "Rule",
    "Tree",
    "is_permissive",
    "licence_of_crate",
    "licence_of_file",
    "normal",
    "rules_of_folder",
]
