"""What a dataset holds and what was left out, for a terminal and as a page."""

from __future__ import annotations

from m31r_data.report.page import html_report
from m31r_data.report.terminal import tables

__all__ = ["html_report", "tables"]
