"""Streams that are a pipe or a terminal."""

import io

from grucli.ui.terminal.console import Terminal


class PipeStream(io.StringIO):
    """Output that is not a terminal."""


class TtyStream(io.StringIO):
    """Output that is a terminal."""

    def isatty(self) -> bool:
        return True


class CapturedTerminal:
    """A `Terminal` on the given streams, and their contents."""

    def __init__(self, out: io.StringIO, err: io.StringIO, quiet: int = 0, width: int = 80, height: int = 30) -> None:
        self._out = out
        self._err = err
        self.terminal = Terminal(out, err, quiet=quiet, width=width, height=height)

    @property
    def out(self) -> str:
        return self._out.getvalue()

    @property
    def err(self) -> str:
        return self._err.getvalue()
