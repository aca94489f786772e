"""Settings from the editor and the workspace, laid over the defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from m31r_core.errors import ConfigError
from m31r_lsp.settings import Settings, editor_section, resolve, workspace_section


def test_later_sources_win_and_defaults_stay() -> None:
    editor = {"threads": 1, "completion": {"max_new_tokens": 9, "in_comments": True}}
    settings, refusals = resolve(
        {"editor": editor, "m31r.toml": {"completion": {"max_new_tokens": 7}}}
    )
    assert refusals == []
    assert (settings.threads, settings.completion.max_new_tokens) == (1, 7)
    assert settings.completion.in_comments
    assert not settings.completion.in_strings


def test_a_wrong_key_is_named_and_takes_no_other_with_it() -> None:
    source = {"completion": {"max_new_token": 7, "enabled": False}, "threads": "two"}
    settings, refusals = resolve({"editor": source})
    assert not settings.completion.enabled
    assert settings.threads is None
    assert "'completion.max_new_token'" in refusals[0]
    assert "'max_new_tokens'" in refusals[0]
    assert "'threads'" in refusals[1]


@pytest.mark.parametrize(
    "source",
    [
        {"completion": 3},
        {"completion": {"min_confidence": 2}},
        {"completion": {"max_new_tokens": 0}},
        {"threads": 0},
        {"check": {"on_save": "always"}},
        {"check": {"deadline_s": 0}},
        {"check": {"actions": 0}},
        {"check": {"rest_s": -1}},
        {"nonsense": {"deep": {"er": []}}},
    ],
)
def test_what_is_refused_changes_nothing(source: dict[str, object]) -> None:
    settings, refusals = resolve({"editor": source})
    assert settings == Settings()
    assert len(refusals) == 1


def test_what_is_compiled_and_when() -> None:
    settings, refusals = resolve(
        {"editor": {"check": {"on_save": "off"}}, "file": {"check": {"deadline_s": 3}}}
    )
    assert refusals == []
    assert (settings.check.on_save, settings.check.deadline_s) == ("off", 3.0)
    assert settings.check.completions


def test_what_editors_send() -> None:
    assert editor_section({"m31r": {"threads": 2}}) == {"threads": 2}
    assert editor_section({"threads": 2}) == {"threads": 2}
    assert editor_section({"rust-analyzer": {"cargo": {}}, "threads": 2}) == {"threads": 2}
    assert editor_section({"completion": {"enabled": False}}) == {"completion": {"enabled": False}}
    assert editor_section(None) == editor_section([]) == editor_section({"m31r": None}) == {}
    assert resolve({"editor": {"model": {"path": None}, "trusted": None}}) == (Settings(), [])


def test_the_file_in_the_workspace(tmp_path: Path) -> None:
    assert workspace_section(tmp_path) == {}
    (tmp_path / "m31r.toml").write_text("threads = 2\n")
    assert workspace_section(tmp_path) == {"threads": 2}
    (tmp_path / "m31r.toml").write_text("threads =")
    with pytest.raises(ConfigError, match=r"m31r\.toml"):
        workspace_section(tmp_path)
