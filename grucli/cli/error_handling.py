"""Every error becomes one line that says what is wrong, one that says what to do, and an exit status."""

import errno
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import typer

from grucli.errors import ExitStatus, GruError, UsageError
from grucli.paths import home_error, home_override

STDOUT_NAME = "<stdout>"
"""The name, in errors, of the stream that data are written to."""

_NO_SPACE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_PERMISSION_ERRORS = {errno.EACCES, errno.EPERM, errno.EROFS}
_PATH_ERRORS = {
    errno.ENOENT: "check how the path is spelt",
    errno.ENOTDIR: "a part of the path that stands for a folder is a file: check the path",
    errno.EISDIR: "give a file in it, not the folder itself",
    errno.ENAMETOOLONG: "give a shorter path",
    errno.ELOOP: "its links lead back to themselves: give the path of the file itself",
}


class CommandCancelledError(GruError):
    """Ctrl-C, where no command gave it a meaning of its own."""

    status = ExitStatus.SIGINT


class OutputClosedError(Exception):
    """Whoever read the output went away before the work was done."""


@contextmanager
def broken_pipe_is_failure() -> Iterator[None]:
    """For work that is more than what it prints: without a reader it ends too early, and has failed.

    Where the output is all there is (`gru sample -n 100 | head`), a reader that goes away has enough of it. Then it
    must not matter whether the rest was written before or after that, which is chance.

    Raises:
        UnreadError: the reader went away within the block.
    """
    try:
        yield
    except BrokenPipeError as error:
        raise OutputClosedError from error


def print_error(error: BaseException, debug: bool) -> ExitStatus:
    """Print the two lines about an error, with its traceback before them if asked for, and give the exit status."""
    from grucli.ui.terminal.console import open_terminal, plain_text

    gru_error = to_gru_error(error)
    with suppress(OSError):
        terminal = open_terminal()
        if debug:
            lines = "".join(traceback.format_exception(error))
            terminal.messages.print(plain_text(lines), soft_wrap=True)
        terminal.print_error(gru_error)
    return gru_error.status


def to_gru_error(error: BaseException) -> GruError:
    """Any error as one with a next step."""
    if isinstance(error, GruError):
        return error
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return CommandCancelledError(
            "stopped by Ctrl-C", "no file was left half-written; run it again whenever you like"
        )
    if isinstance(error, OSError) and error.errno is not None:
        return _oserror_to_gru_error(error)
    if isinstance(error, MemoryError):
        return GruError(
            "there is not enough memory", "close other programs, or ask for less, such as a smaller --batch"
        )
    name = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return GruError(
        f"something went wrong that should not ({name})", "run it again with --debug, and report what it says"
    )


def _oserror_to_gru_error(error: OSError) -> GruError:
    """What the system refused, and where."""
    is_output = error.filename == STDOUT_NAME
    target = " the output" if is_output else f" '{error.filename}'" if error.filename is not None else ""
    if error.errno == errno.EBADF and is_output:
        return GruError("the output cannot be written: it is closed", "leave >&- away, or use >/dev/null")
    if error.errno in _NO_SPACE_ERRORS:
        return GruError(
            f"there is no room on the disk{' for' if target else ''}{target}",
            "make room and run it again; what was there before is untouched",
        )
    if error.errno in _PERMISSION_ERRORS:
        return GruError(
            f"the system does not permit access to{target or ' a file'}",
            "change its permissions, or let GRU_HOME name a folder of yours",
        )
    if error.errno in _PATH_ERRORS and _is_under_missing_home(error.filename):
        return home_error(_reason(error))
    if error.errno in _PATH_ERRORS:
        return UsageError(f"{_reason(error)}:{target or ' a file'}", _PATH_ERRORS[error.errno])
    return GruError(
        f"{_reason(error)}{':' if target else ''}{target}", "check the disk or the device, and run it again"
    )


def _is_under_missing_home(filename: object) -> bool:
    """Whether a file is the program's own, whose path nobody spelt, in a home that cannot be made."""
    home = home_override()
    if home is None or home.is_dir() or not isinstance(filename, str | bytes | os.PathLike):
        return False
    return Path(os.fsdecode(filename)).absolute().is_relative_to(home.absolute())


def _reason(error: OSError) -> str:
    return (error.strerror or os.strerror(error.errno or 0)).lower()
