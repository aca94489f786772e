"""Refuse bindings to other languages and maps of registers: declarations without a thought in them.

bindgen, windows-bindgen, wasm-bindgen's WebIDL and svd2rust write thousands of them, not always
with a header that says so; by hand they look the same.
"""

from __future__ import annotations

import re

from m31r_data.config import FilterConfig
from m31r_data.document import Document
from m31r_data.filters.answer import Answer, refuse_if

# Programs write documentation as attributes, people as `///`.
_DOC = re.compile(r'^\s*#\s?!?\[doc = "', re.MULTILINE)
_CONSTANT = r"pub (?:const|static) \w+: [^={}\n]+=[^{}\n]*;"
_FUNCTION = r"pub (?:unsafe )?fn \w+\([^{};]*?\)(?: -> [^{};\n]+)?;"
_ALIAS = r"pub type \w+ = [^{}]+?;"
_LINK = r"\w+::link!\(.*\);"
_FIELD = r"(?:pub )?\w+: (?:\[*(?:\*|:*\w+::)*(?:const |mut )?(?:\w*c_\w+|[iuf]\d+|\w+_t)\b).*,"
_LINES = re.compile(
    rf"^\s*(?:{_CONSTANT}|{_FUNCTION}|{_ALIAS}|{_LINK}|{_FIELD}|#\s?\[wasm_bindgen.*\])$",
    re.MULTILINE,
)
_CODE = re.compile(r"^[ \t]*(?!//)[^\s/]", re.MULTILINE)
_MANY = 20


def bindings(document: Document, config: FilterConfig) -> Answer:
    """Refuse when documentation is written as a program writes it, or declarations prevail.

    The shares are those of `max_doc_attribute_share` and `max_binding_share`; files of less than 20
    such lines pass.
    """
    text = document.text
    documented = len(_DOC.findall(text)) if '[doc = "' in text else 0
    code = len(_CODE.findall(text))
    if documented > max(_MANY / 4, config.max_doc_attribute_share * code):
        return False, "bindings"
    declared = sum(found.group().strip().count("\n") + 1 for found in _LINES.finditer(text))
    return refuse_if(declared >= _MANY and declared > config.max_binding_share * code, "bindings")
