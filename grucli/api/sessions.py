"""The saved chat sessions on this computer: list, remove."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grucli.chat.session_store import SessionInfo, default_session_store
from grucli.errors import UsageError
from grucli.json_record import JsonRecord

_MAX_FIRST_LINE_CHARS = 1000


@dataclass(frozen=True, slots=True)
class RemovedSessions(JsonRecord):
    """Names of removed sessions."""

    removed: tuple[str, ...]


def list_sessions() -> list[SessionInfo]:
    """Return the saved sessions, the latest first."""
    return list(default_session_store().list_info(_MAX_FIRST_LINE_CHARS))


def find_sessions(names: Sequence[str], *, every: bool = False) -> list[str]:
    """Return `names`, each once, or the names of all sessions if `every`.

    Raises:
        UsageError: one of the sessions does not exist.
    """
    existing = default_session_store().names()
    for name in names:
        if name not in existing:
            raise UsageError(f"there is no session '{name}'", "list them with: gru sessions")
    return existing if every else list(dict.fromkeys(names))


def remove_sessions(names: Sequence[str], *, history: bool = False) -> Iterator[str]:
    """Remove sessions with their lines in the history of typed lines, and yield the name of each removed one.

    Args:
        names: the sessions.
        history: remove the whole history too, with lines of chats that have no session any more.

    Raises:
        UsageError: one of the sessions does not exist.
        LockedError: one of them is open in a chat.
        OSError: a file cannot be written or deleted.
    """
    store = default_session_store()
    for name in names:
        store.remove(name)
        yield name
    if history:
        store.history.clear()
