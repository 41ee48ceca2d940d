"""What is typed while nobody asks: kept out of what is drawn, and there for the next line."""

import contextlib
import sys
from collections.abc import Iterator

if sys.platform != "win32":
    import termios

    @contextlib.contextmanager
    def _echo(terminal: int, *, on: bool) -> Iterator[None]:
        before = termios.tcgetattr(terminal)
        meanwhile = termios.tcgetattr(terminal)
        lines = termios.ECHO | termios.ICANON
        meanwhile[3] = meanwhile[3] | lines if on else meanwhile[3] & ~lines
        # A program in the background (`bg`) would be stopped for setting it, were it only to what it is.
        if meanwhile == before:
            yield
            return
        termios.tcsetattr(terminal, termios.TCSANOW, meanwhile)
        try:
            yield
        finally:
            termios.tcsetattr(terminal, termios.TCSANOW, before)


@contextlib.contextmanager
def silent_keys() -> Iterator[None]:
    """Let the terminal not show what is typed meanwhile; it waits for whoever reads the next line."""
    with _keys(shown=False):
        yield


@contextlib.contextmanager
def heard_keys() -> Iterator[None]:
    """Let the terminal show what is typed meanwhile, line by line, as a shell expects it."""
    with _keys(shown=True):
        yield


@contextlib.contextmanager
def _keys(*, shown: bool) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        if sys.platform != "win32" and sys.stdin is not None and sys.stdin.isatty():
            stack.enter_context(_echo(sys.stdin.fileno(), on=shown))
        yield
