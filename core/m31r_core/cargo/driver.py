"""Compile one crate again and again inside the sandbox, where starting is what costs.

It runs by itself (`python -IS driver.py FOLDER`), so it imports nothing of ours. A question is a
JSON object and behind it the texts that it gives the sizes of; it is answered with what rustc said
once these texts stood in the files. Lengths are four bytes, big-endian.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO


def main(folder: Path, questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there are no more questions. Files lie in `folder`."""
    while question := _read(questions):
        size = int.from_bytes(question[:4], "big")
        asked: dict[str, Any] = json.loads(question[4 : 4 + size])
        at = 4 + size
        for name, length in asked["files"]:
            # A file of its own each time: what a link or a pipe in its place leads to is not ours.
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            new = place.with_name(place.name + ".m31r")
            new.write_bytes(question[at : at + length])
            new.replace(place)
            at += length
        command = asked["command"]
        said = _run(command, folder, asked["env"], asked["seconds"]) if command else {}
        answer = json.dumps(said).encode()
        answers.write(len(answer).to_bytes(4, "big") + answer)
        answers.flush()


def _run(
    command: Sequence[str], folder: Path, env: Mapping[str, str], seconds: float
) -> dict[str, Any]:
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    timed_out = False
    try:
        _, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        timed_out, said = True, b""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = said.decode("utf-8", "replace")
    return {
        "status": process.returncode,
        "timed_out": timed_out,
        "stderr": text,
        "cpu": used.ru_utime + used.ru_stime,
    }


def _read(stream: BinaryIO) -> bytes:
    size = int.from_bytes(stream.read(4), "big")
    return stream.read(size)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
