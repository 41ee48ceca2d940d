"""Streams that say what they are: a pipe or a terminal, of any encoding."""

import io

from grucli.ui.terminal.console import Terminal


class PipeStream(io.StringIO):
    """What a command's output goes to when it is not a terminal."""


class TtyStream(io.StringIO):
    """What a command's output goes to on a terminal."""

    def isatty(self) -> bool:
        return True


class CapturedTerminal:
    """A `Terminal` on streams of the given kinds, and what was written to them."""

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
