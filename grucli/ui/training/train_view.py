"""Display of a training run: a dashboard on a terminal, one table row per evaluation elsewhere."""

import time
from collections.abc import Callable, Iterable

from rich.console import Console
from rich.text import Text

from grucli.read.schema import describe_inputs
from grucli.training.events import (
    Compiling,
    Evaluated,
    SetupProgress,
    StepCompleted,
    TrainEvent,
    TrainFinished,
    TrainStarted,
)
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.dashboard_view import DashboardView
from grucli.ui.terminal.formatting import format_duration, format_float
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.training.dashboard import TrainDashboard, compiling_message

_HEADER = f"{'step':>8} {'tokens':>12} {'time':>8} {'train':>7} {'val':>9} {'bits/char':>10} {'tokens/s':>9}"
_CONTEXT_HEADER = f" {'context':>8}"
_BEST_LEGEND = "* = best so far"


class TrainView(DashboardView):
    """Shows events as they come: a live dashboard on a terminal, table rows otherwise; first what is trained and why.

    Rows are data and go to stdout, unless that is for a JSON document. The dashboard is progress and goes to stderr; if
    only one of the two streams is a terminal, rows are printed.
    """

    def __init__(
        self,
        terminal: Terminal,
        json: bool = False,
        stop_requested: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`json` keeps stdout free, `stop_requested` returns True once the run was asked to stop."""
        super().__init__(terminal, draws=json or terminal.data.is_terminal, clock=clock)
        self._json = json
        self._dashboard = TrainDashboard(stop_requested)
        self._header_printed = False

    def follow(self, events: Iterable[TrainEvent]) -> TrainFinished:
        """Show a whole run and return its last event."""
        for event in events:
            self.show(event)
            if isinstance(event, TrainFinished):
                return event
        raise RuntimeError("the run ended without TrainFinished")

    def show(self, event: TrainEvent) -> None:
        """Show one event."""
        with self._lock:
            self._dashboard.update(event)
        if isinstance(event, StepCompleted | Evaluated):
            self._has_progress = True
        # On a terminal the dashboard has no room for whole sentences: they are printed above it.
        if self._live is None or isinstance(event, TrainStarted):
            self._report(event)

    def _render_dashboard(self, console: Console) -> list[Text]:
        return self._dashboard.render(console)

    def _report(self, event: TrainEvent) -> None:
        match event:
            case SetupProgress():
                self._report_stage(event.stage)
            case TrainStarted():
                self._terminal.info(sanitize_line(event.description))
                for line in (*event.decisions, *describe_inputs(event.inputs)):
                    self._terminal.info(sanitize_line(line))
                for note in event.notices:
                    self._terminal.warn(note)
            case Compiling():
                self._terminal.info(compiling_message(event))
            case Evaluated():
                self._report_evaluation(event)
            case _:
                pass

    def _report_evaluation(self, event: Evaluated) -> None:
        if not self._header_printed:
            self._header_printed = True
            self._terminal.info(_BEST_LEGEND)
            self._print_row(_HEADER if event.context_gain_bits is None else _HEADER + _CONTEXT_HEADER)
        context = "" if event.context_gain_bits is None else f" {format_float(event.context_gain_bits, 2):>8}"
        self._print_row(
            f"{event.step:>8} {event.tokens:>12} {format_duration(event.seconds):>8} "
            f"{format_float(event.train_nats):>7} {format_float(event.val_nats):>9} "
            f"{format_float(event.val_bits_per_char):>10} {event.tokens_per_second:>9.0f}{context}"
            f"{' *' if event.is_best else ''}"
        )

    def _print_row(self, line: str) -> None:
        if self._json:
            self._terminal.info(line)
        else:
            self._terminal.print_data(line)


def print_train_result(terminal: Terminal, finished: TrainFinished, resume: str) -> None:
    """Print how a run ended, where the model is and what to try next; `resume` is the command that resumes it."""
    summary = finished.summary
    if finished.error is not None:
        terminal.print_error(finished.error)
        return
    name, path = sanitize_line(summary.model), sanitize_line(summary.path)
    if finished.reason in ("interrupted", "terminated", "hung up"):
        terminal.info(f"\nstopped after step {summary.steps:,}; saved in {path}")
        terminal.info(f"resume with:  {sanitize_line(resume)}")
        return
    messages = {
        "early_stopping": f"the validation loss has stopped improving; {name} is ready",
        "already finished": f"{name} is already fully trained",
    }
    terminal.info(f"\n{messages.get(finished.reason, f'{name} is ready')}: {path}")
    if finished.best_step is not None:
        terminal.info(f"validation has not improved since step {finished.best_step:,}: the best weights are from there")
    terminal.info(f"try:  gru sample {name}\n      gru chat {name}", indent=6)
