"""What a generation may write and when it is enough, for one text and for a beam of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from m31r_core.engine.file_cache import FileCache
from m31r_core.engine.writer import Writer
from m31r_core.tokenizer import NEVER_WRITTEN, SPECIALS


@dataclass(frozen=True)
class Rules:
    """`Engine.generate` says what each of them is."""

    max_new_tokens: int
    stop: Callable[[str], bool] | None = None
    may_end: Callable[[str], bool] | None = None
    file_cache: FileCache | None = None

    def banned(self, writer: Writer) -> Sequence[int]:
        """Return the tokens that cannot come next."""
        may_end = self.may_end is None or self.may_end(writer.text())
        return NEVER_WRITTEN if may_end else range(len(SPECIALS))

    def is_enough(self, writer: Writer, more: bytes = b"") -> bool:
        """Say whether what is written, with `more` behind it, is all that is wanted."""
        return self.stop is not None and not writer.healing and self.stop(writer.text(more))
