"""What the page's browser shows of each task: one shape for all suites."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from m31r_eval.measures import crate_of
from m31r_eval.report.runs import Run

BEFORE = 1_600
AFTER = 800
"""Characters around the cursor that are shown."""

_LONGEST = 6_000

Item = dict[str, Any]


def items_of(run: Run) -> Iterator[Item]:
    """Yield the run's tasks as the page's script expects them.

    `verdict` is a word, `good` whether it is what one wants, `notes` and `others` are rows of text.
    """
    show = _SHOW.get(run.suite)
    if show is None:
        return
    for record in run.records:
        task = run.tasks.get(record["id"], {})
        item: Item = {
            "run": run.name,
            "id": str(record["id"]),
            "crate": crate_of(str(record.get("path", ""))),
            "path": str(record.get("path", "")),
            "kind": str(record.get("kind", run.suite)),
            "before": str(task.get("prefix", ""))[-BEFORE:],
            "after": str(task.get("suffix", ""))[:AFTER],
            "notes": [],
            "diagnostics": [],
            "others": [],
        }
        yield {**item, **show(record, task)}


def _complete(record: Mapping[str, Any], task: Mapping[str, Any]) -> Item:
    notes = [["edit similarity", f"{record['edit_similarity']:.2f}"]]
    if "confidence" in record:
        notes.append(["confidence", f"{record['confidence']:.2f}"])
    if "accepted" in record:
        notes.append(["saved by typing", f"{record['accepted']} of {record['characters']}"])
    for chunk in task.get("context", []):
        notes.append([f"context, {chunk['path']}", chunk["text"]])
    return {
        "verdict": record["verdict"],
        "good": bool(record["exact_match"]),
        "expected": record["middle"],
        "given": record["completion"],
        "notes": notes,
        "others": _beside(record),
        **_crash(record),
    }


def _check(record: Mapping[str, Any], task: Mapping[str, Any]) -> Item:
    return {
        "verdict": record["verdict"],
        "good": bool(record["compiles"]),
        "expected": record["middle"],
        "given": record["completion"],
        "diagnostics": [_said(each) for each in record["errors"]],
        "others": _beside(record),
        **_crash(record),
    }


def _generate(record: Mapping[str, Any], task: Mapping[str, Any]) -> Item:
    samples = record["samples"]
    best = next((each for each in samples if each["verdict"] == "passes"), samples[0])
    return {
        "verdict": best["verdict"],
        "good": best["verdict"] == "passes",
        "before": str(record["prompt"])[-BEFORE:],
        "after": str(task.get("tests", ""))[:AFTER],
        "expected": str(task.get("solution") or ""),
        "given": best["completion"],
        "notes": [["passed", f"{record['passed']} of {record['n']}"]],
        "diagnostics": [best["said"]] if best.get("said") else [],
        "others": [
            [f"sample {number}", each["completion"], each["verdict"]]
            for number, each in enumerate(samples, 1)
        ],
        **_crash(record),
    }


def _repair(record: Mapping[str, Any], task: Mapping[str, Any]) -> Item:
    fixed, files = task.get("fixed"), task.get("files", {})
    expected = ""
    if fixed is not None and files:
        broken = next(iter(files.values()))
        lines = difflib.unified_diff(broken.splitlines(), fixed.splitlines(), lineterm="", n=2)
        expected = "\n".join(lines)[:_LONGEST]
    verdict = "solved" if record["solved"] else "fixed" if record["fixed"] else "not fixed"
    said = [_said(each) for each in record["errors_before"]]
    return {
        "kind": record["errors_before"][0]["code"] if record["errors_before"] else "no error",
        "verdict": verdict,
        "good": bool(record["fixed"]),
        "expected": expected,
        "given": str(record["diff"])[:_LONGEST],
        "diagnostics": said,
        "notes": [["step", step["title"]] for step in record["steps"]],
        "others": [
            [
                "rustc alone",
                str(record["baseline"]["diff"])[:_LONGEST],
                "fixed" if record["baseline"]["fixed"] else "not fixed",
            ]
        ],
        **_crash(record),
    }


def _beside(record: Mapping[str, Any]) -> list[list[str]]:
    return [
        [name, str(each["completion"]), str(each["verdict"])]
        for name, each in record["baselines"].items()
    ]


def _said(error: Mapping[str, str]) -> str:
    """Return an error as rustc would head it; some have no code."""
    has_code = error["code"].startswith("E")
    return f"{error['code']}: {error['message']}" if has_code else error["message"]


def _crash(record: Mapping[str, Any]) -> Item:
    return {"diagnostics": [record["crash"]], "verdict": "crashed"} if "crash" in record else {}


_SHOW: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Item]] = {
    "complete": _complete,
    "check": _check,
    "generate": _generate,
    "repair": _repair,
}
