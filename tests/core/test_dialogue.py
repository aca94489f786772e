"""One process in the sandbox that answers many questions, or does not."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from m31r_core.cargo.dialogue import Dialogue, DialogueError
from m31r_core.cargo.sandbox import Limits, Sandbox, SandboxError, find_sandbox

PYTHON = "/usr/bin/python3"
ECHO = """
import sys
read, out = sys.stdin.buffer.read, sys.stdout.buffer
while size := int.from_bytes(read(4), "big"):
    word = read(size)
    answer = word * 2
    exec(CODE)
    out.write(len(answer).to_bytes(4, "big") + answer)
    out.flush()
"""


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    if not Path(PYTHON).exists():
        pytest.skip(f"{PYTHON} is not there")
    limits = Limits(output_mb=1, disk_mb=8, file_mb=64, total_memory_mb=256)
    try:
        return find_sandbox(limits, require=True)
    except SandboxError as error:
        pytest.skip(str(error))


def dialogue(sandbox: Sandbox, folder: Path, code: str = "pass") -> Dialogue:
    folder.chmod(0o755)
    script = f"CODE = {code!r}\n{ECHO}"
    return Dialogue(sandbox.fresh(), [PYTHON, "-c", script], cwd=folder, write=folder)


def test_many_questions_are_answered_in_turn(sandbox: Sandbox, tmp_path: Path) -> None:
    with dialogue(sandbox, tmp_path) as asked:
        for word in (b"a", b"bc", bytes(300_000)):
            assert asked.ask(word, 20.0) == word * 2


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        ("while True: pass", "wall clock"),
        ("import time; time.sleep(4117)", "wall clock"),
        ("raise SystemExit", None),
        ("out.write(b'x')", None),
        ("answer = bytes(2 << 20)", "output"),
        ("open('large', 'wb').write(bytes(32 << 20)); import time; time.sleep(60)", "disk"),
        ("held = b'x' * (400 << 20); import time; time.sleep(60)", "memory"),
    ],
)
def test_no_answer_is_an_error_and_the_end(
    code: str, limit: str | None, sandbox: Sandbox, tmp_path: Path
) -> None:
    asked = dialogue(sandbox, tmp_path, code)
    seconds = 2.0 if limit == "wall clock" or "b'x')" in code else 20.0
    with pytest.raises(DialogueError) as error:
        # What is written beside an answer shows when the next one is asked for.
        [asked.ask(b"word", seconds) for _ in range(3)]
    if limit is not None:
        assert error.value.limit == limit
    with pytest.raises(DialogueError):
        asked.ask(b"word", seconds)
    for _ in range(100):
        lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
        if not any(code in word for line in lines for word in line):
            return
        time.sleep(0.05)
    raise AssertionError("the process is still there")
