"""What is typed while nobody asks: kept out of what is drawn, and there for the next line."""

import contextlib
import sys
from collections.abc import Iterator

if sys.platform != "win32":
    import termios


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
    if sys.platform == "win32" or sys.stdin is None or not sys.stdin.isatty():
        yield
        return
    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)
    meanwhile = termios.tcgetattr(stdin)
    lines = termios.ECHO | termios.ICANON
    meanwhile[3] = meanwhile[3] | lines if shown else meanwhile[3] & ~lines
    termios.tcsetattr(stdin, termios.TCSANOW, meanwhile)
    try:
        yield
    finally:
        termios.tcsetattr(stdin, termios.TCSANOW, before)
