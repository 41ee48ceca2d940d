"""The result of a suite: a table per task on stdout, the papers' claims, and what to do next."""

from collections.abc import Callable, Sequence

from grucli.comparison.events import SuiteFinished
from grucli.comparison.suite.papers import SOURCES
from grucli.comparison.suite.result import CellFigure, ClaimResult, SuiteResult, TaskResult
from grucli.comparison.suite.tasks import Measure
from grucli.errors import pluralize
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.views.comparison_view import print_columns, with_spread

_DECIMALS: dict[Measure, int] = {"accuracy": 3, "longest": 0, "perplexity": 1}


def show_suite(terminal: Terminal, result: SuiteResult) -> None:
    """Print each figure beside that of its paper, and each claim with its verdict."""
    for task in result.tasks:
        steps = pluralize(task.steps, "step")
        terminal.print_line(f"{task.task}: {task.summary}; {steps} per run, {task.minutes:.1f} minutes")
        print_columns(terminal, [[title, *map(value, task.cells)] for title, value in _columns(task)])
        terminal.print_line("")
    for claim in result.claims:
        terminal.print_line(describe_claim(claim))
    terminal.info(
        "lstm starts with a forget bias of 1, as the paper's LSTM-b; one with a bias of 0, or without a forget gate, "
        "is not repeated. mut2 is gru to the bit. The papers' figures were not checked against the papers."
    )


def _columns(task: TaskResult) -> Sequence[tuple[str, Callable[[CellFigure], str]]]:
    decimals = _DECIMALS[task.measure]
    return [
        ("cell", lambda cell: cell.cell),
        (task.measure, lambda cell: with_spread(cell.value, cell.interval, decimals)),
        (SOURCES[task.task], lambda cell: "-" if cell.paper is None else f"{cell.paper:.{decimals}f}"),
        ("hidden", lambda cell: f"{cell.hidden:,}"),
        ("parameters", lambda cell: f"{cell.parameters:,}"),
        ("seeds", lambda cell: str(cell.seeds)),
        ("rate", lambda cell: f"{cell.lr:g}"),
    ]


def describe_claim(claim: ClaimResult) -> str:
    """Return a claim in a sentence, with its verdict in front."""
    figures = ""
    if claim.difference is not None:
        spread = "" if claim.interval is None else f" ± {(claim.interval[1] - claim.interval[0]) / 2:.3g}"
        figures = f": {claim.difference:+.3g}{spread} {claim.unit}".rstrip()
    return f"{claim.verdict}: {claim.claim}{figures} ({claim.source})"


def print_suite_end(terminal: Terminal, finished: SuiteFinished, resume: str) -> None:
    """Print how a suite ended; `resume` is the command that resumes it."""
    if finished.reason != "limit":
        terminal.info("\nstopped; every run is saved")
        terminal.info(f"resume with:  {sanitize_line(resume)}")
