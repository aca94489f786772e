"""Which licence decides: of a crate, and of a file in it."""

from __future__ import annotations

from m31r_data.licences import UNKNOWN, Licence, licence_of_crate, licence_of_file, rules_of_folder
from m31r_data.readers.archive import MemoryTree
from tests.data.licences.test_texts import APACHE, MIT

PACKAGE = '[package]\nname = "a"\nversion = "1.0.0"\n'


def licence(files: dict[str, str], folder: str = "", *, one_project: bool = True) -> Licence:
    tree = MemoryTree({path: text.encode() for path, text in files.items()})
    return licence_of_crate(tree, folder, one_project=one_project)


def test_cargo_toml_speaks_for_its_crate() -> None:
    assert licence({"Cargo.toml": f'{PACKAGE}license = "mit/isc"'}) == Licence(
        "MIT OR ISC", "Cargo.toml"
    )
    # What it says wrongly is not mended by a text beside it.
    assert licence({"Cargo.toml": f'{PACKAGE}license = "BSD3"', "LICENSE": MIT}) == Licence(
        "BSD3", "Cargo.toml"
    )


def test_the_workspace_is_inherited() -> None:
    files = {
        "Cargo.toml": '[workspace.package]\nlicense = "ISC"\n',
        "crates/a/Cargo.toml": f"{PACKAGE}license.workspace = true\n",
        "vendor/b/Cargo.toml": f"{PACKAGE}license.workspace = true\n",
    }
    assert licence(files, "crates/a") == Licence("ISC", "workspace")
    assert licence(files, "vendor/b") == UNKNOWN


def test_a_crate_may_name_its_workspace() -> None:
    files = {
        "root/Cargo.toml": '[workspace.package]\nlicense = "ISC"\n',
        "a/Cargo.toml": f'{PACKAGE}workspace = "../root"\nlicense.workspace = true\n',
    }
    assert licence(files, "a") == UNKNOWN  # not above it
    files["root/a/Cargo.toml"] = f'{PACKAGE}workspace = ".."\nlicense.workspace = true\n'
    assert licence(files, "root/a") == Licence("ISC", "workspace")


def test_license_file_is_read() -> None:
    named = f'{PACKAGE}license-file = "../legal/LICENSE.md"\n'
    assert licence({"a/Cargo.toml": named, "legal/LICENSE.md": MIT}, "a") == Licence(
        "MIT", "license-file"
    )
    assert licence({"a/Cargo.toml": named, "a/LICENSE": MIT}, "a") == UNKNOWN
    shared = {
        "Cargo.toml": '[workspace.package]\nlicense-file = "LICENSE"\n',
        "LICENSE": MIT,
        "a/Cargo.toml": f"{PACKAGE}license-file.workspace = true\n",
    }
    assert licence(shared, "a") == Licence("MIT", "license-file")


def test_several_licence_files_all_hold_and_one_unknown_refuses_all() -> None:
    files = {"Cargo.toml": PACKAGE, "LICENSE-MIT": MIT, "LICENSE-APACHE": APACHE}
    assert licence(files) == Licence("Apache-2.0 AND MIT", "licence file")
    assert licence({**files, "COPYING": "Ask me first."}) == UNKNOWN
    assert licence({**files, "src/license.rs": "mod x;"}) == licence(files)


def test_texts_above_hold_in_a_workspace_or_project_only() -> None:
    files = {"LICENSE": MIT, "a/Cargo.toml": PACKAGE, "vendor/b/Cargo.toml": PACKAGE}
    assert licence(files, "a") == Licence("MIT", "licence file")
    assert licence(files, "a", one_project=False) == UNKNOWN
    files["Cargo.toml"] = "[workspace]\n"
    assert licence(files, "a", one_project=False) == Licence("MIT", "licence file")
    assert licence(files, "vendor/b") == UNKNOWN
    files["vendor/b/LICENSE"] = APACHE
    assert licence(files, "vendor/b") == Licence("Apache-2.0", "licence file")


def test_a_manifest_that_is_no_toml_has_no_licence() -> None:
    assert licence({"Cargo.toml": "[package", "LICENSE": MIT}) == UNKNOWN
    deep = "[" * 100_000
    assert licence({"Cargo.toml": f"a = {deep}", "LICENSE": MIT}) == UNKNOWN


CRATE = Licence("MIT", "Cargo.toml")
REUSE = """version = 1
[[annotations]]
path = "**"
SPDX-License-Identifier = "ISC"
"""


def of_file(text: str, path: str, files: dict[str, str]) -> Licence:
    tree = MemoryTree({name: content.encode() for name, content in files.items()})
    return licence_of_file(text, path, CRATE, "", rules_of_folder(tree, ""))


def test_header_before_annotation_before_debian_before_crate() -> None:
    debian = {"debian/copyright": "Files: *\nLicense: Zlib\n"}
    reuse = {"REUSE.toml": REUSE}
    header = "// SPDX-License-Identifier: Unlicense\n"
    assert of_file("", "src/lib.rs", {}) == CRATE
    assert of_file("", "src/lib.rs", debian) == Licence("Zlib", "debian/copyright")
    assert of_file("", "src/lib.rs", {**debian, **reuse}) == Licence("ISC", "REUSE.toml")
    assert of_file(header, "src/lib.rs", {**debian, **reuse}) == Licence("Unlicense", "SPDX header")


def test_a_header_in_a_string_is_none() -> None:
    text = 'const X: &str = "\n// SPDX-License-Identifier: GPL-3.0\n";\n'
    assert of_file(text, "src/lib.rs", {}) == CRATE


def test_a_snippet_of_others_holds_beside_the_file() -> None:
    text = "fn f() {}\n// SPDX-License-Identifier: GPL-3.0-only\nfn g() {}\n"
    assert of_file(text, "src/lib.rs", {}) == Licence(
        "MIT AND GPL-3.0-only", "Cargo.toml and SPDX tag"
    )
    assert licence_of_file(text.replace("GPL-3.0-only", "MIT"), "a.rs", UNKNOWN, "") == UNKNOWN


def test_an_override_cannot_take_a_header_back() -> None:
    reuse = {"REUSE.toml": REUSE.replace('path = "**"', 'path = "**"\nprecedence = "override"')}
    text = "// SPDX-License-Identifier: GPL-3.0-only\n"
    assert of_file(text, "src/lib.rs", reuse).expression == "GPL-3.0-only AND ISC"


def test_vendored_files_do_not_take_the_licence_of_the_crate() -> None:
    assert of_file("", "src/third_party/png.rs", {}) == UNKNOWN
    assert of_file("", "src/third_party.rs", {}) == CRATE
    header = "// SPDX-License-Identifier: ISC\n"
    assert of_file(header, "vendor/png.rs", {}) == Licence("ISC", "SPDX header")
