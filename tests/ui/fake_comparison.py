"""Made-up events of a comparison."""

from collections.abc import Iterator

from grucli.comparison.events import (
    CompareEvent,
    ComparisonFinished,
    ComparisonStarted,
    PhaseStarted,
    RateChosen,
    RunEvent,
)
from grucli.model.store import Metrics
from grucli.training.events import SetupProgress, TrainFinished
from tests.comparison.small_comparisons import fake_comparison
from tests.ui.fake_events import evaluation, make_summary, run_started, step_completed

CELLS = ("rnn", "gru", "lstm")


def comparison_started(evaluations: tuple[tuple[str, str, tuple[Metrics, ...]], ...] = ()) -> ComparisonStarted:
    return ComparisonStarted(
        "talk", CELLS, (0, 1, 2), ("comparing rnn, gru and lstm", "gru: 1 layer of 256 units"), evaluations=evaluations
    )


def comparison_run(seeds: int = 2, last_step: int = 400, reason: str | None = None) -> Iterator[CompareEvent]:
    """A comparison of 400 steps per run, in its seed number `seeds` up to `last_step`."""
    yield SetupProgress("reading the corpus", 30, 100)
    yield comparison_started()
    yield PhaseStarted("comparison", 400, 3)
    for seed in range(seeds):
        end = last_step if seed == seeds - 1 else 400
        names = {cell: f"talk-{cell}-{seed}" for cell in CELLS}
        for cell, name in names.items():
            yield RunEvent(cell, seed, name, run_started())
        for step in range(50, end + 1, 50):
            for index, (cell, name) in enumerate(names.items()):
                yield RunEvent(cell, seed, name, step_completed(step))
                yield RunEvent(cell, seed, name, evaluation(step, 1.3 + 0.05 * index + 0.01 * seed + 40 / step))
        for cell, name in names.items():
            if end == 400:
                yield RunEvent(cell, seed, name, TrainFinished("limit", make_summary(400)))
    if reason is not None:
        yield ComparisonFinished(reason, fake_comparison())


def search_run() -> Iterator[CompareEvent]:
    """The search for learning rates, with its result."""
    yield comparison_started()
    yield PhaseStarted("learning rates", 80, 2, later_steps=1200)
    for lr in ("0.002", "0.004"):
        for cell in CELLS:
            yield RunEvent(cell, 100, f"{cell}-{lr}", step_completed(80))
            yield RunEvent(cell, 100, f"{cell}-{lr}", evaluation(80, 2.0))
    yield RateChosen("rnn", 0.004, ((0.002, 2.912), (0.004, 2.885), (0.008, None)), at_edge=False)
    yield RateChosen("gru", 0.002, ((0.002, 2.702), (0.004, 2.885), (0.008, None)), at_edge=True)
