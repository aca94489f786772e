"""A run as one HTML file: curves, numbers, events and samples, from its `log.jsonl` alone."""

from __future__ import annotations

from m31r_train.page.history import History, read_history
from m31r_train.page.page import LOG, PAGE, html_page, write_page

__all__ = ["LOG", "PAGE", "History", "html_page", "read_history", "write_page"]
