"""Every error becomes a line that says what failed, a hint, and an exit status."""

import errno
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import typer

from grucli.errors import ExitStatus, GruError, UsageError

STDOUT_NAME = "<stdout>"
"""File name of stdout in `OSError`."""

_NO_SPACE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_PERMISSION_ERRORS = {errno.EACCES, errno.EPERM, errno.EROFS}
_PATH_ERRORS = {
    errno.ENOENT: "check the spelling of the path",
    errno.ENOTDIR: "check the path: a part of it is a file, not a directory",
    errno.EISDIR: "name a file, not a directory",
    errno.ENAMETOOLONG: "use a shorter path",
    errno.ELOOP: "remove the symbolic link, or use the path of the file itself",
    errno.ENXIO: "remove it, or use another path",
}


class CommandCancelledError(GruError):
    """Ctrl-C interrupted a command."""

    status = ExitStatus.SIGINT


class OutputClosedError(Exception):
    """The stdout pipe was closed (EPIPE) before the command finished."""


@contextmanager
def broken_pipe_is_failure() -> Iterator[None]:
    """Treat a broken pipe inside the block as failure (exit status 1).

    Outside such a block, as in `gru sample -n 100 | head`, a closed pipe means that the reader has enough (0).

    Raises:
        OutputClosedError: the pipe was closed inside the block.
    """
    try:
        yield
    except BrokenPipeError as error:
        raise OutputClosedError from error


def print_error(error: BaseException, debug: bool) -> ExitStatus:
    """Print an error and its hint, after its traceback if `debug`, and return the exit status."""
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
    """Convert any error to one with a hint."""
    if isinstance(error, GruError):
        return error
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return CommandCancelledError("interrupted by Ctrl-C", "no file was left incomplete; run it again at any time")
    if isinstance(error, OSError) and error.errno is not None:
        return _oserror_to_gru_error(error)
    if isinstance(error, MemoryError):
        return GruError("not enough memory", "close other programs, or use less, such as a smaller --batch")
    name = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return GruError(f"internal error: {name}", "run again with --debug and report the output")


def _oserror_to_gru_error(error: OSError) -> GruError:
    is_output = error.filename == STDOUT_NAME
    target = ": output" if is_output else f": '{error.filename}'" if error.filename is not None else ""
    if error.errno == errno.EBADF and is_output:
        return GruError("stdout is closed", "redirect to /dev/null instead of >&-")
    if error.errno in _NO_SPACE_ERRORS:
        is_file = not is_output and isinstance(error.filename, str | bytes | os.PathLike)
        unchanged = "; the existing file was not changed" if is_file and os.path.lexists(error.filename) else ""
        return GruError(f"no space left on device{target}", f"free up space and try again{unchanged}")
    if error.errno in _PERMISSION_ERRORS:
        return GruError(
            f"permission denied{target}", "fix the permissions, or set GRU_HOME to a directory that you own"
        )
    if error.errno in _PATH_ERRORS and _is_under_missing_home(error.filename):
        from grucli.paths import home_error

        return home_error(_reason(error))
    if error.errno == errno.EEXIST and Path(os.fsdecode(error.filename or "")).is_symlink():
        return UsageError(
            f"dangling symbolic link{target}", "remove the link, or restore the directory that it leads to"
        )
    if error.errno in _PATH_ERRORS:
        return UsageError(f"{_reason(error)}{target}", _PATH_ERRORS[error.errno])
    return GruError(f"{_reason(error)}{target}", "check the disk or device and try again")


def _is_under_missing_home(filename: object) -> bool:
    """Return True for a file in a GRU_HOME that does not exist; the user did not type its path."""
    from grucli.paths import home_override

    home = home_override()
    if home is None or home.is_dir() or not isinstance(filename, str | bytes | os.PathLike):
        return False
    return Path(os.fsdecode(filename)).absolute().is_relative_to(home.absolute())


def _reason(error: OSError) -> str:
    return (error.strerror or os.strerror(error.errno or 0)).lower()
