"""The result of a comparison: a table on stdout, and what to do next."""

from collections.abc import Callable, Sequence

from grucli.comparison.events import ComparisonFinished
from grucli.comparison.result import CellResult, Comparison, Interval
from grucli.errors import pluralize
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import format_duration, format_float, format_si
from grucli.ui.terminal.sanitize import sanitize_line

_Column = tuple[str, Callable[[CellResult], str]]


def show_comparison(terminal: Terminal, result: Comparison) -> None:
    """Print the table and the verdict on stdout."""
    print_columns(terminal, [[title, *map(value, result.cells)] for title, value in _columns(result)])
    terminal.print_line(result.verdict)
    if result.equal_seconds is not None and result.steps is not None:
        terminal.info(
            f"bits/char: of the validation data, after {pluralize(result.steps, 'step')}; "
            f"in {format_duration(result.equal_seconds)}: when the fastest cell has finished, the others have not"
        )


def print_columns(terminal: Terminal, columns: Sequence[Sequence[str]]) -> None:
    """Print columns with their titles on stdout, without those on the right that a terminal has no room for."""
    widths = [max(map(len, column)) for column in columns]
    room = terminal.data.width - 1 if terminal.data.is_terminal else sum(widths) + 2 * len(widths)
    shown, used = 0, -2
    while shown < len(columns) and used + 2 + widths[shown] <= room:
        used += 2 + widths[shown]
        shown += 1
    for row in zip(*columns[:shown], strict=True):
        first = f"{row[0]:<{widths[0]}}"
        rest = [f"{value:>{width}}" for value, width in zip(row[1:], widths[1:shown], strict=True)]
        terminal.print_line("  ".join([first, *rest]))


def _columns(result: Comparison) -> Sequence[_Column]:
    """Return the title of each column and its value for a cell, the most important first."""
    first = result.cells[0].cell
    at_time = "at equal time" if result.equal_seconds is None else f"in {format_duration(result.equal_seconds)}"
    columns: list[_Column] = [
        ("cell", lambda cell: cell.cell),
        ("bits/char", lambda cell: with_spread(cell.val_bits_per_char, cell.interval, 3)),
        (f"against {first}", lambda cell: _percent(cell.difference, cell.difference_interval)),
        (at_time, lambda cell: with_spread(cell.val_bits_per_char_at_equal_time, cell.interval_at_equal_time, 3)),
        ("tokens/s", lambda cell: "-" if cell.tokens_per_second is None else format_si(cell.tokens_per_second)),
        ("hidden", lambda cell: f"{cell.hidden:,}"),
        ("parameters", lambda cell: f"{cell.parameters:,}"),
        ("memory", lambda cell: f"{format_si(cell.memory)}B"),
    ]
    if any(cell.sweep for cell in result.cells):
        columns.append(("rate", lambda cell: f"{cell.lr:g}"))
    return columns


def with_spread(value: float | None, interval: Interval | None, decimals: int) -> str:
    """Return a value with half the width of its interval."""
    if value is None or interval is None:
        return format_float(value, decimals)
    return f"{value:.{decimals}f} ± {(interval[1] - interval[0]) / 2:.{decimals}f}"


def _percent(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return "-"
    spread = "" if interval is None else f" ± {(interval[1] - interval[0]) / 2:.1f}"
    return f"{value:+.1f} %{spread}"


def print_comparison_end(terminal: Terminal, finished: ComparisonFinished, resume: str) -> None:
    """Print how a comparison ended and what to try next; `resume` is the command that resumes it."""
    if finished.reason not in ("limit", "diverged"):
        terminal.info("\nstopped; every run is saved")
        terminal.info(f"resume with:  {sanitize_line(resume)}")
        return
    models = [run.model for cell in finished.comparison.cells for run in cell.runs[:1]]
    if models:
        terminal.info(f"\nthe trained models are listed by: gru models\ntry:  gru sample {models[0]}", indent=6)
