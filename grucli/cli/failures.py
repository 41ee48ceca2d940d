"""Every error becomes one line that says what is wrong, one that says what to do, and an exit status."""

import errno
import os
import traceback
from contextlib import suppress

import typer

from grucli.errors import ExitStatus, GruError, UsageError

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""The error numbers of a disk, or a quota, that is full."""

_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_WRONG_PLACE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}


class StoppedError(GruError):
    """Ctrl-C, where no command gave it a meaning of its own."""

    status = ExitStatus.INTERRUPTED


def report(error: BaseException, debug: bool) -> ExitStatus:
    """Print the two lines about an error, with its traceback before them if asked for, and give the exit status."""
    from grucli.ui.console import open_terminal, plain

    explained = explain(error)
    with suppress(OSError):
        terminal = open_terminal()
        if debug:
            lines = "".join(traceback.format_exception(error))
            terminal.messages.print(plain(lines), soft_wrap=True)
        terminal.print_error(explained)
    return explained.status


def explain(error: BaseException) -> GruError:
    """Any error as one with a next step."""
    if isinstance(error, GruError):
        return error
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return StoppedError("stopped by Ctrl-C", "nothing was left half-written; run it again whenever you like")
    if isinstance(error, OSError) and error.errno is not None:
        return _explain_os_error(error)
    if isinstance(error, MemoryError):
        return GruError(
            "there is not enough memory", "close other programs, or ask for less, such as a smaller --batch"
        )
    name = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return GruError(
        f"something went wrong that should not ({name})", "run it again with --debug, and report what it says"
    )


def _explain_os_error(error: OSError) -> GruError:
    """What the system refused, and where."""
    place = f" '{error.filename}'" if error.filename is not None else ""
    if error.errno in NO_ROOM:
        return GruError(
            f"there is no room on the disk for{place or ' the output'}",
            "make room and run it again; what was there before is untouched",
        )
    if error.errno in _FORBIDDEN:
        return GruError(
            f"the system does not permit access to{place or ' a file'}",
            "change its permissions, or let GRU_HOME name a folder of yours",
        )
    if error.errno in _WRONG_PLACE:
        return UsageError(f"{_reason(error)}:{place or ' a file'}", "check how the path is spelt")
    return GruError(f"{_reason(error)}{':' if place else ''}{place}", "check the disk or the device, and run it again")


def _reason(error: OSError) -> str:
    return (error.strerror or os.strerror(error.errno or 0)).lower()
