"""One run of the program: parses, catches errors once, gives the exit status."""

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TextIO

from grucli import cli
from grucli.cli import error_handling
from grucli.cli.command_base import Asked
from grucli.errors import ExitStatus, ending_signals


def run(arguments: Sequence[str]) -> int:
    """Run `gru` with the given arguments; the exit status, and never an exception."""
    asked = Asked()
    _open_streams()
    with _named_output():
        return _run(arguments, asked)


def _run(arguments: Sequence[str], asked: Asked) -> int:
    try:
        with _termination():
            status = cli.run(arguments, asked)
            sys.stdout.flush()
    except (BrokenPipeError, error_handling.UnreadError) as error:
        # That whoever read our output is gone is no news to anybody.
        _discard(sys.stdout)
        return ExitStatus.FAILED if isinstance(error, error_handling.UnreadError) else ExitStatus.DONE
    except _Terminated as end:
        return end.status
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitStatus.FAILED
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, OSError) and error.filename == error_handling.OUTPUT:
            _discard(sys.stdout)
        return error_handling.report(error, asked.debug)
    return status


def _open_streams() -> None:
    """Stand in for streams that were closed before the program began (`gru models >&-`): Python leaves None there.

    Messages may get lost, data may not: the one for stdout takes no more than a closed one would.
    """
    for name, mode in (("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, mode), "w", encoding="utf-8"))


class _Output(io.TextIOWrapper):
    """A stream whose errors say that they are of the output; the system's say nothing of where they happened."""

    def write(self, text: str, /) -> int:
        with _output_named():
            return super().write(text)

    def flush(self) -> None:
        with _output_named():
            super().flush()


@contextmanager
def _output_named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        error.filename = error_handling.OUTPUT
        raise


@contextmanager
def _named_output() -> Iterator[None]:
    """Let errors of stdout in the block name it. A stream that a test put there is left as it is."""
    before = sys.stdout
    if type(before) is not io.TextIOWrapper:
        yield
        return
    before.flush()
    output = _Output(before.buffer, before.encoding, before.errors, line_buffering=before.line_buffering)
    sys.stdout = output
    try:
        yield
    finally:
        sys.stdout = before
        # What could not be written has been given up; a second complaint would come too late.
        with suppress(OSError):
            output.detach()


class _Terminated(BaseException):
    """SIGTERM, or the terminal is gone. It unwinds like Ctrl-C does, so that temporaries are removed."""

    def __init__(self, status: ExitStatus) -> None:
        super().__init__()
        self.status = status


@contextmanager
def _termination() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the block. Only a main thread may say so, and tests may run elsewhere."""

    def end(number: int, frame: FrameType | None) -> None:
        raise _Terminated(statuses[number])

    statuses = ending_signals()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, end) for number in statuses}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _discard(stream: TextIO) -> None:
    """Let nothing more be written to a stream: what is left in its buffer would fail again as Python ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
