"""Display of long work from its events: a dashboard drawn in place on a terminal, lines elsewhere."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.live_display import LiveDisplay
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.terminal.startup_message import STARTUP_MESSAGE

_REPORT_STAGE_AFTER = 2.0  # seconds: a stage of the setup that lasts longer gets a line


class DashboardView(ABC):
    """A `with` block in which a dashboard is drawn on stderr, if `draws`; else stages of the setup get lines there."""

    def __init__(self, terminal: Terminal, *, draws: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal = terminal
        self._draws = draws and terminal.live
        self._lock = threading.Lock()
        self._live: LiveDisplay | None = None
        self._clock = clock
        self._stages: dict[str, float] = {}
        self._reported: set[str] = set()
        self._has_progress = False
        """The dashboard shows something that is worth keeping after an error."""

    def __enter__(self) -> Self:
        if self._draws:
            self._live = LiveDisplay(self._terminal, self._render)
            self._live.start()
        else:
            self._terminal.info(STARTUP_MESSAGE)
        return self

    def __exit__(self, exc_type: object, *_: object) -> None:
        if self._live is not None:
            self._live.stop(keep=exc_type is None or self._has_progress)

    @abstractmethod
    def _render_dashboard(self, console: Console) -> list[Text]:
        """Return the lines of the dashboard, within the width and height of `console`."""

    def _render(self) -> list[Text]:
        # Called from the thread of the live display.
        with self._lock:
            return self._render_dashboard(self._terminal.messages)

    def _report_stage(self, stage: str) -> None:
        now = self._clock()
        started_at = self._stages.setdefault(stage, now)
        if stage not in self._reported and now - started_at >= _REPORT_STAGE_AFTER:
            self._reported.add(stage)
            self._terminal.info(sanitize_line(stage))
