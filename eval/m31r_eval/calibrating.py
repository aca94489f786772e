"""What the model's probabilities are worth: a calibration fitted on tasks that it never saw.

The whole line of a task's cursor is typed, from its indentation on, and the model asked on the way:
it is there that the server asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from m31r_core.bundle import CALIBRATION, load_bundle, write_bundle
from m31r_core.engine import Completer, CompletionRequest, Engine
from m31r_core.engine.confidence import Calibration, fit_calibration
from m31r_eval.metrics import Bin, expected_calibration_error, reliability
from m31r_eval.progress import track
from m31r_eval.tasks import CompleteTask

_NEW_TOKENS = 32
_PARTS_A_WORKER = 8


@dataclass(frozen=True)
class Sample:
    """What the model said at one place, and whether that was the rest of the line."""

    features: tuple[float, ...]
    confidence: float
    right: bool


def sample(bundle: Path, tasks: Sequence[CompleteTask], every: int) -> list[Sample]:
    """Ask at every so manieth key of the line that each task's cursor is in."""
    completer = Completer(Engine.load(load_bundle(bundle), threads=1))
    found = []
    for task in tasks:
        above, _, begun = task.prefix.rpartition("\n")
        line = begun + task.middle.partition("\n")[0].rstrip()
        blanks = len(line) - len(line.lstrip())
        for typed in range(blanks, len(line), every):
            request = CompletionRequest(
                task.path, f"{above}\n{line[:typed]}", task.suffix, max_new_tokens=_NEW_TOKENS
            )
            completion = completer.complete(request)
            text = completion.text.rstrip()
            evidence = completion.evidence(0, len(completion.text))
            if text and evidence.logprobs:
                confidence = completer.calibration.confidence(evidence)
                found.append(Sample(evidence.features(), confidence, text == line[typed:]))
    return found


def sample_all(
    bundle: Path, tasks: Sequence[CompleteTask], *, every: int, workers: int
) -> list[Sample]:
    """The same in several processes; the samples are in the tasks' order."""
    parts = [tasks[i :: workers * _PARTS_A_WORKER] for i in range(workers * _PARTS_A_WORKER)]
    with ProcessPoolExecutor(workers) as pool:
        waiting = [pool.submit(sample, bundle, part, every) for part in parts if part]
        return [
            each for done in track(waiting, "calibrate", len(waiting)) for each in done.result()
        ]


def fitted(samples: Sequence[Sample]) -> Calibration:
    """Return the calibration that fits the samples."""
    return fit_calibration([each.features for each in samples], [each.right for each in samples])


def curve(samples: Sequence[Sample]) -> tuple[list[Bin], float]:
    """Return the reliability curve of the samples' confidences, and its calibration error."""
    bins = reliability([each.confidence for each in samples], [each.right for each in samples])
    return bins, expected_calibration_error(bins)


def keep(bundle: Path, calibration: Calibration, fitted_on: str) -> None:
    """Put a calibration into a bundle. Raises BundleError naming the file that is wrong."""
    loaded = load_bundle(bundle)
    files: dict[str, Path | bytes] = {name: bundle / name for name in loaded.manifest.files}
    files[CALIBRATION] = calibration.dump(fitted_on).encode()
    write_bundle(bundle, loaded.manifest, files)
