"""Licence texts, those of this repository and of the system among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from m31r_data.licences.texts import recognise

ROOT = Path(__file__).parents[3]
SYSTEM = Path("/usr/share/common-licenses")

MIT = (ROOT / "LICENSE-MIT").read_text(encoding="utf-8")
APACHE = (ROOT / "LICENSE-APACHE").read_text(encoding="utf-8")

NOTICE = """Copyright 2020 Somebody

Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in
compliance with the License.
"""
ISC = """Copyright (c) 2020 Somebody

Permission to use, copy, modify, and/or distribute this software for any purpose with or without
fee is hereby granted, provided that the above copyright notice and this permission notice appear
in all copies.
"""


def test_recognises_the_texts_of_this_repository() -> None:
    assert recognise(MIT) == "MIT"
    assert recognise(APACHE) == "Apache-2.0"
    assert recognise(f"{MIT}\n\n{APACHE}") == "MIT AND Apache-2.0"


def test_line_ends_wrapping_and_case_do_not_matter() -> None:
    assert recognise(" ".join(MIT.upper().split())) == "MIT"
    assert recognise("\r\n".join(f" * {line}" for line in MIT.splitlines())) == "MIT"


def test_short_texts() -> None:
    assert recognise(NOTICE) == "Apache-2.0"
    assert recognise(ISC) == "ISC"
    assert recognise(ISC.replace("provided that", "if")) == ""
    assert recognise("MIT or Apache-2.0\n") == "MIT OR Apache-2.0"
    assert recognise("See the README.") == ""
    assert recognise("") == ""


def test_terms_that_were_added_make_it_unknown() -> None:
    sell = "The Software is provided under the License with the Commons Clause: do not sell it."
    assert recognise(f"{MIT}\n{sell}") == ""
    assert recognise(f"{MIT}\nFor non-commercial use only.") == ""
    assert recognise(f"{MIT}\n{'And one more condition holds. ' * 60}") == ""


@pytest.mark.skipif(not SYSTEM.is_dir(), reason="no common licences on this system")
@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("Apache-2.0", "Apache-2.0"),
        ("BSD", "BSD-3-Clause"),
        ("CC0-1.0", "CC0-1.0"),
        ("GPL-2", "GPL-2.0-only"),
        ("GPL-3", "GPL-3.0-only"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("LGPL-3", "LGPL-3.0-only"),
        ("MPL-2.0", "MPL-2.0"),
        ("Artistic", ""),
    ],
)
def test_recognises_the_texts_of_debian(name: str, licence: str) -> None:
    if not (SYSTEM / name).is_file():
        pytest.skip(f"this system has no {name}")
    assert recognise((SYSTEM / name).read_text(encoding="utf-8")) == licence
