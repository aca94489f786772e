"""REUSE.toml, `.reuse/dep5` and debian/copyright: licences by path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_data.licences import Rule
from m31r_data.licences.debian import debian_rules, dep5_rules, spdx_of_debian
from m31r_data.licences.reuse import reuse_rules

REUSE = """
version = 1

[[annotations]]
path = "**"
SPDX-License-Identifier = "MIT OR Apache-2.0"

[[annotations]]
path = ["src/*.rs", 'src/odd\\*name.rs']
SPDX-License-Identifier = ["ISC", "Zlib"]

[[annotations]]
path = "vendor/png/**"
precedence = "aggregate"
SPDX-License-Identifier = "BSD-3-Clause"

[[annotations]]
path = "src/quiet.rs"
SPDX-FileCopyrightText = "nobody"
"""

COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: thing

Files: *
Copyright: 2020 Somebody
License: Expat or Apache-2.0

Files: src/gnu.rs
 src/other/*
Copyright: 2019 Others
License: GPL-2+
 This is free software, as
 .
 the GNU project says.

Files: src/public.rs
Copyright: none
License: public-domain

License: Expat
 Permission is hereby granted
"""


def says(rules: tuple[Rule, ...], path: str) -> str | None:
    return next((rule.licence.expression for rule in rules if rule.covers(path)), None)


def test_the_last_annotation_wins_and_a_star_stays_in_its_folder() -> None:
    rules = reuse_rules(REUSE, "")
    assert says(rules, "lib.rs") == "MIT OR Apache-2.0"
    assert says(rules, "src/lib.rs") == "ISC AND Zlib"
    assert says(rules, "src/a/lib.rs") == "MIT OR Apache-2.0"
    assert says(rules, "src/odd*name.rs") == "ISC AND Zlib"
    assert says(rules, "src/quiet.rs") == "ISC AND Zlib"  # an annotation without a licence


def test_vendored_folders_are_covered_only_when_named() -> None:
    rules = reuse_rules(REUSE, "")
    assert says(rules, "vendor/png/src/lib.rs") == "BSD-3-Clause"
    assert says(rules, "vendor/zlib/src/lib.rs") is None
    assert says(debian_rules(COPYRIGHT, ""), "third_party/zlib.rs") is None


def test_rules_hold_below_their_folder() -> None:
    rules = reuse_rules(REUSE, "inner")
    assert says(rules, "inner/src/lib.rs") == "ISC AND Zlib"
    assert says(rules, "src/lib.rs") is None
    assert says(rules, "inner2/src/lib.rs") is None


@pytest.mark.parametrize(
    "text", ["", "annotations = 1", "annotations = [1]", "[[annotations]]", "not toml"]
)
def test_what_is_no_annotation_says_nothing(text: str) -> None:
    assert reuse_rules(text, "") == ()


def test_debian_copyright_knows_exceptions_by_file() -> None:
    rules = debian_rules(COPYRIGHT, "thing-1.0")
    assert says(rules, "thing-1.0/src/lib.rs") == "MIT OR Apache-2.0"
    assert says(rules, "thing-1.0/src/gnu.rs") == "GPL-2.0-or-later"
    assert says(rules, "thing-1.0/src/other/deep/x.rs") == "GPL-2.0-or-later"
    assert says(rules, "thing-1.0/src/public.rs") == "public-domain"


def test_a_licence_of_everything_that_spdx_lacks_leaves_it_to_the_crate() -> None:
    odd = "Files: *\nLicense: Unicode-data\n\nFiles: src/x.rs\nLicense: MIT\n"
    rules = debian_rules(odd, "")
    assert says(rules, "src/lib.rs") is None
    assert says(rules, "src/x.rs") == "MIT"


def test_free_text_says_nothing() -> None:
    assert debian_rules("This package was made by me.\n\nIt is under the MIT license.\n", "") == ()


def test_dep5_uses_spdx_names() -> None:
    rules = dep5_rules("Files: src/*\nCopyright: me\nLicense: MIT OR Apache-2.0\n", "")
    assert says(rules, "src/deep/lib.rs") == "MIT OR Apache-2.0"
    assert rules[0].licence.place == ".reuse/dep5"


@pytest.mark.parametrize(
    ("debian", "spdx"),
    [
        ("Expat", "MIT"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("GPL-2+ or Expat, and Zlib", "(GPL-2.0-or-later OR MIT) AND Zlib"),
        ("Apache-2.0 with LLVM exception", "Apache-2.0 WITH LLVM-exception"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("AGPL-3", "AGPL-3.0-only"),
        ("CC0", "CC0-1.0"),
        ("GPL-2+ with OpenSSL exception", "GPL-2+ with OpenSSL exception"),
        ("public-domain", "public-domain"),
    ],
)
def test_short_names_of_debian(debian: str, spdx: str) -> None:
    assert spdx_of_debian(debian) == spdx


@given(st.text(), st.text())
def test_any_text_can_be_parsed(text: str, path: str) -> None:
    for parse in (reuse_rules, debian_rules, dep5_rules):
        for rule in parse(text, ""):
            rule.covers(path)
    for glob in (text.replace("'", "").replace("\n", ""),):
        for rule in debian_rules(f"Files: {glob}\nLicense: MIT\n", ""):
            rule.covers(path)
