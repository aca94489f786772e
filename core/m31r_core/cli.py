"""What the three commands share: `--version`, `--debug`, one-line errors and exit codes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version

from m31r_core.errors import ConfigError, M31RError

Handler = Callable[[argparse.Namespace], int | None]
Commands = argparse._SubParsersAction  # argparse has no public name for it


def command_parser(prog: str, description: str, example: str) -> argparse.ArgumentParser:
    """Return a parser with `--version` and `--debug`; `example` ends its help."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{prog} {version('m31r')}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def add_command(
    commands: Commands[argparse.ArgumentParser],
    name: str,
    summary: str,
    example: str,
    handler: Handler | None = None,
) -> argparse.ArgumentParser:
    """Return the parser of a new subcommand; `example` ends its help.

    With a `handler`, the parsed arguments carry it under that name.
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # Suppressed, so that leaving it out here does not undo one given before the command.
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an error",
    )
    if handler is not None:
        parser.set_defaults(handler=handler)
    return parser


def run(main: Handler, parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> int:
    """Parse `argv`, call `main` with the result and return the exit code.

    0 the work is done, 1 it failed, 2 wrong use or configuration, 130 interrupted. An M31RError
    or OSError becomes one line on stderr; every other exception is a bug, and keeps its traceback.
    """
    arguments = parser.parse_args(argv)
    try:
        return main(arguments) or 0
    except M31RError as error:
        if arguments.debug:
            raise
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        if arguments.debug or error.strerror is None:
            raise
        print(f"{parser.prog}: {error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        return 1
