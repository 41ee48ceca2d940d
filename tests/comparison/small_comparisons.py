"""Small comparisons for the tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

from grucli.comparison.compare import compare
from grucli.comparison.events import CompareEvent, ComparisonFinished, RunEvent
from grucli.comparison.options import CompareOptions
from grucli.comparison.result import CellResult, Comparison, CurvePoint, RunResult, verdict
from grucli.generation.confidence_interval import student_interval
from grucli.training.events import StepCompleted
from grucli.training.signals import StopFlag


def small_options(corpus: Path, **changes: object) -> CompareOptions:
    defaults: dict[str, object] = {
        "sources": [str(corpus)],
        "name": "small",
        "cells": "gru,lstm",
        "hidden": 24,
        "embed": 6,
        "batch": 4,
        "seq": 8,
        "steps": 12,
        "eval_every": 6,
        "seeds": 2,
        "threads": 1,
    }
    return CompareOptions(**(defaults | changes))  # type: ignore[arg-type]


def compare_events(
    options: CompareOptions, stop_when: Callable[[CompareEvent], bool] = lambda event: False
) -> Iterator[CompareEvent]:
    """Yield the events of a comparison, which is stopped by Ctrl-C at the event that `stop_when` names."""
    flag = StopFlag()
    for event in compare(options, flag):
        if stop_when(event):
            flag.reason = "interrupted"
        yield event


def compare_to_end(
    options: CompareOptions, stop_when: Callable[[CompareEvent], bool] = lambda event: False
) -> ComparisonFinished:
    *_, last = compare_events(options, stop_when)
    assert isinstance(last, ComparisonFinished)
    return last


def at_step(run: str, step: int) -> Callable[[CompareEvent], bool]:
    """Return a condition: the run has done so many steps."""
    return lambda event: (
        isinstance(event, RunEvent)
        and event.run == run
        and isinstance(event.event, StepCompleted)
        and event.event.step >= step
    )


def cell_result(cell: str, *bits: float, first: "CellResult | None" = None) -> CellResult:
    """Return a result with these losses, by seed."""
    import numpy as np

    runs = tuple(RunResult(f"talk-{cell}-{seed}", seed, loss, loss + 0.01, 60.0) for seed, loss in enumerate(bits))
    values = np.array(bits)
    percent = None if first is None else 100 * (values / np.array([run.val_bits_per_char for run in first.runs]) - 1)
    return CellResult(
        cell=cell,
        hidden=256,
        parameters=312_345,
        seeds=len(bits),
        val_bits_per_char=float(values.mean()) if len(bits) else None,
        interval=student_interval(values),
        tokens_per_second=41_234.5,
        memory=38_000_000,
        val_bits_per_char_at_equal_time=float(values.mean()) + 0.01 if len(bits) else None,
        interval_at_equal_time=student_interval(values + 0.01),
        difference=None if percent is None else float(percent.mean()),
        difference_interval=None if percent is None else student_interval(percent),
        lr=0.004,
        sweep=(),
        diverged_seeds=(),
        runs=runs,
    )


def fake_comparison() -> Comparison:
    """Return a result of three cells: two alike, and one worse."""
    first = cell_result("rnn", 2.01, 2.03, 2.02)
    cells = (
        first,
        cell_result("gru", 1.93, 1.94, 1.95, first=first),
        cell_result("lstm", 1.95, 1.93, 1.94, first=first),
    )
    curve = tuple(CurvePoint(step, step / 10, 2 + 50 / step) for step in (50, 100, 200))
    return Comparison(cells, verdict(cells, 3), "talk", 200, 20.0, curves={cell.cell: (curve, curve) for cell in cells})
