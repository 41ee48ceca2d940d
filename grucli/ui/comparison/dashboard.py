"""Dashboard of a comparison, from its events: all curves in one plot, a bar per cell, the time left."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from grucli.comparison.events import (
    ComparisonFinished,
    ComparisonStarted,
    PhaseStarted,
    RateChosen,
    RunDiverged,
    RunEvent,
    SuiteEvent,
    SuiteFinished,
)
from grucli.errors import pluralize
from grucli.training.events import (
    Compiled,
    Compiling,
    Evaluated,
    SetupProgress,
    StepCompleted,
    TrainEvent,
    TrainFinished,
    TrainStarted,
)
from grucli.ui.comparison.plot import MARKS, STYLES, PlotRange, range_of, render_plot
from grucli.ui.terminal.formatting import bar, fit_fields, format_duration, format_float, format_si
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.terminal.startup_message import STARTUP_MESSAGE
from grucli.ui.training.dashboard import compiling_message

_MAX_COLUMNS = 120
_LABEL_COLUMNS = 6
_MAX_PLOT_ROWS = 14
_MIN_SPACED_LINES = 18
"""Lines below which there are no blank lines, so that the plot fits."""
_MIN_BAR_COLUMNS, _MAX_BAR_COLUMNS = 6, 16
_DIM_STYLE = "dim"


@dataclass
class _RunProgress:
    step: int = 0
    points: list[tuple[float, float]] = field(default_factory=list)


@dataclass
class _CellProgress:
    """The runs of one cell by name, and its latest figures."""

    runs: dict[str, _RunProgress] = field(default_factory=dict)
    bits: float | None = None
    tokens_per_second: float | None = None

    @property
    def steps(self) -> int:
        return sum(run.step for run in self.runs.values())


class CompareDashboard:
    """The state of a comparison, rendered for any width and height."""

    def __init__(
        self, stop_requested: Callable[[], bool] = lambda: False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`stop_requested` returns True once the comparison was asked to stop, `clock` returns seconds."""
        self._stop_requested, self._clock = stop_requested, clock
        self._message = STARTUP_MESSAGE
        self._compiling: str | None = None
        self._started: ComparisonStarted | None = None
        self._phase: PhaseStarted | None = None
        self._finished = False
        self._cells: dict[str, _CellProgress] = {}
        self._trained_steps = 0
        self._training_since: float | None = None

    def update(self, event: SuiteEvent) -> None:
        """Process one event."""
        match event:
            case SetupProgress():
                share = f" {event.done / event.total:.0%}" if event.total else ""
                self._message = event.stage + share
            case Compiling() | Compiled():
                self._update_compiling(event)
            case ComparisonStarted():
                # Of a suite this is the next task, whose steps take another time.
                self._started, self._phase = event, None
                self._trained_steps, self._training_since = 0, None
                self._cells = {cell: _CellProgress() for cell in event.cells}
            case PhaseStarted():
                self._begin_phase(event)
            case RunEvent():
                self._update_run(event.cell, event.run, event.event)
            case ComparisonFinished() | SuiteFinished():
                self._finished = True
            case RateChosen() | RunDiverged():
                pass

    def _begin_phase(self, event: PhaseStarted) -> None:
        self._phase = event
        self._cells = {cell: _CellProgress() for cell in self._cells}
        if event.later_steps == 0 and self._started is not None:
            for cell, run, evaluations in self._started.evaluations:
                progress = self._cells[cell].runs.setdefault(run, _RunProgress())
                for line in evaluations:
                    progress.step = line.step
                    self._add_point(self._cells[cell], progress, line.step, line.val_bits_per_char)

    def _update_run(self, cell: str, run: str, event: TrainEvent) -> None:
        cell_progress = self._cells[cell]
        progress = cell_progress.runs.setdefault(run, _RunProgress())
        match event:
            case TrainStarted():
                # A run that was killed is resumed from its last checkpoint, which may be before its last evaluation.
                progress.step, progress.points = event.step, []
                for evaluated in event.previous_evaluations:
                    self._add_point(cell_progress, progress, evaluated.step, evaluated.val_bits_per_char)
            case StepCompleted():
                if self._training_since is None:
                    self._training_since = self._clock()
                else:
                    self._trained_steps += event.step - progress.step
                progress.step = event.step
                cell_progress.tokens_per_second = event.tokens_per_second
            case Evaluated():
                self._add_point(cell_progress, progress, event.step, event.val_bits_per_char)
            case TrainFinished():
                progress.step = event.summary.steps
            case Compiling() | Compiled():
                self._update_compiling(event)
            case _:
                pass

    def _update_compiling(self, event: Compiling | Compiled) -> None:
        if isinstance(event, Compiling):
            self._compiling = compiling_message(event)
            return
        self._compiling = None
        if self._training_since is not None:  # of another cell: compiling is no part of the time that is left
            self._training_since += event.seconds

    def _add_point(self, cell: _CellProgress, run: _RunProgress, step: int, bits: float | None) -> None:
        if bits is not None:
            run.points.append((step, bits))
            cell.bits = bits

    def render(self, console: Console) -> list[Text]:
        """Return the lines of the dashboard, within the width and height of `console`."""
        width, height = max(min(console.width, _MAX_COLUMNS) - 1, 1), console.height - 1
        in_color = not (console.no_color or console.options.ascii_only)
        gap = [Text()] if height >= _MIN_SPACED_LINES else []
        if self._phase is None:
            lines = [*self._heading(width), Text(sanitize_line(self._compiling or self._message))]
        else:
            heading, bars = self._heading(width), self._bars(width, console.options.ascii_only, in_color)
            free = height - len(heading) - len(bars) - 3 * len(gap) - 3
            plot = self._plot(width, min(free, _MAX_PLOT_ROWS), in_color)
            lines = [*heading, *gap, *plot, *gap, *bars]
        if self._started is not None and not self._finished:
            words = "saving and stopping" if self._stop_requested() else "Ctrl-C saves and stops"
            if self._phase is not None and self._compiling is not None:
                words = self._compiling
            lines += [*gap, Text(words, _DIM_STYLE)]
        for line in lines:
            line.rstrip()  # a terminal that becomes narrower would wrap trailing spaces
            line.truncate(width, overflow="crop")
        return lines[:height]

    def _heading(self, width: int) -> list[Text]:
        if self._started is None:
            return []
        name, fields = sanitize_line(self._started.name), []
        if self._phase is not None:
            noun = "learning rate" if self._phase.later_steps else "seed"
            fields = [
                self._phase.phase,
                pluralize(self._phase.runs, noun),
                f"{pluralize(self._phase.steps, 'step')} each",
            ]
        caption = ", ".join(fields)
        fits = len(name) + 2 + len(caption) <= width
        return [Text.assemble((name, "bold"), (f"  {caption}" if fits else "", _DIM_STYLE))]

    def _plot(self, width: int, rows: int, in_color: bool) -> list[Text]:
        """Render the plot with its labels at a fixed height, so that nothing moves."""
        if rows < 2 or self._phase is None:
            return []
        title = Text("validation, bits per character", _DIM_STYLE)
        curves = {cell: [run.points for run in progress.runs.values()] for cell, progress in self._cells.items()}
        shown = range_of(curves, self._phase.steps)
        if shown is None:
            waiting = [Text("no evaluation yet", _DIM_STYLE)]
            return [title, *waiting, *[Text()] * rows]
        lines = render_plot(curves, shown, max(width - _LABEL_COLUMNS, 1), rows, in_color=in_color)
        labels = [format_float(shown.high, 2), *[""] * (rows - 2), format_float(shown.low, 2)]
        labeled = [
            Text.assemble((f"{label:>{_LABEL_COLUMNS - 1}} ", _DIM_STYLE), line)
            for label, line in zip(labels, lines, strict=True)
        ]
        return [title, *labeled, _x_axis(shown, width)]

    def _bars(self, width: int, ascii_only: bool, in_color: bool) -> list[Text]:
        """Render a line per cell, and the progress of all."""
        assert self._phase is not None
        total = self._phase.steps * self._phase.runs
        names = self._names(in_color)
        label_columns = max(map(len, names.values())) + 1
        bar_columns = max(_MIN_BAR_COLUMNS, min(width // 5, _MAX_BAR_COLUMNS))
        lines = []
        for index, (cell, progress) in enumerate(self._cells.items()):
            style = STYLES[index % len(STYLES)] if in_color else ""
            share = min(progress.steps / total, 1.0)
            speed = progress.tokens_per_second
            fields = [
                f"{share:4.0%}",
                f"{format_float(progress.bits)} bits/char",
                "" if speed is None else f"{format_si(speed)} tokens/s",
            ]
            fitting = fit_fields(fields, width - label_columns - bar_columns - 1)
            drawn = bar(share, bar_columns, ascii_only, style)
            lines.append(Text.assemble((f"{names[cell]:<{label_columns}}", style), drawn, " ", " · ".join(fitting)))
        return [*lines, self._total(width, ascii_only, total * len(self._cells), label_columns)]

    def _names(self, in_color: bool) -> Mapping[str, str]:
        """Return the label of each cell, with its letter in the plot where it has one."""
        return {cell: cell if in_color else f"{mark} {cell}" for mark, cell in zip(MARKS, self._cells, strict=False)}

    def _total(self, width: int, ascii_only: bool, total: int, label_columns: int) -> Text:
        done = sum(progress.steps for progress in self._cells.values())
        assert self._phase is not None
        later = self._phase.later_steps * len(self._cells)
        share = min(done / (total + later), 1.0)
        caption = f" {share:4.0%}{self._eta(total + later - done)}"
        columns = max(min(width - label_columns - len(caption), 2 * _MAX_BAR_COLUMNS), 4)
        return Text.assemble(f"{'all':<{label_columns}}", bar(share, columns, ascii_only, "green"), caption)

    def _eta(self, left: int) -> str:
        """Estimate the time left from the steps of this session, evaluations included."""
        if self._training_since is None or self._trained_steps <= 0 or self._finished:
            return ""
        seconds = (self._clock() - self._training_since) / self._trained_steps * left
        return f" · {format_duration(seconds)} left"


def _x_axis(shown: PlotRange, width: int) -> Text:
    end = pluralize(round(shown.x_max), "step")
    return Text(f"{' ' * _LABEL_COLUMNS}0{end:>{max(width - _LABEL_COLUMNS - 1, 0)}}", _DIM_STYLE)
