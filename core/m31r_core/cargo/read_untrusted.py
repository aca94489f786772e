"""Read files that untrusted code wrote: links, pipes and endless ones among them."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_untrusted(path: Path, *, below: Path, limit: int) -> bytes | None:
    """Return what is in the regular file `path`; None for anything else.

    None too for a file of more than `limit` bytes, and where a link leads out of `below`.
    """
    real = os.path.realpath(path.parent)
    home = os.path.realpath(below)
    if real != home and not real.startswith(home + os.sep):
        return None
    try:
        # Opening a pipe would wait for a writer.
        handle = os.open(f"{real}/{path.name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return None
        data = file.read(limit + 1)
    return data if len(data) <= limit else None
