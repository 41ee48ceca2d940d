"""Errors with a next step. The lowest room of the house: it imports nothing of ours.

Every error a user can meet is a `GruError`: one line that says what is wrong, one that says what to do, and the exit
status that scripts rely on. They are raised anywhere and caught once, in `__main__`.
"""

from enum import IntEnum


class ExitStatus(IntEnum):
    """What the process reports to the shell."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOTHING = 3
    SERVICE = 4
    INTERRUPTED = 130
    TERMINATED = 143


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
        self.status = ExitStatus.TERMINATED if reason == "terminated" else ExitStatus.INTERRUPTED
