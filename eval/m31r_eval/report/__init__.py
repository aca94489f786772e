"""One self-contained HTML file about runs: numbers, charts, and every task to look at."""

from m31r_eval.report.page import html_report, write_report

__all__ = ["html_report", "write_report"]
