"""The result of a comparison, from the evaluations of its runs: means, intervals, and a verdict in a sentence."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grucli.comparison.options import CompareOptions
from grucli.comparison.plan import CellPlan, Plan, run_dir
from grucli.errors import list_names
from grucli.generation.confidence_interval import student_interval
from grucli.json_record import JsonRecord
from grucli.model.store import Metrics, read_metrics
from grucli.read.schema import Schema
from grucli.svg import Chart, Series, render_charts

Interval = tuple[float, float]
_Bits = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RunResult(JsonRecord):
    """One finished run. Losses are those of its last step, in bits per character of the validation data."""

    model: str
    seed: int
    val_bits_per_char: float
    val_bits_per_char_at_equal_time: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class CellResult(JsonRecord):
    """One cell: means over its finished seeds, None without one, with their 95 % intervals, None for fewer than two.

    seeds: number of finished runs. val_bits_per_char: after the same number of steps for all cells. memory: bytes that
    training takes. val_bits_per_char_at_equal_time: read off the curve where the fastest cell ends; that favors it a
    little, as only its learning rate has fallen to the end by then. difference: of the loss from that of the first
    cell, in percent, the seeds in pairs; negative is better. sweep: bits per character by learning rate, where it was
    searched.
    """

    cell: str
    hidden: int
    parameters: int
    seeds: int
    val_bits_per_char: float | None
    interval: Interval | None
    tokens_per_second: float | None
    memory: int
    val_bits_per_char_at_equal_time: float | None
    interval_at_equal_time: Interval | None
    difference: float | None
    difference_interval: Interval | None
    lr: float
    sweep: tuple[tuple[float, float | None], ...]
    diverged_seeds: tuple[int, ...]
    runs: tuple[RunResult, ...]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One evaluation. `seconds` counts training alone."""

    step: int
    seconds: float
    bits: float


@dataclass(frozen=True, slots=True)
class Comparison(JsonRecord):
    """The result of `gru compare`. `steps`: of each run. `equal_seconds`: what the fastest cell took for them.

    `curves`: the evaluations of each run, by cell; not in the JSON document, as `metrics.jsonl` of each model has them.
    """

    cells: tuple[CellResult, ...]
    verdict: str
    name: str
    steps: int | None
    equal_seconds: float | None
    inputs: tuple[Schema, ...] = ()
    curves: dict[str, tuple[tuple[CurvePoint, ...], ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return everything but the curves."""
        document = JsonRecord.to_json(self)
        del document["curves"]
        return document

    def to_svg(self) -> str:
        """Return a picture of the curves, over steps and over seconds of training: each run, and the mean of a cell."""
        title = f"{self.name}: validation, bits per character"
        charts = [
            Chart(
                title, "steps", [_series(cell, runs, lambda point: point.step) for cell, runs in self.curves.items()]
            ),
            Chart(
                title,
                "seconds of training",
                [_series(cell, runs, lambda point: point.seconds) for cell, runs in self.curves.items()],
            ),
        ]
        return render_charts(charts)


def _series(cell: str, runs: Sequence[Sequence[CurvePoint]], x_of: Callable[[CurvePoint], float]) -> Series:
    lines = [[(x_of(point), point.bits) for point in run] for run in runs if run]
    # Runs of one cell are evaluated at the same steps; some may have got less far.
    mean = [tuple(map(_average, zip(*points, strict=True))) for points in zip(*lines, strict=False)]
    return Series(cell, [(x, y) for x, y in mean], lines if len(lines) > 1 else ())


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values)


@dataclass(frozen=True)
class _RunCurve:
    model: str
    seed: int
    points: tuple[CurvePoint, ...]
    metrics: list[Metrics]

    def is_finished(self, steps: int | None) -> bool:
        return bool(self.points) and self.points[-1].step == steps


def make_result(
    plan: Plan, options: CompareOptions, diverged: Sequence[tuple[str, int]] = (), inputs: tuple[Schema, ...] = ()
) -> Comparison:
    """Return the result of what is trained so far. diverged: cell and seed of runs that did.

    Raises:
        OSError: the metrics of a model exist and cannot be read.
    """
    curves = {cell.cell: list(_curves(plan, options, cell.cell)) for cell in plan.cells}
    finished = {cell: [run for run in runs if run.is_finished(plan.steps)] for cell, runs in curves.items()}
    seconds = {cell: _average([run.points[-1].seconds for run in runs]) for cell, runs in finished.items() if runs}
    equal_seconds = min(seconds.values()) if len(seconds) == len(plan.cells) else None
    results: list[CellResult] = []
    for cell in plan.cells:
        equal_step = None
        if equal_seconds is not None and plan.steps is not None:
            equal_step = plan.steps * equal_seconds / max(seconds[cell.cell], 1e-9)
        runs = tuple(_run_result(run, equal_step) for run in finished[cell.cell])
        own_diverged = tuple(seed for diverged_cell, seed in diverged if diverged_cell == cell.cell)
        results.append(_cell_result(cell, runs, finished[cell.cell], own_diverged, results))
    return Comparison(
        cells=tuple(results),
        verdict=verdict(results, plan.seeds),
        name=options.model_name(),
        steps=plan.steps,
        equal_seconds=equal_seconds,
        inputs=inputs,
        curves={cell: tuple(run.points for run in runs) for cell, runs in curves.items()},
    )


def read_evaluations(plan: Plan, run: Path) -> list[Metrics]:
    """Return the evaluations of a run so far, the oldest first.

    Raises:
        OSError: the file exists and cannot be read.
    """
    return [] if plan.is_earlier(run) else read_metrics(run)


def _curves(plan: Plan, options: CompareOptions, cell: str) -> Iterator[_RunCurve]:
    for seed in plan.seed_numbers:
        path = run_dir(options, cell, seed)
        # Somebody may have trained the model further.
        metrics = [line for line in read_evaluations(plan, path) if plan.steps is None or line.step <= plan.steps]
        points = tuple(
            CurvePoint(line.step, line.seconds, line.val_bits_per_char)
            for line in metrics
            if line.val_bits_per_char is not None
        )
        yield _RunCurve(path.name, seed, points, metrics)


def _run_result(run: _RunCurve, equal_step: float | None) -> RunResult:
    at_equal_time = None if equal_step is None else bits_at(run.points, equal_step)
    return RunResult(run.model, run.seed, run.points[-1].bits, at_equal_time, run.points[-1].seconds)


def bits_at(points: Sequence[CurvePoint], step: float) -> float | None:
    """Return the loss at a step between two evaluations, linearly; None before the first one."""
    for before, after in pairwise(points):
        if before.step <= step <= after.step and before.step < after.step:
            share = (step - before.step) / (after.step - before.step)
            return before.bits + share * (after.bits - before.bits)
    return points[-1].bits if points and step >= points[-1].step else None


def _cell_result(
    cell: CellPlan,
    runs: tuple[RunResult, ...],
    curves: Sequence[_RunCurve],
    diverged: tuple[int, ...],
    others: Sequence[CellResult],
) -> CellResult:
    """Return the result of a cell; the first of the `others` is what it is compared with."""
    bits = np.array([run.val_bits_per_char for run in runs])
    at_time = [run.val_bits_per_char_at_equal_time for run in runs]
    timed = np.array([value for value in at_time if value is not None])
    timed = timed if len(timed) == len(runs) else np.array([])
    seconds, tokens = sum(run.seconds for run in runs), sum(curve.metrics[-1].tokens for curve in curves)
    difference, difference_interval = _difference(others[0], runs) if others else (None, None)
    return CellResult(
        cell=cell.cell,
        hidden=cell.hidden,
        parameters=cell.parameters,
        seeds=len(runs),
        val_bits_per_char=_mean(bits),
        interval=student_interval(bits),
        tokens_per_second=tokens / seconds if seconds > 0 else None,
        memory=cell.memory,
        val_bits_per_char_at_equal_time=_mean(timed),
        interval_at_equal_time=student_interval(timed),
        difference=difference,
        difference_interval=difference_interval,
        lr=cell.lr,
        sweep=tuple(cell.sweep),
        diverged_seeds=diverged,
        runs=runs,
    )


def _difference(first: CellResult, runs: Sequence[RunResult]) -> tuple[float | None, Interval | None]:
    """Return how much larger the loss of `runs` is than that of the first cell, in percent of the latter."""
    pairs = _paired(first.runs, runs)
    if not len(pairs):
        return None, None
    percent = 100 * (pairs[:, 1] - pairs[:, 0]) / pairs[:, 0].mean()
    return float(percent.mean()), student_interval(percent)


def _paired(runs: Sequence[RunResult], others: Sequence[RunResult]) -> _Bits:
    """Return the losses [n, 2] of the seeds that both have."""
    bits = {run.seed: run.val_bits_per_char for run in others}
    return np.array([(run.val_bits_per_char, bits[run.seed]) for run in runs if run.seed in bits]).reshape(-1, 2)


def verdict(cells: Sequence[CellResult], seeds: int) -> str:
    """Return in a sentence what the differences are worth: the best cell against each other one, the seeds in pairs."""
    diverged = [cell.cell for cell in cells if cell.diverged_seeds]
    if diverged:
        return f"{list_names(diverged)} diverged: no verdict; search the learning rates, or use a lower one"
    if any(cell.seeds < seeds for cell in cells):
        return "not finished: no verdict"
    if seeds == 1:
        return "one seed: no statement about noise"
    best = min(cells, key=lambda cell: cell.val_bits_per_char or 0.0)
    return "; ".join(_compare_pair(best, other) for other in cells if other is not best)


def _compare_pair(best: CellResult, other: CellResult) -> str:
    pairs = _paired(best.runs, other.runs)
    percent = 100 * (pairs[:, 1] - pairs[:, 0]) / pairs[:, 1].mean()
    interval = student_interval(percent)
    if interval is None or interval[0] <= 0:
        return f"between {best.cell} and {other.cell} no difference beyond noise"
    mean = float(percent.mean())
    return f"{best.cell} is better than {other.cell} by {mean:.1f} % ± {mean - interval[0]:.1f}"


def _mean(values: _Bits) -> float | None:
    return float(values.mean()) if len(values) else None
