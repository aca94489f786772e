"""The page of a run: it shows what the log says, needs nothing else, and survives a broken log."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m31r_train.cli import main
from m31r_train.page import html_page, read_history, write_page
from m31r_train.page.scales import Scale, middles, short, ticks, value_range

VOID = {"meta", "link", "br", "img", "input", "hr"}
numbers = st.floats(-1e12, 1e12)


class Page(HTMLParser):
    """A page taken apart: it fails on an element that is not closed, or closed by another."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    def row(self, first: str) -> list[str]:
        """Return the cells of the first row of any table that begins with `first`."""
        return next(cells for cells in self.rows if cells[0] == first)

    def paths(self, kind: str) -> list[str]:
        """Return what is drawn by the paths of a class, in the order of the page."""
        pairs = zip(self.attributes, self.attributes[1:], strict=False)
        return [
            data for (_, _, is_kind), (_, name, data) in pairs if is_kind == kind and name == "d"
        ]


Log = Callable[..., Path]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Return what writes rows, one after the other in time, to a run's log: the run's folder."""

    def write(*rows: dict[str, object], tail: str = "") -> Path:
        run = tmp_path / "nano <1>"
        run.mkdir(exist_ok=True)
        lines = [
            json.dumps({"tokens": 1000 * int(str(row["step"])), "time": 1.7e9 + i} | row)
            for i, row in enumerate(rows)
        ]
        (run / "log.jsonl").write_text("".join(f"{line}\n" for line in lines) + tail)
        return run

    return write


def page_of(run: Path) -> Page:
    return Page(write_page(run).read_text(encoding="utf-8"))


STARTED = {"step": 0, "event": "started", "config": {"seed": 7, "plan": {"steps": 40}}}
SAMPLES = [
    {
        "path": "src/<main>.rs",
        "before": 'println!("&amp;");\nlet best = values',
        "written": ".iter()<script>",
        "middle": ".iter().max();",
        "after": "\nbest",
        "ended": True,
    }
]
WHOLE: tuple[dict[str, object], ...] = (
    STARTED,
    {"step": 10, "loss": 5.4321, "grad_norm": 0.5, "rate_factor": 1.0, "my_own": 3.0},
    {
        "step": 20,
        "loss": 4.1234,
        "grad_norm": 0.25,
        "rate_factor": 1.0,
        "tokens_per_second": 2345.6,
    },
    {"step": 20, "valid_loss": 4.5678, "valid_bits_per_byte": 1.8765},
    {"step": 20, "tasks_exact_match": 0.125, "tasks_ended": 0.5},
    {"step": 20, "event": "samples", "samples": SAMPLES},
)


def test_the_page_shows_the_numbers_of_the_log(log: Log) -> None:
    page = page_of(log(*WHOLE))
    assert page.row("train loss (nats/token)")[1:] == ["4.1234", "4.1234", "5.4321", "20"]
    assert page.row("valid loss (nats/token)")[1] == "4.5678"
    assert page.row("tokens/s")[1] == "2,346"
    assert page.row("ended by <|end|> (share of line tasks)")[1] == "50.0%"
    assert page.row("my own")[1] == "3"
    assert page.row("seed") == ["seed", "7"]
    assert page.row("plan.steps") == ["plan.steps", "40"]
    assert "step 20 of 40" in re.sub(r"\s+", " ", page.text)
    for what in ("src/<main>.rs", ".iter()<script>", ".iter().max();", "step 20, 20k tokens: "):
        assert what in page.text
    assert ("body", "data-state", "running") in page.attributes


def test_a_page_needs_no_other_file_and_no_network(log: Log) -> None:
    run = log(*WHOLE)
    text = write_page(run).read_text(encoding="utf-8")
    assert not re.search(r"https?://|//[a-z]|@import|url\(|file:", text.replace("// ", ""))
    page = Page(text)
    assert not [each for each in page.attributes if each[1] in ("src", "href", "srcset", "action")]
    (policy,) = [value for _, _, value in page.attributes if value.startswith("default-src")]
    assert policy.startswith("default-src 'none'")
    assert sorted(path.name for path in run.iterdir()) == ["log.jsonl", "report.html"]


def test_a_log_without_a_line_gives_a_page_that_says_so(log: Log) -> None:
    assert "Nothing is logged yet" in page_of(log()).text


def test_a_run_that_has_only_started_shows_its_configuration(log: Log) -> None:
    page = page_of(log(STARTED))
    assert page.row("seed") == ["seed", "7"]
    assert page.row("0")[1] == "started"


@pytest.mark.parametrize(
    "line",
    [
        '{"step": 30, "tok',
        '{"step": 30}',
        "[1, 2]",
        '{"step": "x", "tokens": 1, "time": 1}',
        '{"step": Infinity, "tokens": 1, "time": 1}',
        '{"step": 30, "tokens": 1, "time": 1e300}',
        "\x00\x00",
    ],
)
def test_a_line_that_cannot_be_read_is_counted_and_the_others_shown(log: Log, line: str) -> None:
    page = page_of(log(*WHOLE, tail=line))
    assert page.row("train loss (nats/token)")[1] == "4.1234"
    assert ["", "unreadable", "1 line of the log", ""] in page.rows


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf])
def test_a_number_that_is_not_finite_is_a_gap_in_the_curve(log: Log, nothing: float | None) -> None:
    losses = [5.0, 4.0, nothing, 3.0, 2.5]
    rows = [{"step": 10 * (i + 1), "loss": loss} for i, loss in enumerate(losses)]
    skipped = {"step": 30, "event": "skipped", "loss": nothing, "grad_norm": nothing}
    page = page_of(log(STARTED, *rows[:3], skipped, *rows[3:]))
    drawn = page.paths("line c0")
    assert [path.count("M") for path in drawn] == [2, 2]
    assert [path.count("L") for path in drawn] == [2, 2]
    assert page.row("train loss (nats/token)")[1:4] == ["2.5000", "2.5000", "5.0000"]
    assert "train loss not finite" in page.text
    assert page.row("30")[1] == "skipped"


def test_what_a_rewind_gave_up_is_shown_apart(log: Log) -> None:
    page = page_of(
        log(
            STARTED,
            {"step": 10, "loss": 4.0},
            {"step": 20, "loss": 3.0},
            {"step": 30, "loss": 9.0},
            {"step": 10, "event": "rewound", "reason": "a spike"},
            {"step": 20, "loss": 3.1},
            {"step": 30, "loss": 2.5},
        )
    )
    assert page.row("train loss (nats/token)")[1:] == ["2.5000", "2.5000", "4.0000", "30"]
    assert page.row("10")[1:3] == ["rewound", "reason a spike"]
    assert len(page.paths("line gone c0")) == 2
    assert "9.0000" not in page.text


def test_numbers_before_a_kill_are_given_up_where_the_run_went_on(log: Log) -> None:
    steps = (10, 20, 30, 20, 30, 40)
    rows = [{"step": step, "loss": float(i)} for i, step in enumerate(steps)]
    history = read_history(log(*rows) / "log.jsonl")
    assert [row.number("loss") for row in history.rows_with("loss")] == [0.0, 3.0, 4.0, 5.0]
    assert [row.number("loss") for row in history.rows_with("loss", kept=False)] == [1.0, 2.0]


def test_a_run_that_is_done_is_not_loaded_anew(log: Log) -> None:
    page = page_of(log(STARTED, {"step": 40, "loss": 1.0}))
    assert ("body", "data-state", "done") in page.attributes


def test_a_long_run_keeps_its_page_small(log: Log) -> None:
    rows = [{"step": i, "loss": 2 + math.sin(i), "grad_norm": 1.0} for i in range(1, 5_001)]
    text = html_page(read_history(log(*rows) / "log.jsonl"), "long")
    assert len(text) < 200_000
    Page(text)


def test_report_is_a_command(log: Log) -> None:
    run = log(*WHOLE)
    program = [sys.executable, "-m", "m31r_train.cli", "report", str(run)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(run / "report.html")
    assert "4.1234" in (run / "report.html").read_text(encoding="utf-8")


def test_a_folder_without_a_log_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path)]) == 1
    assert "log.jsonl: No such file" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_picture_of_the_losses_survives_a_broken_log(log: Log, tmp_path: Path) -> None:
    run = log(*WHOLE, {"step": 30, "loss": None}, tail='{"step": 40, "los')
    assert main(["plot", str(run), "--out", str(tmp_path / "loss.png")]) == 0
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_log_without_a_loss_gives_no_picture(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", str(log(STARTED)), "--out", str(tmp_path / "loss.png")]) == 1
    assert "log.jsonl: no loss is logged yet" in capsys.readouterr().err


@given(st.lists(numbers), st.booleans())
def test_the_range_of_an_axis_is_never_empty(values: list[float], from_zero: bool) -> None:
    low, high = value_range(values, from_zero=from_zero)
    assert low < high
    inner = sorted(values)[len(values) // 20 : len(values) - len(values) // 20]
    assert all(low <= value <= high for value in inner)
    assert not from_zero or low <= 0


@given(numbers, numbers, st.integers(1, 12))
def test_ticks_are_round_evenly_spaced_and_inside(low: float, high: float, about: int) -> None:
    found = ticks(low, high, about)
    assert len(found) <= 2 * about + 1
    if low >= high:
        assert not found
    reach = abs(high - low) * 1e-6 + max(abs(low), abs(high)) * 1e-12
    assert all(low - reach <= tick <= high + reach for tick in found)
    if len(found) > 1:
        digits = f"{found[1] - found[0]:.3e}"
        if high - low > 1e-6 * max(abs(low), abs(high)):
            assert digits[:5] in ("1.000", "2.000", "5.000")


@given(numbers, st.floats(1e-6, 1e6), numbers)
def test_a_scale_keeps_order_and_stays_near_its_ends(low: float, size: float, value: float) -> None:
    if low == low + size:
        return
    scale = Scale(low, low + size, 100.0, 0.0)
    assert scale(low) == 100.0
    assert scale(low + size) == pytest.approx(0.0)
    assert -300 <= scale(value) <= 400
    assert scale(value) >= scale(value + size)


@pytest.mark.parametrize("range_", [(1.0, 1.0), (2.0, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_a_scale_of_no_range_is_refused(range_: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="no range"):
        Scale(*range_, 0.0, 100.0)


@given(st.lists(numbers, min_size=1, max_size=300), st.integers(2, 50))
def test_a_running_median_lies_among_its_values(values: list[float], count: int) -> None:
    found = middles(values, count)
    places = [i for i, _ in found]
    assert places[0] == 0
    assert places[-1] == len(values) - 1
    assert places == sorted(set(places))
    assert len(found) <= count
    assert all(min(values) <= value <= max(values) for _, value in found)


def test_one_outlier_does_not_press_a_curve_flat() -> None:
    low, high = value_range([*(2 + i / 100 for i in range(100)), 1e6])
    assert low == 2
    assert high < 4


@pytest.mark.parametrize(
    ("value", "said"),
    [(1500, "1.5k"), (0.00021, "0.00021"), (8_192_000, "8.19M"), (0, "0"), (-2e9, "-2G")],
)
def test_short_numbers(value: float, said: str) -> None:
    assert short(value) == said
