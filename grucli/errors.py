"""Errors with a next step. The lowest room of the house: it imports nothing of ours.

Every error a user can meet is a `GruError`: one line that says what is wrong, one that says what to do, and the exit
status that scripts rely on. They are raised anywhere and caught once, in `__main__`.
"""

import signal
from enum import IntEnum


class ExitStatus(IntEnum):
    """What the process reports to the shell.

    A command whose output nobody reads to its end, as before `| head -1`, is DONE: its reader had enough. One that does
    more than print, such as training, has FAILED where that ends it early. It says nothing in either case.
    """

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_DATA = 3
    SERVICE = 4
    SIGHUP = 129
    SIGINT = 130
    SIGTERM = 143


def termination_signals() -> dict[int, ExitStatus]:
    """The signals, besides Ctrl-C, that ask this process to end, and its exit status then.

    Who began it may have wanted it to outlive its terminal (`nohup`); then a terminal that is gone is no reason to end.
    """
    statuses = {int(signal.SIGTERM): ExitStatus.SIGTERM}
    sighup = getattr(signal, "SIGHUP", None)  # Windows has none
    if sighup is not None and signal.getsignal(sighup) is not signal.SIG_IGN:
        statuses[int(sighup)] = ExitStatus.SIGHUP
    return statuses


class GruError(Exception):
    """What is wrong (`what`), what to do about it (`todo`), and the exit status it ends the program with."""

    status: ExitStatus = ExitStatus.FAILED

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(GruError):
    """An argument cannot be meant as it stands: no such file, column or model, a value out of range."""

    status = ExitStatus.USAGE


class EmptyInputError(GruError):
    """There is nothing to work on: an empty corpus, or one shorter than a single window."""

    status = ExitStatus.NO_DATA


class ModelFileError(GruError):
    """A weights file, or a checkpoint, is damaged, of an unknown version, or not ours."""


class DivergedError(GruError):
    """The loss or a gradient stopped being a finite number."""


class LockedError(GruError):
    """Another process holds the lock of a model, or of a file."""


class ServiceError(GruError):
    """The network does not reach a service, or the service refuses."""

    status = ExitStatus.SERVICE


class CancelledError(GruError):
    """The user ended the work before there was anything to save."""

    def __init__(self, reason: str) -> None:
        super().__init__("stopped before the first step: nothing was saved", "run the same command to begin again")
        statuses = {"terminated": ExitStatus.SIGTERM, "hung up": ExitStatus.SIGHUP}
        self.status = statuses.get(reason, ExitStatus.SIGINT)
