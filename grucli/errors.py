"""Errors with a hint and an exit status. The lowest layer: it imports no other module of the package.

Every error that a user can see is a `GruError`. They are raised anywhere and caught once, in `cli.entry`.
"""

import itertools
import signal
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit status of the process.

    If the reader closes the pipe early, as in `| head -1`, a command that only prints is OK; one that does more, such
    as training, has FAILED. It prints no message in either case.
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
    """Signals that terminate the process, besides SIGINT, with their exit status; SIGHUP only if it is not ignored."""
    statuses = {int(signal.SIGTERM): ExitStatus.SIGTERM}
    sighup = getattr(signal, "SIGHUP", None)  # not on Windows
    # `nohup` ignores SIGHUP, so that the process survives its terminal.
    if sighup is not None and signal.getsignal(sighup) is not signal.SIG_IGN:
        statuses[int(sighup)] = ExitStatus.SIGHUP
    return statuses


MAX_QUOTED_CHARS = 60
"""Characters of the user's data that a message quotes at most; a part of a list has as many."""

MAX_LISTED = 20
_MAX_TEXT_CHARS = 2000
"""Characters of a message or a hint, whatever it quotes."""


def quote(text: object, max_chars: int = MAX_QUOTED_CHARS) -> str:
    """Return the user's data in quotes, not more than `max_chars` of it.

    >>> quote("body"), quote("a" * 100, 5)
    ("'body'", "'aaaa…'")
    """
    return f"'{_shortened(str(text), max_chars)}'"


def list_names(names: Iterable[str], max_names: int = MAX_LISTED) -> str:
    """Return the first names, each shortened, with commas between.

    >>> list_names(["id", "body"]), list_names(map(str, range(100)), 3)
    ('id, body', '0, 1, 2, …')
    """
    first = list(itertools.islice(names, max_names + 1))
    more = ["…"] if len(first) > max_names else []
    return ", ".join([*(_shortened(name, MAX_QUOTED_CHARS) for name in first[:max_names]), *more])


def pluralize(count: int, noun: str) -> str:
    """Return a count with its noun: 1 comment, 1,234 comments."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _shortened(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


def command_line_name(reference: str) -> str:
    """Return what the command line calls an option, `top_k`, or the list of models, `models`."""
    return "gru models" if reference == "models" else f"--{reference.replace('_', '-')}"


class GruError(Exception):
    """What failed (`message`), what to do about it (`hint`), and the exit status it ends the program with.

    Either text may hold placeholders such as `{top_k}`, for an option, or `{models}`, for the command that lists the
    models; `references` names those it holds. `message` and `hint` spell them as the command line does.
    """

    status: ExitStatus = ExitStatus.FAILED

    def __init__(self, message: str, hint: str, references: Sequence[str] = ()) -> None:
        self._texts, self._references = (message, hint), references
        self.message, self.hint = self.spell(command_line_name)
        super().__init__(self.message)

    def spell(self, name: Callable[[str], str]) -> tuple[str, str]:
        """Return message and hint for another interface: `name` returns what it calls a reference."""
        message, hint = self._texts
        for reference in self._references:
            placeholder, spelled = f"{{{reference}}}", name(reference)
            message, hint = message.replace(placeholder, spelled), hint.replace(placeholder, spelled)
        return _shortened(message, _MAX_TEXT_CHARS), _shortened(hint, _MAX_TEXT_CHARS)


class UsageError(GruError):
    """Invalid argument: no such file, column or model, a value out of range."""

    status = ExitStatus.USAGE


class EmptyInputError(GruError):
    """No input data: an empty corpus, or one shorter than a window."""

    status = ExitStatus.NO_DATA


class ModelFileError(GruError):
    """A weights file or checkpoint is corrupt, of an unknown version, or of another program."""


class DivergedError(GruError):
    """The loss or a gradient is not finite."""


class LockedError(GruError):
    """Another process holds the lock of a model or file."""


class ServiceError(GruError):
    """A service cannot be reached, or refuses."""

    status = ExitStatus.SERVICE


class CancelledError(GruError):
    """The user stopped a run before there was anything to save."""

    def __init__(self, reason: str) -> None:
        super().__init__("stopped before the first step: nothing was saved", "run the same command to begin again")
        statuses = {"terminated": ExitStatus.SIGTERM, "hung up": ExitStatus.SIGHUP}
        self.status = statuses.get(reason, ExitStatus.SIGINT)
