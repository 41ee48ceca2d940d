"""The result of a suite: each figure beside that of the paper, and what the papers' claims are worth here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from grucli.comparison.suite.papers import CLAIMS, FIGURES, Claim
from grucli.comparison.suite.state import CellRecord, SuiteState
from grucli.comparison.suite.tasks import TASKS, Measure, Task
from grucli.generation.confidence_interval import student_interval
from grucli.json_record import JsonRecord
from grucli.svg import Chart, Series, render_charts

Interval = tuple[float, float]

AGREES, DISAGREES, NOISE, ONE_SEED, MISSING = "agrees", "disagrees", "within noise", "one seed", "not finished"


@dataclass(frozen=True, slots=True)
class CellFigure(JsonRecord):
    """One cell in a task: the mean over its seeds, and its 95 % interval, None for fewer than two.

    figures: by seed. paper: the figure in the paper, None if it has none. lr: the learning rate that was chosen.
    """

    cell: str
    hidden: int
    parameters: int
    seeds: int
    measure: Measure
    value: float | None
    interval: Interval | None
    paper: float | None
    lr: float
    figures: Mapping[int, float]

    def to_json(self) -> dict[str, object]:
        """Return the fields, with the value under the name of the measure."""
        document = JsonRecord.to_json(self)
        del document["measure"]
        return {self.measure if name == "value" else name: value for name, value in document.items()}


@dataclass(frozen=True, slots=True)
class TaskResult(JsonRecord):
    """A task that is done. summary: what is predicted. steps: of each run. minutes: that it took."""

    task: str
    cells: tuple[CellFigure, ...]
    minutes: float
    summary: str
    measure: Measure
    steps: int


@dataclass(frozen=True, slots=True)
class ClaimResult(JsonRecord):
    """What a claim is worth.

    verdict: "agrees", "disagrees", "within noise", or why there is none: "one seed" or "not finished". difference: by
    how much it is so, in `unit`, a mean over seeds in pairs; below zero it is the other way round. For a claim that
    there is no difference, it is that of the first over the second. interval: at 95 %.
    """

    claim: str
    source: str
    verdict: str
    difference: float | None
    interval: Interval | None
    task: str
    unit: str


@dataclass(frozen=True, slots=True)
class SuiteResult(JsonRecord):
    """The result of `gru compare --suite`: the tasks that are done, in order. minutes: of all tasks so far.

    `curves`: those of validation, by task; not in the JSON document.
    """

    tasks: tuple[TaskResult, ...]
    claims: tuple[ClaimResult, ...]
    minutes: float
    name: str
    curves: Mapping[str, Mapping[str, list[list[tuple[int, float]]]]] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return everything but the curves."""
        document = JsonRecord.to_json(self)
        del document["curves"]
        return document

    def to_svg(self) -> str:
        """Return a picture of the curves, a chart per task: each run, and the mean of a cell."""
        return render_charts(
            [
                Chart(
                    f"{task}: validation, bits per {'word' if task.startswith('words') else 'character'}",
                    "steps",
                    [_series(cell, lines) for cell, lines in cells.items()],
                )
                for task, cells in self.curves.items()
            ]
        )


def _series(cell: str, lines: list[list[tuple[int, float]]]) -> Series:
    mean = [(points[0][0], sum(y for _, y in points) / len(points)) for points in zip(*lines, strict=False)]
    return Series(cell, mean, lines if len(lines) > 1 else ())


def make_result(state: SuiteState, name: str) -> SuiteResult:
    """Return the result of the tasks that are done."""
    tasks = {task.name: task for task in TASKS}
    results = [
        TaskResult(
            task=record.task,
            cells=tuple(_cell_figure(tasks[record.task], cell) for cell in record.cells),
            minutes=state.spent.get(record.task, 0.0),
            summary=tasks[record.task].summary,
            measure=tasks[record.task].measure,
            steps=record.steps,
        )
        for record in state.done
    ]
    figures = {result.task: {cell.cell: cell.figures for cell in result.cells} for result in results}
    wanted = [claim for claim in CLAIMS if state.words is not None or not claim.task.startswith("words")]
    return SuiteResult(
        tasks=tuple(results),
        claims=tuple(judge(claim, figures.get(claim.task, {}), state.seeds) for claim in wanted),
        minutes=sum(state.spent.values()),
        name=name,
        curves={record.task: {cell.cell: cell.curves for cell in record.cells} for record in state.done},
    )


def _cell_figure(task: Task, record: CellRecord) -> CellFigure:
    values = np.array(list(record.figures.values()))
    return CellFigure(
        cell=record.cell,
        hidden=record.hidden,
        parameters=record.parameters,
        seeds=len(values),
        measure=task.measure,
        value=float(values.mean()) if len(values) else None,
        interval=student_interval(values),
        paper=FIGURES[task.name].get(record.cell),
        lr=record.lr,
        figures=record.figures,
    )


def judge(claim: Claim, figures: Mapping[str, Mapping[int, float]], seeds: int) -> ClaimResult:
    """Return what a claim is worth; figures: by cell and seed, {} if the task is not done."""
    common = sorted(set.intersection(*map(set, figures.values()))) if figures else []
    differences = np.array([claim.difference({cell: by[seed] for cell, by in figures.items()}) for seed in common])
    interval = student_interval(differences)
    return ClaimResult(
        claim=claim.claim,
        source=claim.source,
        verdict=_verdict(interval, is_equality=claim.is_equality, is_single=seeds == 1 and len(common) == 1),
        difference=float(differences.mean()) if len(differences) else None,
        interval=interval,
        task=claim.task,
        unit=claim.unit,
    )


def _verdict(interval: Interval | None, *, is_equality: bool, is_single: bool) -> str:
    if interval is None:
        return ONE_SEED if is_single else MISSING
    low, high = interval
    if is_equality:
        return AGREES if low <= 0 <= high else DISAGREES
    return AGREES if low > 0 else DISAGREES if high < 0 else NOISE
