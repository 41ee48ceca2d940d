"""Events of a comparison: plain values, yielded while it runs and rendered elsewhere."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grucli.errors import DivergedError
from grucli.json_record import JsonRecord
from grucli.model.store import Metrics
from grucli.read.schema import Schema
from grucli.training.events import Compiled, Compiling, SetupProgress, TrainEvent

if TYPE_CHECKING:
    from grucli.comparison.result import Comparison
    from grucli.comparison.suite.result import SuiteResult


@dataclass(frozen=True, slots=True)
class RunEvent:
    """An event of one run. `run` is its name, that of its model in the comparison proper."""

    cell: str
    seed: int
    run: str
    event: TrainEvent


@dataclass(frozen=True, slots=True)
class RunDiverged:
    """A run ended, because a loss was not finite."""

    cell: str
    seed: int
    run: str
    error: DivergedError


@dataclass(frozen=True, slots=True)
class ComparisonStarted:
    """What is compared is known. `descriptions`: sentences that say what is trained on what.

    `inputs`: what was decided about the sources. `notices`: warnings. `evaluations`: those of the runs of a resumed
    comparison so far, by the names of cell and run.
    """

    name: str
    cells: tuple[str, ...]
    seeds: tuple[int, ...]
    descriptions: tuple[str, ...]
    notices: tuple[str, ...] = ()
    inputs: tuple[Schema, ...] = ()
    evaluations: tuple[tuple[str, str, tuple[Metrics, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A phase of several runs begins: "learning rates" or "comparison".

    `steps` is the number of steps of each run, `runs` how many there are per cell, and `later_steps` the number of
    steps per cell in the phases after this one.
    """

    phase: str
    steps: int
    runs: int
    later_steps: int = 0


@dataclass(frozen=True, slots=True)
class RateChosen:
    """The learning rate of a cell was found. `sweep`: bits per character by learning rate, None where it diverged.

    `at_edge`: the best one is the lowest or the highest of them.
    """

    cell: str
    lr: float
    sweep: tuple[tuple[float, float | None], ...]
    at_edge: bool


@dataclass(frozen=True, slots=True)
class ComparisonFinished(JsonRecord):
    """The last event.

    `reason`: "limit" (all runs are finished), "diverged" (all ended, and at least one with a loss that is not finite or
    worse than that of an untrained network), "interrupted", "terminated" or "hung up".
    """

    reason: str
    comparison: "Comparison"

    def to_json(self) -> dict[str, object]:
        """Return the comparison's object."""
        return self.comparison.to_json()


@dataclass(frozen=True, slots=True)
class SuiteFinished(JsonRecord):
    """The last event of a suite. `reason`: "limit" (all tasks are done), "interrupted", "terminated" or "hung up"."""

    reason: str
    suite: "SuiteResult"

    def to_json(self) -> dict[str, object]:
        """Return the suite's object."""
        return self.suite.to_json()


CompareEvent = (
    SetupProgress
    | Compiling
    | Compiled
    | ComparisonStarted
    | PhaseStarted
    | RateChosen
    | RunEvent
    | RunDiverged
    | ComparisonFinished
)

SuiteEvent = CompareEvent | SuiteFinished
"""A suite has the events of the comparisons that it consists of, but `ComparisonFinished`."""
