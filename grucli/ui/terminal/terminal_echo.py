"""What is typed while nobody asks: kept out of what is drawn, and there for the next line."""

import contextlib
import sys
from collections.abc import Iterator

if sys.platform != "win32":
    import termios

    @contextlib.contextmanager
    def _echo(terminal: int, *, on: bool) -> Iterator[None]:
        saved = termios.tcgetattr(terminal)
        modified = termios.tcgetattr(terminal)
        flags = termios.ECHO | termios.ICANON
        modified[3] = modified[3] | flags if on else modified[3] & ~flags
        # A program in the background (`bg`) would be stopped for setting it, were it only to what it is.
        if modified == saved:
            yield
            return
        termios.tcsetattr(terminal, termios.TCSANOW, modified)
        try:
            yield
        finally:
            termios.tcsetattr(terminal, termios.TCSANOW, saved)


@contextlib.contextmanager
def echo_disabled() -> Iterator[None]:
    """Let the terminal not show what is typed meanwhile; it waits for whoever reads the next line."""
    with _echo_set(on=False):
        yield


@contextlib.contextmanager
def echo_enabled() -> Iterator[None]:
    """Let the terminal show what is typed meanwhile, line by line, as a shell expects it."""
    with _echo_set(on=True):
        yield


@contextlib.contextmanager
def _echo_set(*, on: bool) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        if sys.platform != "win32" and sys.stdin is not None and sys.stdin.isatty():
            stack.enter_context(_echo(sys.stdin.fileno(), on=on))
        yield
