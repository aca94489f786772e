"""The m31r-lsp command: the server, and the commands around it."""

from __future__ import annotations

import argparse
import gc
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from m31r_core.cli import command_parser, run

_SWITCH_S = 0.0005
_LEVELS = ("debug", "info", "warning", "error")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    return run(_dispatch, _parser(), argv)


def _dispatch(arguments: argparse.Namespace) -> int:
    # Imported only where needed: a server must not wait for rich, nor `complete` for pygls.
    if arguments.command == "doctor":
        from m31r_lsp.doctor import doctor

        return doctor(arguments.model)
    if arguments.command == "complete":
        from m31r_lsp.complete import complete

        return complete(
            arguments.where, arguments.model, as_json=arguments.json, verify=arguments.verify
        )
    if arguments.command == "fix":
        from m31r_lsp.fix import fix

        return fix(
            arguments.path,
            arguments.model,
            apply=arguments.apply,
            as_json=arguments.json,
            deadline_s=arguments.deadline,
            allow=arguments.allow,
        )
    if arguments.command == "demo":
        from m31r_lsp.demo import demo

        return demo(arguments.model)
    if arguments.command == "stats":
        from m31r_lsp.stats import stats

        return stats(as_json=arguments.json, reset=arguments.reset)
    if arguments.command == "schema":
        from m31r_lsp.schema import print_schema

        return print_schema()
    return _serve(arguments)


def _serve(arguments: argparse.Namespace) -> int:
    _log_to(arguments.log_file, arguments.log_level)
    # The protocol is a thousand classes: looking for garbage among them while they are made takes
    # a tenth of the start, and later a pause in the middle of typing.
    gc.disable()
    from m31r_lsp.server import create_server

    # Messages must not wait for the thread that prepares a prompt: 5 ms at a time by default.
    sys.setswitchinterval(_SWITCH_S)
    server = create_server(arguments.model)
    gc.freeze()
    gc.enable()
    try:
        if arguments.tcp:
            server.serve_tcp(*arguments.tcp)
        elif arguments.ws:
            server.serve_ws(*arguments.ws)
        else:
            # The thread that reads stdin cannot be woken: let Ctrl-C end the process.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            server.start_io()
    finally:
        server.close_threads()
    return 0 if server.asked_to_exit else 1


def _log_to(file: Path | None, level: str) -> None:
    logging.basicConfig(
        filename=file,
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        encoding="utf-8" if file else None,
        errors="backslashreplace" if file else None,
    )
    # pygls logs whole messages, with the user's text in them, and a traceback where we have a line.
    traces = logging.ERROR if level == "debug" else logging.CRITICAL
    logging.getLogger("pygls").setLevel(traces)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "m31r-lsp",
        "A language server that completes Rust with a local model. Without a command it serves "
        "an editor.",
        "m31r-lsp --stdio --log-file /tmp/m31r.log --log-level debug",
    )
    parser.set_defaults(command=None)
    parser.add_argument("--model", type=Path, metavar="DIR", help="the model bundle to use")
    transport = parser.add_mutually_exclusive_group()
    transport.add_argument(
        "--stdio", action="store_true", help="talk over stdin and stdout (default)"
    )
    transport.add_argument(
        "--tcp", type=_address, metavar="HOST:PORT", help="serve one client over TCP"
    )
    transport.add_argument(
        "--ws", type=_address, metavar="HOST:PORT", help="serve one client over WebSocket"
    )
    parser.add_argument("--log-file", type=Path, metavar="F", help="write the log to F, not stderr")
    parser.add_argument(
        "--log-level", choices=_LEVELS, default="warning", metavar="L", help=", ".join(_LEVELS)
    )
    # Some editors' client libraries add it on their own.
    parser.add_argument("--clientProcessId", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(metavar="COMMAND")
    _command(commands, "doctor", "say what works here and how to mend what does not")
    complete = _command(
        commands,
        "complete",
        "print the ghost text of a place in a file",
        "src/main.rs:12:9 --json --verify",
    )
    complete.add_argument("where", metavar="FILE:LINE:COL", help="line and column count from 1")
    complete.add_argument("--json", action="store_true", help="print one JSON object")
    complete.add_argument(
        "--verify",
        action="store_true",
        help="say whether cargo check finds a new error (runs the crate's build scripts)",
    )
    fix = _command(
        commands,
        "fix",
        "repair the errors of a crate and show the change as a diff; every change is accepted\nby "
        "rustc first. Runs the build scripts and macros of the crate, as cargo check does",
        "path/to/crate --apply",
    )
    fix.add_argument(
        "path", type=Path, nargs="?", default=Path(), metavar="PATH", help="the crate (default: .)"
    )
    fix.add_argument("--apply", action="store_true", help="write the change; without it none is")
    fix.add_argument("--json", action="store_true", help="print one JSON object")
    fix.add_argument(
        "--deadline", type=float, default=60.0, metavar="S", help="seconds to search (default: 60)"
    )
    fix.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="CAUTION",
        help="accept repairs that are marked, such as 'deletes code', or all of them; repeatable",
    )
    _command(commands, "demo", "complete five places of a small crate and time each")
    stats = _command(commands, "stats", "say how many suggestions were shown, taken and kept")
    stats.add_argument("--json", action="store_true", help="print one JSON object")
    stats.add_argument("--reset", action="store_true", help="forget all of it instead")
    _command(commands, "schema", "print the JSON schema of the settings")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    does: str,
    example: str = "",
) -> argparse.ArgumentParser:
    base = command_parser(f"m31r-lsp {name}", "", "")
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=does,
        description=f"{does[0].upper()}{does[1:]}.",
        epilog=f"example:\n  m31r-lsp {name} {example}".rstrip(),
        formatter_class=base.formatter_class,
    )
    parser.set_defaults(command=name)
    # An option left out here must not undo the one given before the command.
    parser.add_argument(
        "--model", type=Path, metavar="DIR", default=argparse.SUPPRESS, help="the bundle to use"
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an error",
    )
    version = next(a for a in base._actions if isinstance(a, argparse._VersionAction)).version
    parser.add_argument("--version", action="version", version=str(version))
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text}: write it as HOST:PORT")
    return host.strip("[]"), int(port)


if __name__ == "__main__":
    sys.exit(main())
