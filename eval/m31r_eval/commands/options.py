"""Options that several subcommands have, and what is made of them."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from m31r_core.cargo.sandbox import Limits, Sandbox, find_sandbox
from m31r_core.cargo.toolchain import Toolchain, find_toolchain
from m31r_core.config import from_mapping, load_toml
from m31r_core.errors import ConfigError
from m31r_eval.contestants import Contestants
from m31r_eval.crates import CratePool, unpack
from m31r_eval.models import parse_model
from m31r_eval.settings import Settings
from m31r_eval.tasks import Task, TaskFile

T = TypeVar("T")
TaskT = TypeVar("TaskT", bound=Task)

MODELS = "DIR, gguf:FILE, hf:DIR, ngram:FILE, copy, reference or empty"


def positive(text: str) -> int:
    """Return the number, for argparse; below 1 is wrong use."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def add_settings(command: argparse.ArgumentParser) -> None:
    """Add what changes settings."""
    command.add_argument("--config", type=Path, metavar="FILE", help="as configs/eval/*.toml")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Return the settings. Raises ConfigError naming file and key."""
    if arguments.set and not arguments.config:
        raise ConfigError("--set changes keys of a configuration; name it with --config")
    return load_toml(arguments.config, Settings, arguments.set)


def changed(settings: T, **values: Any) -> T:
    """Return the settings with the values that are not None. Raises ConfigError as a file does."""
    given = {name: value for name, value in values.items() if value is not None}
    return from_mapping({**asdict(settings), **given}, type(settings), "--")  # type: ignore[call-overload]


def add_run(command: argparse.ArgumentParser, *, models: bool = True) -> None:
    """Add what every run over a task file has."""
    command.add_argument("tasks", type=Path, metavar="TASKS.jsonl", help="may be packed as .xz")
    if models:
        command.add_argument(
            "--model", metavar="MODEL", help=f"{MODELS}; default: the bundle that ships"
        )
        command.add_argument(
            "--beside",
            action="append",
            default=[],
            metavar="MODEL",
            help="another model in the same table; may be given again",
        )
        command.add_argument("--threads", type=positive, metavar="N", help="of one model")
    command.add_argument("--out", type=Path, metavar="DIR", required=True)
    command.add_argument("--limit", type=positive, metavar="N", help="only the first N tasks")
    command.add_argument("--seed", type=int, default=0, metavar="S")
    command.add_argument(
        "--workers", type=positive, metavar="N", help="tasks at the same time; default: one a core"
    )
    add_settings(command)


def workers_of(arguments: argparse.Namespace) -> int:
    """Return how many processes work."""
    if arguments.workers is not None:
        return int(arguments.workers)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def contestants_of(arguments: argparse.Namespace, settings: Settings) -> Contestants:
    """Return the models that were asked for; with several workers one thread each."""
    threads = arguments.threads or (1 if workers_of(arguments) > 1 else None)
    beside = tuple(parse_model(each) for each in arguments.beside)
    return Contestants(parse_model(arguments.model), beside, threads, settings.ngram)


def add_crates(command: argparse.ArgumentParser) -> None:
    """Add where real crates are."""
    command.add_argument(
        "--crates",
        type=Path,
        metavar="SOURCE",
        help="a directory source of cargo, or a .tar.xz of one",
    )
    command.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="where crates are built, to be used again; default: a temporary folder",
    )


def add_only(command: argparse.ArgumentParser) -> None:
    """Add which crates' tasks are run."""
    command.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="CRATE",
        help="only tasks in this folder of the source; may be given again",
    )


def chosen_tasks(
    task_file: TaskFile[TaskT], arguments: argparse.Namespace, crate: Callable[[TaskT], str | None]
) -> TaskFile[TaskT]:
    """Return the first `--limit` tasks of the crates `--only`; all crates where none is named.

    Raises ConfigError where none is left.
    """
    tasks = [
        task for task in task_file.tasks if not arguments.only or crate(task) in arguments.only
    ]
    if not tasks:
        raise ConfigError(f"{arguments.tasks}: no task is in {', '.join(arguments.only)}")
    return replace(task_file, tasks=tuple(tasks[: arguments.limit]))


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a temporary folder that the sandbox's user can reach into."""
    with tempfile.TemporaryDirectory(prefix="m31r-eval-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def crate_pool(arguments: argparse.Namespace, settings: Settings) -> Iterator[CratePool]:
    """Yield the crates of `--crates`, unpacked. Raises ConfigError where it is not given."""
    if arguments.crates is None:
        raise ConfigError("these tasks need real crates; say where they are with --crates")
    check = settings.check
    toolchain = find_toolchain()
    limits = Limits(
        wall_s=check.prepare_s,
        cpu_s=max(1, round(check.prepare_s)),
        memory_mb=check.memory_mb,
        total_memory_mb=check.memory_mb,
        disk_mb=2_048,
        output_mb=32,
    )
    sandbox = find_sandbox(limits, toolchain=toolchain.sysroot, require=True)
    with scratch() as folder:
        work = (arguments.work or folder / "work").resolve()
        work.mkdir(parents=True, exist_ok=True, mode=0o755)
        source = unpack(arguments.crates, work)
        yield CratePool(source.resolve(), work, sandbox, toolchain, check.prepare_s)


def program_sandbox(memory_mb: int, processes: int) -> tuple[Sandbox, Toolchain]:
    """Return where programs run. Raises SandboxError without walls."""
    toolchain = find_toolchain()
    limits = Limits(memory_mb=memory_mb, processes=processes)
    return find_sandbox(limits, toolchain=toolchain.sysroot, require=True), toolchain
