"""Run what nobody vouches for, so that it can neither see, reach, change nor exhaust anything.

Everything that is not the user's own trusted workspace runs here: programs of an evaluation, build
scripts and procedural macros of a dataset. The walls are bubblewrap's (no network, a read-only
system, no home folder, its own processes and /tmp); the ceilings are those of `Limits`, held by
resource limits where the kernel has one and by watching where it has none. docs/repair.md says
which is which. Linux only; without bubblewrap only the ceilings are left, and a warning says so.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from m31r_core.cargo.bounded import Outcome, run_bounded
from m31r_core.cargo.watching import Ceiling
from m31r_core.errors import M31RError

logger = logging.getLogger(__name__)

INSTALL = "install it: apt-get install bubblewrap (Debian, Ubuntu), dnf install bubblewrap (Fedora)"
TMP = Path("/tmp")  # inside the sandbox, where nothing of the machine's /tmp is seen
_ROOT_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = ("/etc/ld.so.cache", "/etc/alternatives")
_FIRST_UID = 1 << 30


class SandboxError(M31RError):
    """There is no sandbox where one was demanded, or it could not be set up."""


@dataclass(frozen=True)
class Limits:
    """How much a command may take. Megabytes are 2**20 bytes.

    Held by the kernel: `cpu_s`, `memory_mb` (address space) and `file_mb` for each process,
    `processes` (threads count), `open_files`, `tmp_mb` for all of /tmp. Held by watching, about ten
    times a second: `total_memory_mb` (resident, all processes), `processes` once more, and
    `disk_mb` and `disk_files` in the writable folder. `wall_s` and `output_mb` are held by the
    process that reads its output.
    """

    wall_s: float = 60.0
    cpu_s: int = 120
    memory_mb: int = 4096
    total_memory_mb: int = 4096
    processes: int = 256
    open_files: int = 1024
    file_mb: int = 512
    tmp_mb: int = 256
    disk_mb: int = 1024
    disk_files: int = 50_000
    output_mb: int = 16

    def __post_init__(self) -> None:
        """Raise ValueError for a limit that lets nothing run."""
        for name, value in vars(self).items():
            if value <= 0:
                raise ValueError(f"{name} must be above 0")


def _fresh_uid() -> int:
    return _FIRST_UID + secrets.randbelow(1 << 29)


@dataclass(frozen=True)
class Sandbox:
    """A sandbox for one untrusted thing; `find_sandbox` makes one.

    `bwrap` is None where there are no walls. `flat` forbids namespaces of the command's own, in
    which it could mount file systems in memory; bubblewrap older than 0.8 cannot. `uid` is the user
    that commands run as when we are root, who is exempt from the limit on processes; nobody else
    has it, so that it counts only what runs here.
    """

    limits: Limits = field(default_factory=Limits)
    bwrap: Path | None = None
    toolchain: Path | None = None
    flat: bool = True
    uid: int = field(default_factory=_fresh_uid)

    @property
    def has_walls(self) -> bool:
        """Whether bubblewrap is there, and not only limits."""
        return self.bwrap is not None

    def fresh(self, limits: Limits | None = None) -> Sandbox:
        """Return a sandbox like this for another untrusted thing."""
        return replace(self, limits=limits or self.limits, uid=_fresh_uid())

    def wrap(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        read: Sequence[Path] = (),
        write: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Return the command line that runs `command` inside, in the folder `cwd`.

        All paths are the same inside and outside. Only /usr, the toolchain, `read` (files and
        folders) and `write` (one folder) are there; `write` is the only one that keeps what is
        written. The environment is cleared but for PATH, HOME and TMPDIR (both /tmp), LANG and
        `env`. As root, `write` is given to `uid`. Raises SandboxError when a path does not exist or
        others may not read it while we are root.
        """
        as_root = os.getuid() == 0 and self.has_walls
        environment = {**self.environment(), **(env or {})}
        for path in read:
            _must_be_readable(path, as_root)
        if write is not None and as_root:
            _give_away(write, self.uid)
        limited = [*self._limits(as_root, cwd), *command]
        if self.bwrap is None:
            return [*_oom_first(), *_cut_off(), "env", "-i", *_assignments(environment), *limited]
        inside = ["--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
        inside += ["--cap-drop", "ALL"]
        if as_root:
            # Not in a user namespace: root's processes are not counted in one either.
            inside.remove("--unshare-all")
            inside += [f"--unshare-{each}" for each in ("ipc", "pid", "net", "uts", "cgroup-try")]
            for name in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
                inside += ["--cap-add", name]
        elif self.flat:
            inside += ["--unshare-user", "--disable-userns"]
        inside += _system()
        size = str(self.limits.tmp_mb << 20)
        inside += ["--perms", "1777", "--size", size, "--tmpfs", str(TMP)]
        inside += ["--proc", "/proc", "--dev", "/dev"]
        for path in (*([self.toolchain] if self.toolchain else []), *read):
            inside += _bind("--ro-bind", path)
        if write is not None:
            inside += _bind("--bind", write)
        inside += ["--size", "65536", "--tmpfs", "/dev/shm", "--remount-ro", "/dev/shm"]
        inside += ["--remount-ro", "/dev", "--remount-ro", "/"]
        for name, value in environment.items():
            inside += ["--setenv", name, value]
        return [*_oom_first(), str(self.bwrap), *inside, "--chdir", str(cwd), "--", *limited]

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        read: Sequence[Path] = (),
        write: Path | None = None,
        env: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Outcome:
        """Run `command` as `wrap` says, for `seconds` (default and at most: `limits.wall_s`).

        Nothing of it is left when this returns. Raises SandboxError as `wrap`. What bubblewrap
        itself says on standard error raises nothing: the command could say the same.
        """
        limits = self.limits
        ceiling = Ceiling(
            processes=limits.processes,
            memory_bytes=limits.total_memory_mb << 20,
            folder=write,
            disk_bytes=limits.disk_mb << 20,
            disk_files=limits.disk_files,
        )
        outcome = run_bounded(
            self.wrap(command, cwd=cwd, read=read, write=write, env=env),
            cwd=Path("/") if self.has_walls else cwd,
            # Process 1 of the sandbox is bubblewrap, and its environment is there to be read.
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
            seconds=min(limits.wall_s, seconds or limits.wall_s),
            output_bytes=limits.output_mb << 20,
            watch=ceiling.met,
        )
        return _name_signal(outcome)

    def environment(self) -> dict[str, str]:
        """Return the variables that every command has."""
        own = [str(self.toolchain / "bin")] if self.toolchain else []
        path = os.pathsep.join([*own, "/usr/local/bin", "/usr/bin", "/bin"])
        return {"PATH": path, "HOME": str(TMP), "TMPDIR": str(TMP), "LANG": "C.UTF-8"}

    def _limits(self, as_root: bool, cwd: Path) -> list[str]:
        """The programs that take rights and resources away, then run the rest of the line."""
        limits = self.limits
        command: list[str] = []
        if as_root:
            user = str(self.uid)
            command += ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
            command += ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
            if self.flat:
                # What only a user namespace can forbid; nothing else changes in this one.
                command += [str(self.bwrap), "--unshare-user", "--disable-userns"]
                command += ["--dev-bind", "/", "/", "--chdir", str(cwd), "--"]
        command += [
            "prlimit",
            f"--cpu={limits.cpu_s}:{limits.cpu_s + 1}",
            f"--as={limits.memory_mb << 20}",
            f"--fsize={limits.file_mb << 20}",
            f"--nofile={limits.open_files}",
            "--core=0",
        ]
        processes = limits.processes
        if self.bwrap is None or not _counts_by_namespace():
            processes += _threads_of_user()
        return [*command, f"--nproc={processes}", "nice", "-n", "10"]


def find_sandbox(
    limits: Limits | None = None, *, toolchain: Path | None = None, require: bool = False
) -> Sandbox:
    """Return the best sandbox that this machine has, tried out; `toolchain` is a sysroot.

    Where bubblewrap is missing or does not work here, a warning is logged and the result only
    keeps `limits`; with `require`, SandboxError is raised instead. Without `prlimit` there is no
    sandbox at all: SandboxError.
    """
    limits = limits or Limits()
    for program in ("prlimit", "nice", "env", "sh", *(["setpriv"] if os.getuid() == 0 else [])):
        if shutil.which(program) is None:
            raise SandboxError(f"{program} not found; install util-linux and coreutils")
    problem = f"bubblewrap (bwrap) not found; {INSTALL}"
    if found := shutil.which("bwrap"):
        sandbox = Sandbox(limits, Path(found), toolchain)
        problem = _trial(sandbox)
        if not problem:
            return sandbox
        if not _trial(replace(sandbox, flat=False)):
            logger.warning("untrusted code can make namespaces of its own: %s", problem)
            return replace(sandbox, flat=False)
    if require:
        raise SandboxError(problem)
    logger.warning(
        "NO SANDBOX: untrusted code can read your files and %s; only time, memory and output are"
        " limited. Reason: %s",
        "has no network" if _cut_off() else "use the network",
        problem,
    )
    return Sandbox(limits, None, toolchain)


def _trial(sandbox: Sandbox) -> str:
    """Return why bubblewrap does not work here, the empty string where it does."""
    limits = replace(sandbox.limits, wall_s=20.0)
    try:
        outcome = replace(sandbox, limits=limits).run(["true"], cwd=Path("/"))
    except OSError as error:
        return f"bubblewrap does not work here: {error}"
    if outcome.ok:
        return ""
    said = outcome.stderr.decode(errors="replace").strip().splitlines()
    return f"bubblewrap does not work here: {said[0] if said else f'status {outcome.status}'}"


def _system() -> list[str]:
    """Bind the read-only system in the layout that the machine has."""
    binds = ["--ro-bind", "/usr", "/usr"]
    for name in _ROOT_LINKS:
        path = Path("/") / name
        if path.is_symlink():
            binds += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            binds += ["--ro-bind", str(path), str(path)]
    for name in _ETC:
        binds += _bind("--ro-bind-try", Path(name))
    return binds


def _bind(option: str, path: Path) -> list[str]:
    """Bind `path` where it is; the folders above it are new, empty and open to all."""
    above = [str(folder) for folder in reversed(path.parents) if folder not in (TMP, Path("/"))]
    return [*(word for folder in above for word in ("--dir", folder)), option, str(path), str(path)]


def _oom_first() -> list[str]:
    """Let the kernel take these processes first when memory runs out."""
    script = 'echo 1000 2>/dev/null >/proc/self/oom_score_adj; exec "$@"'
    return ["sh", "-c", script, "sandbox"]


def _cut_off() -> list[str]:
    """Take the network away without bubblewrap, where the kernel lets us."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return []
    command = [unshare, "--net", *([] if os.getuid() == 0 else ["--map-root-user"])]
    done = subprocess.run([*command, "true"], capture_output=True, timeout=20, check=False)
    return command if done.returncode == 0 else []


def _assignments(environment: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in environment.items()]


def _must_be_readable(path: Path, as_root: bool) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise SandboxError(f"{path}: {error.strerror}") from error
    needed = 0o5 if path.is_dir() else 0o4
    if as_root and mode & needed != needed:
        raise SandboxError(f"{path}: others may not read it; chmod o+rX it for the sandbox")


def _give_away(folder: Path, uid: int) -> None:
    """Make `folder` and what is in it belong to `uid`, links themselves and not their targets."""
    if folder.stat().st_uid == uid:
        return
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            with contextlib.suppress(FileNotFoundError):
                os.chown(os.path.join(parent, name), uid, uid, follow_symlinks=False)  # noqa: PTH118
    os.chown(folder, uid, uid)


def _counts_by_namespace() -> bool:
    """Whether the limit on processes counts those of a user namespace alone (Linux 5.14)."""
    if os.getuid() == 0:
        return True
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(filter(str.isdigit, minor)) or 0)) >= (5, 14)


def _threads_of_user() -> int:
    """Count the threads that the user has now."""
    count = 0
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry.stat().st_uid == os.getuid():
                count += len(list((entry / "task").iterdir()))
    return count


def _name_signal(outcome: Outcome) -> Outcome:
    """Say which limit a signal stands for; bubblewrap passes it on as 128 + its number."""
    signals = {24: "cpu time", 25: "file size"}
    number = -outcome.status if outcome.status < 0 else outcome.status - 128
    if outcome.killed_by is None and number in signals:
        return replace(outcome, killed_by=signals[number])  # type: ignore[arg-type]
    return outcome
