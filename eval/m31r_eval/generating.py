"""The suite `generate`: write a function, compile the program, run its tests in the sandbox."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from m31r_core.cargo.process import CargoError, Deadline
from m31r_core.cargo.program import Program
from m31r_core.cargo.sandbox import Sandbox
from m31r_core.cargo.toolchain import Toolchain
from m31r_eval.contestants import Contestants
from m31r_eval.generate_tasks import GenerateTask, cut_body, end_of_body
from m31r_eval.measures import summarise
from m31r_eval.metrics import pass_at_k
from m31r_eval.models import Asked, Drawn, Model
from m31r_eval.repair_tasks import MAIN
from m31r_eval.running import Crew, Record, digest_of, finish, run_tasks
from m31r_eval.settings import GenerateSettings
from m31r_eval.tasks import TaskFile

PATH = "src/main.rs"
"""What a model is told the file is called."""

KS = (1, 10)
MOST_SAID = 400
"""Characters of what rustc or the program said that are kept in a record."""


@dataclass(frozen=True)
class GenerateSetup:
    """What writing and running programs needs; it can be sent to another process."""

    contestants: Contestants
    settings: GenerateSettings
    sandbox: Sandbox
    toolchain: Toolchain
    scratch: Path
    seed: int


def run_generate(
    task_file: TaskFile[GenerateTask], setup: GenerateSetup, *, out: Path, workers: int
) -> Record:
    """Write and run every task's programs and return the metrics, which then stand in `out`."""
    model_id, beside, models = setup.contestants.names()
    settings = setup.settings
    each_s = settings.build_s * 2 + settings.run_s + 60
    records = run_tasks(
        task_file.tasks,
        open_generate,
        setup,
        label="generate",
        out=out,
        run=digest_of(
            "generate",
            task_file.sha256,
            models,
            settings,
            setup.toolchain.version,
            setup.seed,
        ),
        crew=Crew(workers, settings.samples * (1 + len(beside)) * each_s),
        failed=lambda task, reason: failed_record(task, reason, settings.samples),
    )
    head: Record = {
        "suite": "generate",
        "model_id": model_id,
        "beside": list(beside),
        "tasks_sha256": task_file.sha256,
        "seed": setup.seed,
        "samples": settings.samples,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "rustc": setup.toolchain.version,
        "sandboxed": setup.sandbox.has_walls,
    }
    metrics = {**head, **summarise_programs(records, settings.resamples, setup.seed)}
    finish(out, metrics)
    return metrics


def open_generate(setup: GenerateSetup) -> Callable[[GenerateTask], Record]:
    """Return what does a task; loads the models once."""
    model, others = setup.contestants.open()

    def do(task: GenerateTask) -> Record:
        verdicts = _Verdicts(task, setup)
        start = time.perf_counter()
        ours = _sample(task, model, setup, verdicts)
        seconds = time.perf_counter() - start
        beside = {name: _sample(task, each, setup, verdicts) for name, each in others.items()}
        reference = None
        if task.solution is not None:
            reference = verdicts.of(task.solution)["verdict"]
        return {
            "id": task.id,
            "prompt": task.prompt,
            "reference": reference,
            **ours,
            "baselines": beside,
            "timings_s": {"total": round(seconds, 3)},
        }

    return do


def failed_record(task: GenerateTask, reason: str, samples: int) -> Record:
    """Return the line of a task that gave no result; none of its programs passed."""
    nothing = [{"completion": "", "verdict": "crashed", "said": reason}] * samples
    return {
        "id": task.id,
        "prompt": task.prompt,
        "reference": None,
        **_counted(nothing),
        "crash": reason,
        "baselines": {},
        "timings_s": {"total": None},
    }


def sample_seed(seed: int, task: str, number: int) -> int:
    """Return the seed of one sample: another for every task and sample of a run."""
    digest = hashlib.sha256(f"{seed}\0{task}\0{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def summarise_programs(records: Sequence[Record], resamples: int, seed: int) -> Record:
    """Return the numbers of `metrics.json` that come from the results."""

    def of(rows: Sequence[Record]) -> Record:
        return summarise(rows, "generate", resamples=resamples, seed=seed).as_json()

    names = sorted({name for record in records for name in record["baselines"]})
    verdicts = Counter(each["verdict"] for record in records for each in record["samples"])
    known = [record["reference"] == "passes" for record in records if record["reference"]]
    return {
        **of(records),
        "crashed": sum("crash" in record for record in records),
        "verdicts": dict(sorted(verdicts.items())),
        "references": {"n": len(known), "pass": sum(known)},
        "baselines": {
            name: of([r["baselines"][name] for r in records if name in r["baselines"]])
            for name in names
        },
    }


def _sample(task: GenerateTask, model: Model, setup: GenerateSetup, verdicts: _Verdicts) -> Record:
    settings = setup.settings
    asked = Asked(
        path=PATH,
        prefix=task.prompt,
        # Of the tests only the bracket is known to whoever writes the function.
        suffix="}\n" if task.closes_in_tests else "",
        whole_line=False,
        expected=task.solution or "",
    )
    samples = []
    for number in range(settings.samples):
        drawn = Drawn(
            settings.max_new_tokens,
            settings.temperature,
            settings.top_p,
            sample_seed(setup.seed, task.id, number),
            stop=lambda text: end_of_body(task, text) is not None,
        )
        samples.append(verdicts.of(cut_body(task, model.complete(asked, drawn).text)))
    return _counted(samples)


def _counted(samples: Sequence[Record]) -> Record:
    n = len(samples)
    passed = sum(each["verdict"] == "passes" for each in samples)
    compiled = sum(each["verdict"] in COMPILED for each in samples)
    return {
        "samples": list(samples),
        "n": n,
        "passed": passed,
        "compiled": compiled,
        "compile_rate": round(compiled / n, 6),
        **{f"pass@{k}": round(pass_at_k(n, passed, k), 6) for k in KS if k <= n},
    }


COMPILED = ("passes", "fails its tests", "runs too long", "breaks a limit")
"""Verdicts on programs that compile."""


class _Verdicts:
    """What became of each program of one task; the same program is not run twice."""

    def __init__(self, task: GenerateTask, setup: GenerateSetup) -> None:
        self._task = task
        self._setup = setup
        self._known: dict[str, Record] = {}

    def of(self, completion: str) -> Record:
        if completion not in self._known:
            self._known[completion] = {"completion": completion, **self._judge(completion)}
        return self._known[completion]

    def _judge(self, completion: str) -> Record:
        if not completion.strip():
            return {"verdict": "empty", "said": ""}
        task, setup = self._task, self._setup
        text = task.program(completion).encode()
        tested = task.has_test_functions
        with Program(
            {MAIN: text},
            edition=task.edition,
            crate_type="lib" if tested else "bin",
            sandbox=setup.sandbox.fresh(),
            toolchain=setup.toolchain,
            scratch=setup.scratch,
            lanes=1,
        ) as program:
            try:
                errors = program.check({}, Deadline(setup.settings.build_s)).errors
            except CargoError as error:
                return {"verdict": "does not compile", "said": str(error)}
            if errors:
                said = f"{errors[0].code or 'error'}: {errors[0].message}"
                return {"verdict": "does not compile", "said": said[:MOST_SAID]}
            ran = program.run({}, tests=tested, seconds=setup.settings.run_s)
        if ran.ok:
            return {"verdict": "passes", "said": ""}
        if ran.timed_out:
            return {"verdict": "runs too long", "said": ""}
        if ran.killed_by:
            return {"verdict": "breaks a limit", "said": ran.killed_by}
        said = (ran.stderr or ran.stdout).decode(errors="replace").strip()
        return {"verdict": "fails its tests", "said": _why(said)}


def _why(said: str) -> str:
    """Return the panic's message, or else the first line, of what a program said."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    panics = [i for i, line in enumerate(lines) if "panicked at" in line]
    # The line itself names the thread by a number that is another one every time.
    chosen = lines[panics[0] + 1 : panics[0] + 2] if panics else lines[:1]
    return "".join(chosen)[:MOST_SAID]
