"""Small suites for the tests."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from grucli.comparison.events import SuiteEvent, SuiteFinished
from grucli.comparison.suite import result, run, state
from grucli.comparison.suite.options import SuiteOptions
from grucli.comparison.suite.papers import CLAIMS
from grucli.comparison.suite.result import SuiteResult, make_result
from grucli.comparison.suite.state import CellRecord, SuiteState, TaskRecord
from grucli.comparison.suite.tasks import TASKS, WORD_CELLS, Task
from grucli.training.signals import StopFlag


def small_task(task: Task) -> Task:
    """Return a task that tests have time for."""
    training = {**task.training, "batch": 4, "seq": 8}
    return replace(task, cells=WORD_CELLS, training=training, rate_factors=(1.0, 2.0), examples=60)


def use_small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave three tasks, of three cells."""
    tasks = tuple(small_task(task) for task in TASKS if task.name in ("arithmetic", "counting", "words"))
    for module in (run, state, result):
        monkeypatch.setattr(module, "TASKS", tasks)
    monkeypatch.setattr(result, "CLAIMS", [claim for claim in CLAIMS if "MUT" not in claim.claim])


def suite_events(
    options: SuiteOptions, stop_when: Callable[[SuiteEvent], bool] = lambda event: False
) -> Iterator[SuiteEvent]:
    """Yield the events of a suite, which is stopped by Ctrl-C at the event that `stop_when` names."""
    flag = StopFlag()
    for event in run.run_suite(options, flag):
        if stop_when(event):
            flag.reason = "interrupted"
        yield event


def run_to_end(options: SuiteOptions, stop_when: Callable[[SuiteEvent], bool] = lambda event: False) -> SuiteFinished:
    *_, last = suite_events(options, stop_when)
    assert isinstance(last, SuiteFinished)
    return last


def record(task: str, **figures: tuple[float, ...]) -> TaskRecord:
    """Return a task that is done, with the figures of each cell by seed."""
    cells = [
        CellRecord(
            cell=cell,
            hidden=100,
            parameters=60_000,
            lr=0.008,
            figures=dict(enumerate(values)),
            curves=[[(10, 4.0 - value / 10), (20, 3.0 - value / 10)] for value in values],
        )
        for cell, values in figures.items()
    ]
    return TaskRecord(task=task, steps=20, cells=cells)


def fake_suite() -> SuiteResult:
    """Return a result of two tasks of three."""
    state = SuiteState(
        minutes=40,
        seeds=3,
        words=None,
        spent={"arithmetic": 12.0, "counting": 8.25},
        done=[
            record(
                "arithmetic",
                rnn=(0.53, 0.54, 0.55),
                lstm=(0.72, 0.71, 0.73),
                gru=(0.80, 0.81, 0.80),
                mut1=(0.79, 0.80, 0.79),
                mut3=(0.80, 0.81, 0.82),
            ),
            record("counting", rnn=(9, 10, 12), lstm=(993, 640, 1000), gru=(54, 56, 58), mut1=(50, 51, 51)),
        ],
    )  # fmt: skip
    return make_result(state, "papers")
