"""How a run is asked to stop: a first Ctrl-C or SIGTERM lets it finish its step and save, a second Ctrl-C does not."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class StopFlag:
    """While the context is open, `reason` turns from None to "interrupted" or "terminated" when a signal arrives."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python refuses handlers anywhere else
            for number in (signal.SIGINT, signal.SIGTERM):
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
        self.reason = "interrupted" if number == signal.SIGINT else "terminated"
