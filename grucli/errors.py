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

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOTHING = 3
    SERVICE = 4
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


def ending_signals() -> dict[int, ExitStatus]:
    """The signals, besides Ctrl-C, that ask this process to end, and its exit status then.

    Who began it may have wanted it to outlive its terminal (`nohup`); then a terminal that is gone is no reason to end.
    """
    statuses = {int(signal.SIGTERM): ExitStatus.TERMINATED}
    hung_up = getattr(signal, "SIGHUP", None)  # Windows has none
    if hung_up is not None and signal.getsignal(hung_up) is not signal.SIG_IGN:
        statuses[int(hung_up)] = ExitStatus.HUNG_UP
    return statuses


class GruError(Exception):
    """What is wrong (`what`), what to do about it (`todo`), and the exit status it ends the program with."""

    status: ExitStatus = ExitStatus.FAILED

    def __init__(self, what: str, todo: str) -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo


class UsageError(GruError):
    """An argument cannot be meant as it stands: no such file, column or model, a value out of range."""

    status = ExitStatus.USAGE


class NothingToDoError(GruError):
    """There is nothing to work on: an empty corpus, or one shorter than a single window."""

    status = ExitStatus.NOTHING


class ModelFileError(GruError):
    """A weights file, or a checkpoint, is damaged, of an unknown version, or not ours."""


class DivergedError(GruError):
    """The loss or a gradient stopped being a finite number."""


class BusyError(GruError):
    """Another process holds the lock of a model, or of a file."""


class ServiceError(GruError):
    """The network does not reach a service, or the service refuses."""

    status = ExitStatus.SERVICE


class StoppedError(GruError):
    """The user ended the work before there was anything to save."""

    def __init__(self, reason: str) -> None:
        super().__init__("stopped before the first step: nothing was saved", "run the same command to begin again")
        statuses = {"terminated": ExitStatus.TERMINATED, "hung up": ExitStatus.HUNG_UP}
        self.status = statuses.get(reason, ExitStatus.INTERRUPTED)
