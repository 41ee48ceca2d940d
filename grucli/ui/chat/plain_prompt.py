"""The input line of a chat on a terminal without control sequences, which edits the line itself."""

import os
import select
import signal
import sys

from rich.console import Console

from grucli.ui.terminal.tty_control import echo

_CHUNK_BYTES = 1 << 16


class PlainPrompt:
    """Asks for lines on `console`, if that is a terminal, and reads them from stdin.

    `interrupted` is True if Ctrl-C was typed after the last line.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._unread = b""
        self.interrupted = False

    def read_line(self) -> str:
        """Return the line that the user entered.

        Raises:
            EOFError: Ctrl-D in an empty line, or the end of the input.
            KeyboardInterrupt: Ctrl-C.
        """
        self._print("> ", end="")
        # The chat uses Ctrl-C to stop a reply; here it interrupts the input.
        previous_handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with echo(on=True):
                while b"\n" not in self._unread and (chunk := os.read(sys.stdin.fileno(), _CHUNK_BYTES)):
                    self._unread += chunk
        except KeyboardInterrupt:
            self._print()
            raise
        finally:
            signal.signal(signal.SIGINT, previous_handler or signal.SIG_DFL)
        line, newline, self._unread = self._unread.partition(b"\n")
        if not line and not newline:
            self._print()
            raise EOFError
        return line.decode(sys.stdin.encoding or "utf-8", "replace").rstrip("\r")

    def read_ahead(self) -> None:
        """Do nothing: the terminal keeps what is typed."""

    def interrupt(self) -> None:
        """Handle the signal of Ctrl-C where no line is being read."""
        self.interrupted = True

    def drop_queued(self) -> int:
        """Drop what was typed after the last line, and return the number of lines."""
        dropped, self._unread, self.interrupted = self._unread, b"", False
        if sys.platform != "win32":
            while select.select([sys.stdin], [], [], 0)[0] and (chunk := os.read(sys.stdin.fileno(), _CHUNK_BYTES)):
                dropped += chunk
        return sum(1 for line in dropped.splitlines() if line.strip())

    def _print(self, text: str = "", end: str = "\n") -> None:
        if self._console.is_terminal:
            self._console.print(text, end=end)
            self._console.file.flush()
