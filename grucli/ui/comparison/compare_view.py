"""Display of a comparison: a dashboard on a terminal, one table row per evaluation elsewhere."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from grucli.comparison.events import ComparisonStarted, RateChosen, RunDiverged, RunEvent, SuiteEvent
from grucli.read.schema import describe_inputs
from grucli.training.events import Compiling, Evaluated, SetupProgress, StepCompleted
from grucli.ui.comparison.dashboard import CompareDashboard
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.dashboard_view import DashboardView
from grucli.ui.terminal.formatting import format_duration, format_float
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.training.dashboard import compiling_message

_ROW = "{:<24} {:>8} {:>8} {:>7} {:>9} {:>9}"
_HEADER = _ROW.format("run", "step", "time", "train", "bits/char", "tokens/s")


class CompareView(DashboardView):
    """Shows events as they come, on stderr: stdout is for the result."""

    def __init__(
        self,
        terminal: Terminal,
        stop_requested: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`stop_requested` returns True once the comparison was asked to stop."""
        super().__init__(terminal, draws=True, clock=clock)
        self._dashboard = CompareDashboard(stop_requested, clock)
        self._header_printed = False

    def show(self, event: SuiteEvent) -> None:
        """Show one event."""
        with self._lock:
            self._dashboard.update(event)
        match event:
            case ComparisonStarted():
                self._report_start(event)
            case RateChosen():
                self._report_rate(event)
            case RunDiverged():
                self._terminal.warn(f"{event.run}: {event.error.message}")
            case RunEvent():
                self._has_progress = self._has_progress or isinstance(event.event, StepCompleted)
                if self._live is None:
                    self._report_run(event)
            case SetupProgress() if self._live is None:
                self._report_stage(event.stage)
            case Compiling() if self._live is None:
                self._terminal.info(compiling_message(event))
            case _:
                pass

    def _render_dashboard(self, console: Console) -> list[Text]:
        return self._dashboard.render(console)

    def _report_start(self, event: ComparisonStarted) -> None:
        for line in (*event.descriptions, *describe_inputs(event.inputs)):
            self._terminal.info(sanitize_line(line))
        for notice in event.notices:
            self._terminal.warn(notice)

    def _report_rate(self, event: RateChosen) -> None:
        tried = ", ".join(f"{lr:g}: {'diverged' if bits is None else f'{bits:.3f}'}" for lr, bits in event.sweep)
        self._terminal.info(f"learning rate of {event.cell}: {event.lr:g} (bits per character with {tried})")
        if event.at_edge:
            self._terminal.warn(
                f"the best learning rate of {event.cell} is at the edge of the search: a better one may be beyond"
            )

    def _report_run(self, event: RunEvent) -> None:
        match event.event:
            case Compiling():
                self._terminal.info(compiling_message(event.event))
            case Evaluated() as evaluated:
                if not self._header_printed:
                    self._header_printed = True
                    self._terminal.info(_HEADER)
                self._terminal.info(
                    _ROW.format(
                        sanitize_line(event.run),
                        evaluated.step,
                        format_duration(evaluated.seconds),
                        format_float(evaluated.train_nats),
                        format_float(evaluated.val_bits_per_char),
                        f"{evaluated.tokens_per_second:.0f}",
                    )
                )
            case _:
                pass
