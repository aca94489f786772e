"""The statistics of a dataset: complete in both forms, and whatever a manifest holds stays text."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from m31r_data.report import html_report, tables

MANIFEST = {
    "documents": {"train": 90, "valid": 6, "test": 4},
    "tokens": {"train": 90_000, "valid": 6_000, "test": 4_000},
    "text_bytes": {"train": 320_000, "valid": 20_000, "test": 15_000},
    "funnel": [
        {"step": "read", "files": 150, "bytes": 800_000, "tokens": 230_000},
        {"step": "licence", "files": 120, "bytes": 600_000, "tokens": 180_000},
        {"step": "near-duplicates", "files": 100, "bytes": 355_000, "tokens": 100_000},
    ],
    "dropped": {
        "licence unknown": {
            "files": 30,
            "bytes": 200_000,
            "tokens": 50_000,
            "examples": [{"package": "odd", "path": "src/<a>.rs", "head": 'let a = "<b>&";'}],
        },
        "near-duplicate": {"files": 20, "bytes": 245_000, "tokens": 80_000, "examples": []},
    },
    "licences": {"MIT OR Apache-2.0": 70, "MIT": 30},
    "sets": {"code": {"train": 90_000}, "repair": {"train": 12_345}},
    "masked": {"mail address": 17},
    "compiles": {"yes": 80, "no": 5, "unknown": 15},
    "token_lengths": {"256": 40, "512": 60},
}


class Page(HTMLParser):
    """What a browser would see: elements in the order in which they open and close, and text."""

    VOID = frozenset({"meta"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        if tag not in self.VOID and not (self.get_starttag_text() or "").endswith("/>"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def printed(manifest: dict[str, Any]) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(*tables(manifest))
    return capture.get()


def test_both_forms_tell_all_numbers() -> None:
    page, terminal = Page(html_report(MANIFEST)).text, printed(MANIFEST)
    for number in ("150", "800,000", "355,000", "100,000", "30", "245,000", "12,345", "17", "80"):
        assert number in page
        assert number in terminal
    for name in ("licence unknown", "near-duplicates", "MIT OR Apache-2.0", "mail address"):
        assert name in page
        assert name in terminal
    assert "60.0%" in terminal, "30 of the 50 files that were left out"
    assert "30 (60.0%)" in page


def test_examples_are_shown_as_they_are() -> None:
    page = Page(html_report(MANIFEST))
    assert 'let a = "<b>&";' in page.text
    assert "odd src/<a>.rs" in page.text
    assert [tag for tag, _ in page.tags].count("b") == 3, "those of the summary"


def test_the_page_needs_nothing_and_is_told_to_screen_readers() -> None:
    source = html_report(MANIFEST)
    page = Page(source)
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in page.tags}
    assert "http://" not in source
    assert "https://" not in source
    for tag, attributes in page.tags:
        assert tag != "svg" or {"role", "aria-label"} <= set(attributes)
        assert not any(name.startswith("on") for name in attributes)
    assert "prefers-color-scheme: dark" in source
    assert html_report(MANIFEST) == source


def test_a_chart_draws_what_is_left_and_what_went() -> None:
    source = html_report({"funnel": MANIFEST["funnel"]})
    assert 'width="430.0"' in source, "the first step is as wide as there is room"
    assert f'width="{430 * 355_000 / 800_000:.1f}"' in source
    assert f'width="{430 * 245_000 / 800_000:.1f}"' in source


def test_missing_keys_leave_out_their_sections() -> None:
    assert tables({}) == []
    assert "holds no statistics" in Page(html_report({})).text
    for key in MANIFEST:
        rest = {name: value for name, value in MANIFEST.items() if name != key}
        assert len(tables(rest)) <= len(tables(MANIFEST))
        Page(html_report(rest))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(MANIFEST)), JUNK))
def test_values_of_another_shape_break_nothing(manifest: dict[str, Any]) -> None:
    Page(html_report(manifest)).text.encode()
    printed(manifest)


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters() | st.sampled_from("<>&\"'[]\\/$")))
def test_any_text_of_a_manifest_stays_text(text: str) -> None:
    def with_text(value: object) -> Any:
        if isinstance(value, dict):
            return {
                key if key in KEYS else f"{key}{text}": with_text(each)
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [with_text(each) for each in value]
        return f"{value}{text}" if isinstance(value, str) else value

    plain, other = Page(html_report(MANIFEST)), Page(html_report(with_text(MANIFEST)))
    assert other.tags == plain.tags, "no element or attribute came of it"
    printed(with_text(MANIFEST))


KEYS = {*MANIFEST, "step", "files", "bytes", "tokens", "examples", "package", "path", "head"}


def test_a_manifest_from_json_is_told_the_same() -> None:
    assert html_report(json.loads(json.dumps(MANIFEST))) == html_report(MANIFEST)
