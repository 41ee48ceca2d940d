"""What is typed while nobody asks: kept out of what is drawn, and there for the next line."""

import contextlib
import sys
from collections.abc import Iterator

if sys.platform != "win32":
    import termios


@contextlib.contextmanager
def silent_keys() -> Iterator[None]:
    """Let the terminal not show what is typed meanwhile; it waits for whoever reads the next line."""
    if sys.platform == "win32" or sys.stdin is None or not sys.stdin.isatty():
        yield
        return
    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)
    silent = termios.tcgetattr(stdin)
    silent[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(stdin, termios.TCSANOW, silent)
    try:
        yield
    finally:
        termios.tcsetattr(stdin, termios.TCSANOW, before)
