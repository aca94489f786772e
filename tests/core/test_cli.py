"""Errors become one line and an exit code; bugs keep their traceback."""

from __future__ import annotations

import argparse

import pytest

from m31r_core.cli import add_command, command_parser, run
from m31r_core.errors import ConfigError, M31RError


def exit_code(error: BaseException, *argv: str) -> int:
    def fail(arguments: argparse.Namespace) -> int:
        raise error

    return run(fail, command_parser("prog", "Does it.", "prog it"), argv)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (M31RError("it broke"), 1, "prog: it broke\n"),
        (ConfigError("wrong key"), 2, "prog: wrong key\n"),
        (FileNotFoundError(2, "No such file", "a/b"), 1, "prog: a/b: No such file\n"),
        (KeyboardInterrupt(), 130, "prog: interrupted\n"),
    ],
)
def test_an_error_is_one_line(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(error) == code
    assert capsys.readouterr().err == line


def test_debug_shows_the_traceback_and_bugs_always_do() -> None:
    with pytest.raises(M31RError):
        exit_code(M31RError("it broke"), "--debug")
    with pytest.raises(ZeroDivisionError):
        exit_code(ZeroDivisionError())


def test_debug_counts_before_and_behind_a_subcommand() -> None:
    parser = command_parser("prog", "Does it.", "prog it")
    commands = parser.add_subparsers()
    add_command(commands, "it", "Does it.", "prog it", lambda arguments: 0)
    for argv in (["--debug", "it"], ["it", "--debug"]):
        assert parser.parse_args(argv).debug
    assert not parser.parse_args(["it"]).debug


def test_success_is_zero() -> None:
    assert run(lambda arguments: None, command_parser("prog", "", ""), []) == 0
