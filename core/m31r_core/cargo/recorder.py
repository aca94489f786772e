"""Write down one call of rustc. Cargo's workspace wrapper runs this file beside each call.

It runs by itself (`python -IS recorder.py RUSTC ARGUMENTS`), so it imports nothing of ours. What
it leaves in `$M31R_RECORDS` is one JSON file for each unit, replaced atomically, mode 600. Of the
environment only what cargo added or changed is kept: `$M31R_BASE` holds salted digests of what
was there before, and a variable found among them is left out.
"""

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

OURS = ("M31R_", "CARGO_MAKEFLAGS", "MAKEFLAGS", "MFLAGS")
"""Variables that say nothing about the unit; the job server of a make is gone when it ends."""


def digest(name: str, value: str, salt: str) -> str:
    """Return what stands for `name=value` in `$M31R_BASE`."""
    text = f"{salt}{name}={value}".encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=6).hexdigest()


def base(environment: Mapping[str, str], salt: str) -> str:
    """Return the text of `$M31R_BASE` for `environment`: the salt, then the digests."""
    return ":".join([salt, *(digest(name, value, salt) for name, value in environment.items())])


def unit_name(arguments: Sequence[str]) -> str:
    """Return what rustc calls its output: the crate's name and the suffix that cargo chose."""
    name = suffix = ""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if before == "--crate-name":
            name = argument
        elif argument.startswith("extra-filename="):
            suffix = argument.removeprefix("extra-filename=")
    return name + suffix


def main(command: Sequence[str]) -> None:
    """Record `command`, which is rustc and its arguments."""
    folder = Path(os.environ["M31R_RECORDS"])
    salt, *known = os.environ["M31R_BASE"].split(":")
    seen = set(known)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(OURS) and digest(name, value, salt) not in seen
    }
    name = unit_name(command[1:])
    record = {"name": name, "argv": list(command), "cwd": str(Path.cwd()), "env": environment}
    place = folder / f"{name}.json"
    temporary = folder / f"{name}.{os.getpid()}"
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(record), "utf-8")
    temporary.replace(place)


if __name__ == "__main__":
    main(sys.argv[1:])
