"""The input line on a terminal without control sequences, which alone edits it."""

import signal
import sys

from rich.console import Console


class PlainPrompt:
    """Asks for lines on `console` and reads them from stdin."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def read_line(self) -> str:
        """Return the line that the user entered.

        Raises:
            EOFError: Ctrl-D in an empty line, or the end of the input.
            KeyboardInterrupt: Ctrl-C.
        """
        self._console.print("> ", end="")
        self._console.file.flush()
        # The chat uses Ctrl-C to stop a reply; here it interrupts the input.
        previous_handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            self._console.print()
            raise
        finally:
            signal.signal(signal.SIGINT, previous_handler or signal.SIG_DFL)
        if not line:
            self._console.print()
            raise EOFError
        return line.rstrip("\r\n")
