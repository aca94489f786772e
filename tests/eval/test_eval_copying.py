from __future__ import annotations

import pytest

from m31r_eval.copying import complete


@pytest.mark.parametrize(
    ("prefix", "suffix", "expected"),
    [
        # The longest match wins, not the nearest.
        ("self.head = a;\nother.head = b;\nself.he", "\n", "ad = a;"),
        # Line breaks are part of the match.
        ("start();\nend();\nx();\nstart();\n", "", "end();"),
        # Above before below, below if there is nothing above.
        ("let fo", "\nlet foot = 1;\n", "ot = 1;"),
        ("", "anything\n", ""),
        ("q", "xyz\n", ""),
    ],
)
def test_copies_what_follows_the_longest_match(prefix: str, suffix: str, expected: str) -> None:
    assert complete(prefix, suffix) == expected
