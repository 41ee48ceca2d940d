"""Ctrl-Z while something is drawn over and over: the shell gets the terminal as it was, and hands it back later.

The line that a user types has keys of its own, Ctrl-Z among them. Windows knows no such thing.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import FrameType
from typing import IO

from grucli.ui.terminal.terminal_echo import echo_enabled


@contextlib.contextmanager
def handle_suspend(
    schedule: Callable[[Callable[[], None]], None], while_stopped: Callable[[], AbstractContextManager[None]]
) -> Iterator[None]:
    """Let Ctrl-Z stop the program within the context that `stopped` gives; `when` is called to call what does so.

    In another thread than the main one, which alone is told of signals, it does nothing. A shell that stops no programs
    has Ctrl-Z ignored, and so it stays.
    """
    not_main_thread = threading.current_thread() is not threading.main_thread()
    if sys.platform == "win32" or not_main_thread or signal.getsignal(signal.SIGTSTP) is not signal.SIG_DFL:
        yield
        return

    def suspend() -> None:
        with while_stopped(), echo_enabled():
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, on_sigtstp)

    def on_sigtstp(signum: int, frame: FrameType | None) -> None:
        schedule(suspend)

    signal.signal(signal.SIGTSTP, on_sigtstp)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)


def is_in_background(stream: IO[str]) -> bool:
    """Whether the program goes on (`bg`) while a shell has the terminal that `stream` is."""
    if sys.platform == "win32":
        return False
    try:
        return os.tcgetpgrp(stream.fileno()) != os.getpgrp()
    except OSError:
        return False
