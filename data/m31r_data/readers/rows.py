"""From rows of a pack or table to documents."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from m31r_data.config import ArchiveLimits, SourceConfig
from m31r_data.document import Document, Dropped
from m31r_data.licences import Licence, licence_of_file, normal
from m31r_data.licences.expression import all_of
from m31r_data.readers.names import is_printable, kind_of, package_of_path, printable
from m31r_data.readers.project import BAD_NAME, NOT_UTF8, TOO_LARGE

NOT_RUST = "not Rust"
_KIND_COLUMN = "kind"
_PLACE_COLUMN = "license_from"


def columns_of(source: SourceConfig) -> tuple[str, ...]:
    """Return the columns that must be there; the package's and version's may be missing."""
    return (source.text_column, source.path_column, source.license_column)


def optional_columns_of(source: SourceConfig) -> tuple[str, ...]:
    """Return the columns that are used where they are there."""
    return (source.package_column, source.version_column, _KIND_COLUMN, _PLACE_COLUMN)


def document_of_row(
    row: Mapping[str, object], source: SourceConfig, limits: ArchiveLimits
) -> Document | Dropped:
    """Return the document of a row. Raises KeyError for a column and TypeError for a value."""
    text, path = row[source.text_column], row[source.path_column]
    if not isinstance(text, str) or not isinstance(path, str):
        raise TypeError(f"{source.text_column!r} and {source.path_column!r} must be strings")
    package = _string(row.get(source.package_column)) or package_of_path(path)
    version = _string(row.get(source.version_column))
    licence = _licence(row[source.license_column], _string(row.get(_PLACE_COLUMN)))
    kind = _string(row.get(_KIND_COLUMN)) or kind_of(path, path)
    reason, digest = _refusal(path, text, limits), ""
    if not reason:
        try:
            data = text.encode("utf-8")
            digest = hashlib.sha256(data).hexdigest()
            reason = TOO_LARGE if len(data) > limits.max_file_bytes else ""
        except UnicodeEncodeError:
            reason = NOT_UTF8
    if reason:
        place = licence.place
        empty = Document(package, version, printable(path), licence.expression, kind, "", place)
        return Dropped(empty, reason)
    licence = licence_of_file(text, path, licence, path.rpartition("/")[0])
    return Document(package, version, path, licence.expression, kind, text, licence.place, digest)


def _refusal(path: str, text: str, limits: ArchiveLimits) -> str:
    if not path.endswith(".rs"):
        return NOT_RUST
    if not is_printable(path):
        return BAD_NAME
    return TOO_LARGE if len(text) > limits.max_file_bytes else ""


def _licence(value: object, place: str) -> Licence:
    """A list of licences was found in one file or repository: all of them hold."""
    named = value if isinstance(value, list) else [value]
    expressions = [normal(item) for item in named if isinstance(item, str) and item]
    return Licence(all_of(expressions), (place or "pack") if expressions else "")


def _string(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} must be a string")
    return value
