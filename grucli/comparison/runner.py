"""Runs in turns: each trains for a moment and waits while the others do, so that all see the same machine."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from grucli.comparison.events import RunDiverged, RunEvent
from grucli.errors import CancelledError, DivergedError
from grucli.training import loop
from grucli.training.events import StepCompleted, TrainEvent
from grucli.training.options import TrainOptions
from grucli.training.setup_run import SharedResources
from grucli.training.signals import StopFlag

_TURN_SECONDS = 0.5
"""Seconds of training in one turn: long, relative to a step, so that the caches hold the network."""


@dataclass(frozen=True)
class Run:
    """One run: a cell and a seed, how they are trained, and the directory of its files."""

    cell: str
    seed: int
    options: TrainOptions
    shared: SharedResources
    directory: Path

    @property
    def name(self) -> str:
        """The name of its directory."""
        return self.directory.name


class _ActiveRun:
    """A run with its events, and the step that it has reached."""

    def __init__(self, run: Run, events: Generator[TrainEvent]) -> None:
        self.run, self.events, self.step = run, events, -1
        self.done = False

    def take_turn(self) -> Generator[RunEvent | RunDiverged]:
        """Train for a moment, or to the end."""
        seconds_before: float | None = None
        try:
            for event in self.events:
                yield RunEvent(self.run.cell, self.run.seed, self.run.name, event)
                if isinstance(event, StepCompleted):
                    self.step = event.step
                    seconds_before = event.seconds if seconds_before is None else seconds_before
                    if event.seconds - seconds_before >= _TURN_SECONDS:
                        return
        except DivergedError as error:
            yield RunDiverged(self.run.cell, self.run.seed, self.run.name, error)
        self.done = True


def run_interleaved(runs: Sequence[Run], stop: StopFlag) -> Generator[RunEvent | RunDiverged]:
    """Train runs in turns until all are finished or `stop` is set; the one that has done the fewest steps is next.

    A run that diverges ends, and the others go on. When the iterator is closed, or fails, every run is saved.

    Raises:
        GruError: as `grucli.training.loop.train`.
        OSError: a file cannot be written; the last checkpoint of each run is intact.
    """
    with ExitStack() as stack:
        active = [
            _ActiveRun(run, stack.enter_context(closing(loop.train(run.options, stop, run.shared, run.directory))))
            for run in runs
        ]
        while active and stop.reason is None:
            # A run that was stopped before its first step has nothing to save; the others may have.
            try:
                yield from min(active, key=lambda each: each.step).take_turn()
            except CancelledError:
                return
            active = [each for each in active if not each.done]
