"""Stopping a run by Ctrl-C, SIGTERM or SIGHUP: it completes its step and saves. A second Ctrl-C ends it at once."""

import signal
import threading
from types import FrameType
from typing import Self

from grucli.errors import termination_signals

_REASON_BY_SIGNAL = {int(signal.SIGINT): "interrupted", int(signal.SIGTERM): "terminated"}


class StopFlag:
    """Context manager that records a signal in `reason`: None until then.

    "interrupted": SIGINT. "terminated": SIGTERM. "hung up": SIGHUP, the terminal is closed.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._previous_handlers: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python sets handlers only there
            for signum in (signal.SIGINT, *termination_signals()):
                self._previous_handlers[signum] = signal.signal(signum, self._on_signal)
        return self

    def __exit__(self, *exc_info: object) -> None:
        for signum, handler in self._previous_handlers.items():
            signal.signal(signum, handler)  # type: ignore[arg-type]
        self._previous_handlers.clear()

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        if signum == signal.SIGINT and self.reason is not None:
            raise KeyboardInterrupt
        self.reason = _REASON_BY_SIGNAL.get(signum, "hung up")
