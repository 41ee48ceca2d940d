"""How a run is asked to stop: by Ctrl-C, SIGTERM or SIGHUP. It finishes its step and saves; a second Ctrl-C ends it."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

from grucli.errors import ending_signals

_REASONS = {int(signal.SIGINT): "interrupted", int(signal.SIGTERM): "terminated"}


class StopFlag:
    """While the context is open, `reason` turns from None to one of these when a signal arrives.

    "interrupted": Ctrl-C. "terminated": SIGTERM. "hung up": SIGHUP, the terminal is gone.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python refuses handlers anywhere else
            for number in (signal.SIGINT, *ending_signals()):
                self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.reason is not None:
            raise KeyboardInterrupt
        self.reason = _REASONS.get(number, "hung up")
