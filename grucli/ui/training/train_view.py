"""Display of a training run: a dashboard on a terminal, one table row per evaluation elsewhere."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Self

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
from grucli.ui.terminal.formatting import format_duration, format_float
from grucli.ui.terminal.live_display import LiveDisplay
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.terminal.startup_message import STARTUP_MESSAGE
from grucli.ui.training.dashboard import TrainDashboard, compiling_message

_HEADER = f"{'step':>8} {'tokens':>12} {'time':>8} {'train':>7} {'val':>9} {'bits/char':>10} {'tokens/s':>9}"
_CONTEXT_HEADER = f" {'context':>8}"
_REPORT_STAGE_AFTER = 2.0  # seconds: a stage of the setup that lasts longer gets a line
_BEST_LEGEND = "* = best so far"


class TrainView:
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
        self._terminal = terminal
        self._json = json
        self._dashboard = TrainDashboard(stop_requested)
        self._lock = threading.Lock()
        self._live: LiveDisplay | None = None
        self._clock = clock
        self._stages: dict[str, float] = {}
        self._reported: set[str] = set()
        self._has_progress = False
        self._header_printed = False

    def __enter__(self) -> Self:
        if self._terminal.live and (self._json or self._terminal.data.is_terminal):
            self._live = LiveDisplay(self._terminal, self._render)
            self._live.start()
        else:
            self._terminal.info(STARTUP_MESSAGE)
        return self

    def __exit__(self, exc_type: object, *_: object) -> None:
        if self._live is not None:
            self._live.stop(keep=exc_type is None or self._has_progress)

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

    def _render(self) -> list[Text]:
        # Called from the thread of the live display.
        with self._lock:
            return self._dashboard.render(self._terminal.messages)

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

    def _report_stage(self, stage: str) -> None:
        now = self._clock()
        started_at = self._stages.setdefault(stage, now)
        if stage not in self._reported and now - started_at >= _REPORT_STAGE_AFTER:
            self._reported.add(stage)
            self._terminal.info(sanitize_line(stage))

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
