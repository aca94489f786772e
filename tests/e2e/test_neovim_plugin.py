"""The Neovim plugin's commands, health check, help and ways to set it up."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.editors import REPOSITORY, environment, until
from tests.e2e.neovim import VERSIONS, Neovim, neovim, program

pytestmark = pytest.mark.e2e

PLUGIN = REPOSITORY / "editors" / "neovim"
MESSAGES = "return vim.fn.execute('messages')"
STATUS = "return require('m31r').status()"
COMMANDS = ["clear", "doctor", "fix", "fixall", "log", "restart", "stats", "status", "toggle"]


@pytest.fixture(params=VERSIONS)
def editor(request: pytest.FixtureRequest, tmp_path: Path, bundle_path: Path) -> Iterator[Neovim]:
    crate = tmp_path / "crate"
    shutil.copytree(REPOSITORY / "examples", crate, ignore=shutil.ignore_patterns("target"))
    file = crate / "src" / "lib.rs"
    settings = {"completion": {"min_confidence": 0}}
    with neovim(tmp_path, file, bundle_path, settings, version=request.param) as started:
        assert until(lambda: started.lua(STATUS) == "M31R", 30), started.lua(STATUS)
        yield started


def says(editor: Neovim, command: str, *texts: str) -> None:
    """Give a command and wait until all `texts` are in the messages."""
    editor.keys(f":messages clear<CR>:{command}<CR>")
    told = until(lambda: all(text in editor.lua(MESSAGES) for text in texts), 20)
    assert told, editor.lua(MESSAGES)
    editor.keys("<CR>")


def test_the_command(editor: Neovim, tmp_path: Path) -> None:
    assert editor.lua("return vim.fn.getcompletion('M31R ', 'cmdline')") == COMMANDS
    assert editor.lua("return vim.fn.getcompletion('M31R st', 'cmdline')") == ["stats", "status"]
    says(editor, "M31R", "is ready", "model: ", str(tmp_path / "crate"), "0 accepted")
    says(editor, "M31R toggle", "ghost text is off")
    assert until(lambda: editor.lua(STATUS) == "M31R off", 5), editor.lua(STATUS)
    says(editor, "M31R toggle", "ghost text is on")
    assert until(lambda: editor.lua(STATUS) == "M31R", 5), editor.lua(STATUS)
    says(editor, "M31R clear", "forgotten")
    says(editor, "M31R stats", "nothing was shown yet")
    says(editor, "M31R nonsense", "takes one of clear, doctor")
    says(editor, "M31R restart", "started again")
    assert until(lambda: editor.lua(STATUS) == "M31R", 30), editor.lua(STATUS)
    editor.keys(":M31R log<CR>")
    log = str(tmp_path / "server.log")
    name = "return vim.api.nvim_buf_get_name(0)"
    assert until(lambda: editor.lua(name) == log, 5), (editor.lua(name), editor.lua(MESSAGES))


def test_the_health_check_finds_nothing_wrong(editor: Neovim) -> None:
    editor.lua("vim.cmd('checkhealth m31r')")
    report = "\n".join(editor.buffer())
    assert "ERROR" not in report, report
    assert f"Neovim {editor.version}" in report
    assert "1 buffer(s): ready" in report
    assert "checksums right" in report
    assert "accept: <Tab>; without a suggestion: vim.snippet.jump" in report


def test_the_health_check_names_what_is_wrong(editor: Neovim) -> None:
    editor.lua("vim.keymap.set('i', '<Tab>', 'x', { buffer = true, desc = 'another plugin' })")
    editor.lua("require('m31r').options.cmd = { 'no-such-server' } vim.cmd('checkhealth m31r')")
    report = "\n".join(editor.buffer())
    assert "ERROR no-such-server is not found" in report
    assert "accept: <Tab> was mapped after M31R: another plugin" in report


def run(version: str, home: Path, *commands: str) -> str:
    """What a Neovim with init.lua in `home` prints for Ex commands."""
    words = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(
        [
            program(version),
            "--headless",
            "-i",
            "NONE",
            "-u",
            str(home / "init.lua"),
            *words,
            "-c",
            "qa!",
        ],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_as_a_package_with_its_help(version: str, tmp_path: Path) -> None:
    start = tmp_path / "data" / "nvim" / "site" / "pack" / "m31r" / "start"
    start.mkdir(parents=True)
    shutil.copytree(PLUGIN, start / "m31r")
    (tmp_path / "init.lua").write_text("require('m31r').setup({ cmd = { 'no-such-server' } })\n")
    text = (PLUGIN / "doc" / "m31r.txt").read_text("utf-8")
    tags = re.findall(r"\*([\w:.()-]+)\*", text)
    assert {"m31r", ":M31R", ":M31RFix", "m31r.setup()", "m31r-keys"} <= set(tags)
    assert set(re.findall(r"\|(:?[mM]31[\w:.()-]+)\|", text)) <= set(tags)
    told = run(
        version,
        tmp_path,
        "helptags ALL",
        f"for tag in {tags} | execute 'help' tag | endfor",
        "echo expand('%:t') exists(':M31R') exists(':M31RFix') maparg('<Tab>', 'i')",
        "highlight M31RGhost",
        "M31R status",
    )
    assert "m31r.txt 2 2" in told, told
    assert ("ComplHint" if version == "0.12" else "Comment") in told
    assert "no server runs" in told
    assert not re.search(r"\bE\d+:|Error", told), told


def test_with_vim_pack(tmp_path: Path) -> None:
    clone = tmp_path / "m31r"
    shutil.copytree(PLUGIN, clone / "editors" / "neovim")
    git = ["git", "-C", str(clone), "-c", "user.name=m31r", "-c", "user.email=m31r@localhost"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], env=environment(tmp_path), check=True)
    readme = (PLUGIN / "README.md").read_text("utf-8")
    block = next(each for each in readme.split("```") if "vim.pack.add" in each)
    # The same without the question whether it may be installed.
    lua = block.removeprefix("lua\n").replace(
        "name = 'm31r' } }", "name = 'm31r' } }, { confirm = false }"
    )
    (tmp_path / "init.lua").write_text(lua)
    told = run("0.12", tmp_path, "helptags ALL", "help :M31R", "echo expand('%:t')")
    assert "m31r.txt" in told, told
    assert not re.search(r"\bE\d+:", told), told
