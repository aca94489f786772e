"""Refuse files that are wrong on purpose: what compilers and proc macros test their errors with."""

from __future__ import annotations

import re

from m31r_data.config import FilterConfig
from m31r_data.document import Document
from m31r_data.filters.answer import Answer, refuse_if

# trybuild's and ui_test's folders, and those of rustc's own suite.
_FOLDER = re.compile(
    r"(^|/)(compile[-_]?fail|ui[-_]fail|fail[-_]ui|(tests?|trybuild|ui)/(\w+/)*(fail|invalid))/"
)
# rustc's annotations: `//~ ERROR`, `//~^ WARN`, `//[revision]~| NOTE`; rustfix and clippy use them.
_ANNOTATION = re.compile(r"//(\[[\w, -]+\])?~[\^|v?]*\s*(ERROR|WARN|WARNING|NOTE|HELP|E\d{4})?\b")
_HEADER = re.compile(
    r"\s*(?://[^\n]*\n\s*)*//[@!]?[ ]*(?:check-fail|build-fail|run-fail|compile[-_]fail"
    r"|error-pattern:|known-bug:)"
)


def broken(document: Document, config: FilterConfig) -> Answer:
    """Refuse by folder, by rustc's annotations of expected errors, and by headers like them.

    Documentation may show code that fails (`compile_fail` behind three backticks): only headers
    count, and annotations at the ends of lines of code.
    """
    text = document.text
    wrong = (
        _FOLDER.search(document.path) is not None
        or ("~" in text and any(map(_is_annotated, _ANNOTATION.finditer(text))))
        or _HEADER.match(text) is not None
    )
    return refuse_if(wrong, "wrong on purpose")


def _is_annotated(found: re.Match[str]) -> bool:
    """Whether an annotation stands in code: not in a comment that speaks of it, or a string."""
    text = found.string
    before = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
    named = found.group(2) is not None or found.group(0)[2:].strip("[]~") != ""
    return named and "//" not in before and '"' not in before and "`" not in before
