"""One run of the program: streams, signals, errors and the exit status."""

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
from grucli.cli.command_base import GlobalOptions
from grucli.errors import ExitStatus, termination_signals


def run_program(arguments: Sequence[str]) -> int:
    """Run `gru` and return the exit status; no exception leaves it."""
    options = GlobalOptions()
    _replace_closed_streams()
    with _wrap_stdout():
        return _run_command(arguments, options)


def _run_command(arguments: Sequence[str], options: GlobalOptions) -> int:
    try:
        with _raise_on_termination():
            status = cli.parse_and_run(arguments, options)
            sys.stdout.flush()
    except (BrokenPipeError, error_handling.OutputClosedError) as error:
        # Broken pipe: exit quietly.
        _redirect_to_devnull(sys.stdout)
        return ExitStatus.FAILED if isinstance(error, error_handling.OutputClosedError) else ExitStatus.OK
    except _TerminationSignal as end:
        return end.status
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitStatus.FAILED
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, OSError) and error.filename == error_handling.STDOUT_NAME:
            _redirect_to_devnull(sys.stdout)
        return error_handling.print_error(error, options.debug)
    return status


def _replace_closed_streams() -> None:
    """Replace streams that were closed at the start (`gru models >&-`), which Python sets to None.

    Messages may be lost, data may not: the replacement for stdout is read-only, so that writing to it fails.
    """
    for name, mode in (("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, mode), "w", encoding="utf-8"))


class _StdoutWrapper(io.TextIOWrapper):
    """Stdout whose errors have a file name; those of the system have none."""

    def write(self, text: str, /) -> int:
        with _tag_stdout_errors():
            return super().write(text)

    def flush(self) -> None:
        with _tag_stdout_errors():
            super().flush()


@contextmanager
def _tag_stdout_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        error.filename = error_handling.STDOUT_NAME
        raise


@contextmanager
def _wrap_stdout() -> Iterator[None]:
    """Wrap stdout in the block so that its errors name it. Replacements by tests are not wrapped."""
    original = sys.stdout
    if type(original) is not io.TextIOWrapper:
        yield
        return
    original.flush()
    wrapper = _StdoutWrapper(
        original.buffer, original.encoding, original.errors, line_buffering=original.line_buffering
    )
    sys.stdout = wrapper
    try:
        yield
    finally:
        sys.stdout = original
        # A failure to flush was already reported.
        with suppress(OSError):
            wrapper.detach()


class _TerminationSignal(BaseException):
    """SIGTERM or SIGHUP. It unwinds the stack as Ctrl-C does, so that temporary files are removed."""

    def __init__(self, status: ExitStatus) -> None:
        super().__init__()
        self.status = status


@contextmanager
def _raise_on_termination() -> Iterator[None]:
    def handle_signal(signum: int, frame: FrameType | None) -> None:
        raise _TerminationSignal(statuses[signum])

    statuses = termination_signals()
    # Only the main thread may install handlers; tests may run elsewhere.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {signum: signal.signal(signum, handle_signal) for signum in statuses}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _redirect_to_devnull(stream: TextIO) -> None:
    """Discard what is left in the buffer of a stream; it would fail again when Python exits."""
    with suppress(OSError, ValueError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, stream.fileno())
        os.close(devnull)
