"""The `gru` entry point: parses, catches errors once, sets the exit status."""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TextIO

from grucli import cli
from grucli.cli import failures
from grucli.cli.grammar import Asked
from grucli.errors import ExitStatus


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `gru` with the given arguments (None: those of the process); the exit status, and never an exception."""
    asked = Asked()
    _open_streams()
    try:
        with _termination():
            status = cli.run(sys.argv[1:] if arguments is None else arguments, asked)
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has enough of it (`gru sample -n 100 | head`). That is no news to anybody.
        _discard(sys.stdout)
        return ExitStatus.FAILED
    except _Terminated:
        return ExitStatus.TERMINATED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitStatus.FAILED
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, OSError) and error.errno in failures.NO_ROOM:
            _discard(sys.stdout)
        return failures.report(error, asked.debug)
    return status


def _open_streams() -> None:
    """Stand in for streams that were closed before the program began (`gru models >&-`): Python leaves None there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))


class _Terminated(BaseException):
    """SIGTERM. It unwinds like Ctrl-C does, so that temporaries are removed."""


@contextmanager
def _termination() -> Iterator[None]:
    """Let SIGTERM unwind the block. Only a main thread may say so, and tests may run elsewhere."""

    def end(number: int, frame: FrameType | None) -> None:
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _discard(stream: TextIO) -> None:
    """Let nothing more be written to a stream: what is left in its buffer would fail again as Python ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
