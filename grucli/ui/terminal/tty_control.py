"""Control of the terminal: Ctrl-Z while something is drawn, and the echo of typed keys. Windows has neither."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import FrameType
from typing import Protocol

if sys.platform != "win32":
    import termios

    @contextlib.contextmanager
    def _set_echo(fd: int, *, on: bool) -> Iterator[None]:
        saved = termios.tcgetattr(fd)
        modified = termios.tcgetattr(fd)
        flags = termios.ECHO | termios.ICANON
        # NOFLSH: without it Ctrl-C discards what is typed, and output that the terminal has not read yet.
        modified[3] = (modified[3] | flags) & ~termios.NOFLSH if on else (modified[3] & ~flags) | termios.NOFLSH
        # A background process is stopped (SIGTTOU) for any call of tcsetattr, even without a change.
        if modified == saved:
            yield
            return
        termios.tcsetattr(fd, termios.TCSANOW, modified)
        try:
            yield
        finally:
            with contextlib.suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(fd, termios.TCSANOW, saved)


class FileLike(Protocol):
    """Anything with a file descriptor."""

    def fileno(self) -> int:
        """Return the file descriptor."""


def echo(*, on: bool) -> AbstractContextManager[None]:
    """Enable or disable echo and line mode in the block; what is typed without them is kept for the next read, even
    after Ctrl-C."""
    if sys.platform != "win32" and sys.stdin is not None and sys.stdin.isatty():
        return _set_echo(sys.stdin.fileno(), on=on)
    return contextlib.nullcontext()


@contextlib.contextmanager
def handle_suspend(
    schedule: Callable[[Callable[[], None]], None], while_stopped: Callable[[], AbstractContextManager[None]]
) -> Iterator[None]:
    """Let Ctrl-Z stop the process inside the context of `while_stopped`.

    `schedule(fn)` runs fn now, or after the frame that is being drawn. Does nothing outside the main thread, which
    alone receives signals, or where SIGTSTP is ignored, as by a shell without job control.
    """
    not_main_thread = threading.current_thread() is not threading.main_thread()
    if sys.platform == "win32" or not_main_thread or signal.getsignal(signal.SIGTSTP) is not signal.SIG_DFL:
        yield
        return

    def suspend() -> None:
        with while_stopped(), echo(on=True):  # as a shell expects it
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


def is_in_background(stream: FileLike) -> bool:
    """Return True if the process is not in the foreground of the terminal `stream` (after `bg`)."""
    if sys.platform == "win32":
        return False
    try:
        return os.tcgetpgrp(stream.fileno()) != os.getpgrp()
    except OSError:
        return False
