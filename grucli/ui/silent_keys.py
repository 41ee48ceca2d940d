"""What is typed while nobody asks: kept out of what is drawn, and there for the next line."""

import contextlib
import sys
from collections.abc import Iterator

if sys.platform != "win32":
    import termios

    @contextlib.contextmanager
    def _without_echo(terminal: int) -> Iterator[None]:
        before = termios.tcgetattr(terminal)
        silent = termios.tcgetattr(terminal)
        silent[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(terminal, termios.TCSANOW, silent)
        try:
            yield
        finally:
            termios.tcsetattr(terminal, termios.TCSANOW, before)


@contextlib.contextmanager
def silent_keys() -> Iterator[None]:
    """Let the terminal not show what is typed meanwhile; it waits for whoever reads the next line."""
    with contextlib.ExitStack() as stack:
        if sys.platform != "win32" and sys.stdin is not None and sys.stdin.isatty():
            stack.enter_context(_without_echo(sys.stdin.fileno()))
        yield
