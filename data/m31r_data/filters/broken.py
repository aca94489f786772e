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
_ANNOTATION = re.compile(r"//(\[[\w, -]+\])?~[\^|v?]* ?(ERROR|WARN|WARNING|NOTE|HELP|E\d{4})\b")
_LINES_EACH = 40
_HEADER = re.compile(
    r"\s*(?://[^\n]*\n\s*)*//[@!]?[ ]*(?:check-fail|build-fail|run-fail|compile[-_]fail"
    r"|error-pattern:|known-bug:)"
)


def broken(document: Document, config: FilterConfig) -> Answer:
    """Refuse by folder, by rustc's annotations of expected errors, and by headers like them.

    Documentation may show code that fails (`compile_fail` behind three backticks), and a compiler's
    unit tests hold some in strings: headers count, and annotations at the ends of lines of code
    when there is one in 40 lines.
    """
    text = document.text
    wrong = (
        _FOLDER.search(document.path) is not None
        or _is_annotated(text)
        or _HEADER.match(text) is not None
    )
    return refuse_if(wrong, "wrong on purpose")


def _is_annotated(text: str) -> bool:
    if "~" not in text:
        return False
    found = sum(map(_is_in_code, _ANNOTATION.finditer(text)))
    return found * _LINES_EACH > text.count("\n")


def _is_in_code(found: re.Match[str]) -> bool:
    """Whether an annotation stands in code: not in a comment that speaks of it, or a string."""
    text = found.string
    before = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
    return not any(sign in before for sign in ("//", '"', "`"))
