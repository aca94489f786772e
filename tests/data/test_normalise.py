"""One form for every text, and no code lost on the way to it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from m31r_data.normalise import normalise


def test_licence_headers_go_and_documentation_stays() -> None:
    code = "//! The crate.\n\npub fn f() {}\n"
    for header in (
        "// Copyright 2020 Someone\n// Licensed under MIT\n\n",
        "/* SPDX-License-Identifier: MIT */\n",
    ):
        assert normalise(header + code) == code
    assert normalise("// A note on what follows\n" + code) == "// A note on what follows\n" + code
    assert normalise("\ufeff" + code.replace("\n", "\r\n")) == code


@given(st.text(alphabet="ab/*! \n\t'", max_size=300))
def test_normalised_text_ends_in_one_newline_and_keeps_its_code(text: str) -> None:
    result = normalise(text)
    assert result.endswith("\n")
    assert not result.endswith("\n\n")
    assert result.strip("\n") in text
