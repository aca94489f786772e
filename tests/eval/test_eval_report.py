"""The report: complete, one file, and whatever a run holds stays text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from m31r_eval.cli import main
from m31r_eval.completing import summarise_completions
from m31r_eval.report.browsing import items_of
from m31r_eval.report.runs import Run, read_runs
from m31r_eval.tasks import CompleteTask, write_tasks

EVIL = '</script><script>document.title = "owned"</script><img src=x onerror=alert(1)>&"\''


def completions(n: int = 6, text: str = "value") -> list[dict[str, Any]]:
    return [
        {
            "id": f"task-{i}",
            "path": f"crate-{i % 2}/src/lib.rs",
            "kind": "line" if i % 3 else "block",
            "middle": "value" * (1 + i),
            "has_context": False,
            "completion": text if i % 2 else "",
            "verdict": "exact" if i % 2 else "empty",
            "exact_match": i % 2,
            "edit_similarity": float(i % 2),
            "accepted": 3,
            "characters": 5,
            "confidence": 0.1 * i,
            "finish": "end",
            "tokens": 3,
            "baselines": {
                "copy": {
                    "completion": EVIL,
                    "verdict": "differs",
                    "exact_match": 0,
                    "edit_similarity": 0.2,
                }
            },
            "timings_ms": {"first": 10.0 + i, "typing": [2.0]},
        }
        for i in range(n)
    ]


def a_run(folder: Path, text: str = "value") -> Path:
    folder.mkdir(parents=True)
    records = completions(text=text)
    (folder / "results.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    summary = summarise_completions(records, 50, 0)
    head = {"suite": "complete", "model_id": EVIL, "tasks_sha256": "ab" * 32, "seed": 0}
    (folder / "metrics.json").write_text(json.dumps({**head, **summary}))
    tasks = [
        CompleteTask(
            r["id"],
            r["path"],
            "    // a long way before\n" * 40 + f"let {EVIL} = ",
            ";\n",
            r["middle"],
        )
        for r in records
    ]
    write_tasks(folder / "tasks.jsonl.xz", tasks)
    return folder


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._script = False
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "script":
            self._script = True
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._script = self._script and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts[-1] += data
        else:
            self.text += data


def report(folder: Path) -> Page:
    assert main(["report", str(folder)]) == 0
    return Page((folder / "report.html").read_text())


def test_a_run_is_summed_up_drawn_and_listed(tmp_path: Path) -> None:
    page = report(a_run(tmp_path / "run"))
    for word in ("exact match", "edit similarity", "chars saved", "by kind", "by length"):
        assert word in page.text
    assert "Reliability" in page.text
    assert "Latency of the first answer" in page.text
    assert page.tags.count("svg") >= 6
    items = json.loads(page.scripts[0])
    assert [item["id"] for item in items] == [f"task-{i}" for i in range(6)]
    assert items[1]["good"] is True
    assert items[1]["before"].endswith("= ")
    assert items[0]["others"] == [["copy", EVIL, "differs"]]


def test_whatever_a_run_holds_stays_text(tmp_path: Path) -> None:
    page = report(a_run(tmp_path / "run", text=EVIL))
    assert page.tags.count("script") == 2
    assert "img" not in page.tags
    assert EVIL in page.text
    assert json.loads(page.scripts[0])[1]["given"] == EVIL


def test_nothing_is_loaded(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    page = report(tmp_path / "run")
    source = (tmp_path / "run" / "report.html").read_text()
    assert "default-src 'none'" in source
    assert not any(name in ("src", "srcset", "action", "data") for name, _ in page.attributes)
    targets = [value for name, value in page.attributes if name == "href"]
    assert all(target.startswith("#") for target in targets)
    assert not re.search(r"https?://", page.scripts[1])


def test_all_runs_of_a_folder_stand_on_one_page(tmp_path: Path) -> None:
    a_run(tmp_path / "first")
    a_run(tmp_path / "second")
    page = report(tmp_path)
    items = json.loads(page.scripts[0])
    assert {item["run"] for item in items} == {"first", "second"}
    assert "first (complete)" in page.text
    assert "second (complete)" in page.text


def test_runs_without_their_tasks_have_a_report(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    (folder / "tasks.jsonl.xz").unlink()
    (run,) = read_runs(folder)
    assert [item["before"] for item in items_of(run)] == [""] * 6


def test_repairs_and_programs_are_shown() -> None:
    repair = Run(
        "repair",
        {"suite": "repair"},
        [
            {
                "id": "a",
                "path": "fst-0.4.7/src/a.rs",
                "broken_at_start": 1,
                "errors_before": [{"code": "E0382", "message": "use of moved value"}],
                "solved": 1,
                "fixed": 1,
                "diff": "-a\n+b\n",
                "steps": [{"title": "clone it", "source": "template", "cautions": []}],
                "baseline": {"diff": "", "fixed": 0},
            }
        ],
        {"a": {"files": {"src/a.rs": "a\n"}, "fixed": "b\n"}},
    )
    (item,) = items_of(repair)
    assert (item["kind"], item["verdict"], item["crate"]) == ("E0382", "solved", "fst-0.4.7")
    assert "-a" in item["expected"]
    assert "+b" in item["expected"]
    samples = [
        {"completion": "1", "verdict": "fails its tests", "said": "panicked"},
        {"completion": "2", "verdict": "passes", "said": ""},
    ]
    generate = Run(
        "generate",
        {"suite": "generate"},
        [{"id": "b", "prompt": "fn f() {", "samples": samples, "passed": 1, "n": 2}],
        {},
    )
    (item,) = items_of(generate)
    assert (item["given"], item["verdict"], item["good"]) == ("2", "passes", True)
    assert len(item["others"]) == 2


def test_a_folder_without_runs_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert f"{tmp_path}: no finished run there" in capsys.readouterr().err
    folder = a_run(tmp_path / "run")
    (folder / "results.jsonl").write_text("{")
    assert main(["report", str(folder)]) == 2
    assert "results.jsonl: not the file of a run" in capsys.readouterr().err
