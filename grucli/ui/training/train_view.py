"""Training as a person sees it: a steady picture on a terminal, one table row per evaluation everywhere else.

Shows the events of `grucli.training.events` and knows nothing of how they come about.
"""

import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from rich.text import Text

from grucli.training.events import Compiling, Evaluated, Event, Finished, Preparing, Started, Stepped
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import decimal, duration
from grucli.ui.terminal.live_display import LivePicture
from grucli.ui.terminal.sanitize import safe_line
from grucli.ui.terminal.startup_message import FIRST_WORD
from grucli.ui.training.dashboard import Picture, compiling

_HEADER = f"{'step':>8} {'tokens':>12} {'time':>8} {'train':>7} {'held out':>9} {'bits/char':>10} {'tokens/s':>9}"
_LASTING = 2.0  # seconds of one stage of getting ready after which it has a line of its own
_STAR = "* marks the best so far"


class TrainView:
    """Shows events as they come: a live picture on a terminal, table rows otherwise. Use as a context manager.

    Rows are the command's data and go to stdout, unless stdout is for a JSON document. The picture is progress and
    goes to stderr; where only one of the two streams is a terminal, the plain rows are shown.
    """

    def __init__(
        self,
        terminal: Terminal,
        json: bool = False,
        stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing shown; `json` keeps stdout free, `stopping` says whether the run was asked to stop, and
        `clock` gives seconds."""
        self._terminal = terminal
        self._json = json
        self._picture = Picture(stopping)
        self._lock = threading.Lock()
        self._live: LivePicture | None = None
        self._clock = clock
        self._stages: dict[str, float] = {}
        self._told: set[str] = set()
        self._began = False
        self._headed = False

    def __enter__(self) -> Self:
        """Put the first words on the screen, before anything slow is even imported."""
        if self._terminal.live and (self._json or self._terminal.data.is_terminal):
            self._live = LivePicture(self._terminal, self._draw)
            self._live.start()
        else:
            self._terminal.say(FIRST_WORD)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last picture standing, or none when the run never began."""
        if self._live is not None:
            self._live.stop(keep=kind is None or self._began)

    def follow(self, events: Iterable[Event]) -> Finished:
        """Show a whole run, and give the event that ended it."""
        for event in events:
            self.show(event)
            if isinstance(event, Finished):
                return event
        raise RuntimeError("the run ended without saying so")

    def show(self, event: Event) -> None:
        """Take in and show one event."""
        with self._lock:
            self._picture.show(event)
        if isinstance(event, Stepped | Evaluated):
            self._began = True
        if self._live is None:
            self._tell(event)

    def _draw(self) -> list[Text]:
        """Render under the lock: the picture is drawn by a thread of its own while events come in."""
        with self._lock:
            return self._picture.draw(self._terminal.messages)

    def _tell(self, event: Event) -> None:
        match event:
            case Preparing():
                self._tell_stage(event.stage)
            case Started():
                self._terminal.say(safe_line(event.plan))
                for note in event.notes:
                    self._terminal.warn(note)
            case Compiling():
                self._terminal.say(compiling(event))
            case Evaluated():
                self._row(event)
            case _:
                pass

    def _tell_stage(self, stage: str) -> None:
        """Say once what is being done, if it lasts: of a small corpus, everything is over before it could be read."""
        now = self._clock()
        began = self._stages.setdefault(stage, now)
        if stage not in self._told and now - began >= _LASTING:
            self._told.add(stage)
            self._terminal.say(safe_line(stage))

    def _row(self, event: Evaluated) -> None:
        """Append one row to the table; a star marks the best evaluation so far."""
        if not self._headed:
            self._headed = True
            self._terminal.say(_STAR)
            self._put(_HEADER)
        self._put(
            f"{event.step:>8} {event.tokens:>12} {duration(event.seconds):>8} {event.train_nats:>7.3f} "
            f"{decimal(event.val_nats):>9} {decimal(event.val_bits_per_char):>10} {event.tokens_per_second:>9.0f}"
            f"{' *' if event.best else ''}"
        )

    def _put(self, line: str) -> None:
        if self._json:
            self._terminal.say(line)
        else:
            self._terminal.print(line)


def show_end(terminal: Terminal, finished: Finished, resume: str) -> None:
    """Say how a run ended, where the model is and what to try next; `resume` is the command that goes on with it."""
    summary = finished.summary
    name, path = safe_line(summary.model), safe_line(summary.path)
    if finished.reason in ("interrupted", "terminated", "hung up"):
        terminal.say(f"\nstopped after step {summary.steps:,}; all of it is saved in {path}")
        terminal.say(f"go on exactly here:  {safe_line(resume)}")
        return
    said = {
        "settled": f"the held-out loss has stopped improving; {name} is ready",
        "already finished": f"{name} was trained to its end before",
    }
    terminal.say(f"\n{said.get(finished.reason, f'{name} is ready')}, in {path}")
    terminal.say(f"try:  gru sample {name}\n      gru chat {name}", indent=6)
