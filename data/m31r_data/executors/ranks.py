"""What all executors do alike with one rank: make its pipeline, run it, say what stopped it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datatrove.executor.base import PipelineExecutor
from datatrove.utils.logging import logger
from datatrove.utils.stats import PipelineStats

from m31r_data.executors.stage import Stage, write_failure


class StageExecutor(PipelineExecutor):  # type: ignore[misc]
    """Goes in front of an executor of datatrove among the bases of a class.

    The pipeline stays empty until a rank runs: its steps need not be sent anywhere.
    """

    stage: Stage
    folder: Path

    def _run_for_rank(self, rank: int, local_rank: int = 0, node_rank: int = -1) -> PipelineStats:
        try:
            self.pipeline = list(self.stage.steps())
            # Not the one of RayPipelineExecutor, whose log is in a folder of /tmp for all users.
            return PipelineExecutor._run_for_rank(self, rank, local_rank, node_rank)
        except Exception as error:
            write_failure(self.folder, rank, error)
            raise
        finally:
            self.pipeline = []


def run_rank(executor: StageExecutor, rank: int) -> bool:
    """Run a rank in this process and return whether it succeeded; if not, that is written down.

    Nothing is raised, because not every exception can be sent to another process.
    """
    try:
        executor._run_for_rank(rank)
    except Exception:
        return False
    return True


@contextmanager
def quiet() -> Iterator[None]:
    """Keep datatrove's messages from the terminal.

    What matters of them is kept in files: statistics, marks of completion, what failed.
    """
    logger.disable("datatrove")
    try:
        yield
    finally:
        logger.enable("datatrove")
