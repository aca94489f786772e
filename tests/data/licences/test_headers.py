"""SPDX headers: found in comments, never in code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_data.licences.headers import spdx_headers

TAG = "SPDX-License-Identifier:"


@pytest.mark.parametrize(
    ("text", "above", "among"),
    [
        (f"// {TAG} MIT OR Apache-2.0\nfn f() {{}}\n", "MIT OR Apache-2.0", ""),
        (f"/* {TAG} mit/isc */\nfn f() {{}}\n", "MIT OR ISC", ""),
        (f"/*\n * Copyright me\n * {TAG} ISC\n */\n", "ISC", ""),
        (f"// Copyright 2020 me. {TAG} Zlib\nfn f() {{}}\n", "Zlib", ""),
        (f"\ufeff//! {TAG} MIT\r\n\r\nfn f() {{}}\n", "MIT", ""),
        (f"#![no_std]\n\n// {TAG} MIT\nfn f() {{}}\n", "MIT", ""),
        (f"#!/usr/bin/env run\n// {TAG} MIT\nfn f() {{}}\n", "MIT", ""),
        (f"// {TAG} MIT\n// {TAG} GPL-2.0-only\n", "MIT AND GPL-2.0-only", ""),
        (f"// {TAG} BSD3\nfn f() {{}}\n", "BSD3", ""),
        (f"// {TAG}\nfn f() {{}}\n", "", ""),
        (f"fn f() {{\n    // {TAG} Zlib\n}}\n", "", "Zlib"),
        (f"fn f() {{}}\n// {TAG} Zlib\n", "", "Zlib"),
        (f'const X: &str = "\n// {TAG} GPL-2.0\n";\n', "", ""),
        (f'const X: &str = r#"// {TAG} GPL-2.0"#;\n', "", ""),
        (f'#![doc = "{TAG} GPL-2.0"]\n// {TAG} MIT\nfn f() {{}}\n', "MIT", ""),
        (f"//! Writes `{TAG} GPL-2.0` on top of files.\nfn f() {{}}\n", "", ""),
        (f'fn f() {{}}\n/// .raw_line("// {TAG} GPL-2.0")\nfn g() {{}}\n', "", ""),
    ],
)
def test_only_comments_count(text: str, above: str, among: str) -> None:
    assert spdx_headers(text) == (above, among)


@given(st.text())
def test_any_text_has_an_answer(noise: str) -> None:
    above, _ = spdx_headers(f"// {TAG} MIT\n{noise}")
    assert above.startswith("MIT")
