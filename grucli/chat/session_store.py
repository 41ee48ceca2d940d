"""Sessions on disk: one file each, of JSON lines, to which every turn is added as it is said.

The first line tells the model and the scene, each further one a turn, where the session went, or which model took
over. What was written is never changed, so whatever happens later, what was said until then is there. A last line that
was torn, and any that cannot be understood, is left out and counted when a session is taken up again.
"""

import difflib
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from grucli.chat.session_records import VERSION, HeaderRecord, SavedSession, SessionRecord, TurnRecord, apply_record
from grucli.errors import GruError, LockedError, UsageError
from grucli.files import FileLock
from grucli.model.store import validate_name
from grucli.paths import data_dir

SUFFIX = ".jsonl"
MAX_UNNAMED_SESSIONS = 100
"""Sessions that nobody gave a name; with the next one the oldest goes."""

_MAX_LINE_BYTES = 1 << 26
_MAX_LISTED_LINE_BYTES = 1 << 16  # bytes: a line longer than that is not read only to be shown in a list
_MAX_QUOTED_CHARS = 64  # characters
_unnamed_pattern = re.compile(r"\d{4}-\d\d-\d\d_\d{6}(-\d+)?")


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session in a line: its name, its model, what was said first, and when it was last written, in seconds."""

    name: str
    model: str
    first_line: str
    modified: float


class SessionStore:
    """The sessions in `folder`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def names(self) -> list[str]:
        """Name the sessions there are, the latest first."""
        entries = []
        with suppress(OSError):
            for path in self.directory.glob(f"[!.]*{SUFFIX}"):
                with suppress(OSError):
                    entries.append((path.stat().st_mtime, path.stem))
        return [name for _, name in sorted(entries, reverse=True)]

    def list_info(self, max_chars: int) -> Iterator[SessionInfo]:
        """Tell of each session, the latest first, with the beginning of it; one that cannot be read is left out."""
        for name in self.names():
            with suppress(OSError, GruError):
                path = self._path(name)
                header, first = _read_header(path)
                yield SessionInfo(name, header.model, first[:max_chars], path.stat().st_mtime)

    def read(self, name: str) -> SavedSession:
        """Give the session `name` as it was left.

        Raises:
            UsageError: there is none, or the file is none; it says which. OSError: it cannot be read.
        """
        if name not in self.names():
            raise self._not_found_error(name)
        if self._path(name).is_dir():
            raise UsageError(f"'{name}' is a folder, not a session", f"see '{self._path(name)}'")
        with self._path(name).open("rb") as file:
            saved = None
            for record in _read_records(file):
                if saved is None:
                    if not isinstance(record, HeaderRecord) or record.version != VERSION:
                        break
                    saved = SavedSession(record.model, record.conversations, record.preamble)
                elif record is None or not apply_record(saved, record):
                    saved.skip_record()
        if saved is None:
            raise _invalid_file_error(self._path(name))
        return saved

    def create_log(self) -> "SessionLog":
        """Give the log of a session that has no file before it has something to tell."""
        return SessionLog(self, None)

    def open_log(self, name: str) -> "SessionLog":
        """Give the log that a session goes on in.

        Raises:
            BusyError: another process goes on in it.
        """
        log = SessionLog(self, name)
        log.lock()
        return log

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}{SUFFIX}"

    def _not_found_error(self, name: str) -> UsageError:
        name = name[:_MAX_QUOTED_CHARS]
        matches = difflib.get_close_matches(name, self.names(), n=1, cutoff=0.5)
        return UsageError(
            f"there is no session '{name}'", f"did you mean '{matches[0]}'?" if matches else "/load alone lists them"
        )

    def _prune(self) -> None:
        """Remove the oldest sessions that nobody gave a name, and locks of killed processes, but nothing in use."""
        unnamed = [name for name in self.names() if _unnamed_pattern.fullmatch(name)]
        for name in unnamed[MAX_UNNAMED_SESSIONS:]:
            with suppress(OSError, LockedError), FileLock(self._lock_path(name), name) as lock:
                self._path(name).unlink()
                lock.release_and_delete()
        for path in self.directory.glob(".*.lock"):
            with suppress(OSError, LockedError), FileLock(path, path.name) as lock:
                lock.release_and_delete()

    def _lock_path(self, name: str) -> Path:
        return self.directory / f".{name}.lock"


def default_session_store() -> SessionStore:
    """The user's sessions."""
    return SessionStore(data_dir() / "sessions")


class SessionLog:
    """The file of one session, written by one process at a time. `name` is None while there is none."""

    def __init__(self, store: SessionStore, name: str | None) -> None:
        self.name = name
        self._store = store
        self._lock: FileLock | None = None

    @property
    def path(self) -> Path | None:
        """Where the session is kept."""
        return None if self.name is None else self._store._path(self.name)

    def lock(self) -> None:
        """Keep others out of the file.

        Raises:
            BusyError: another process holds it. OSError: the folder cannot be written.
        """
        if self._lock is None and self.name is not None:
            self._store.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(self._store._lock_path(self.name), self.name)
            lock.__enter__()
            self._lock = lock

    def append(self, record: SessionRecord, all_records: Callable[[], Iterable[SessionRecord]]) -> None:
        """Add an entry; where there is no file, as at first and after somebody removed it, `everything` is written.

        Raises:
            OSError: the file system refused.
        """
        if self.name is None:
            self._choose_name()
        self.lock()
        path = self.path
        assert path is not None
        is_new = not path.exists()
        encoded = b"".join(msgspec.json.encode(one) + b"\n" for one in (all_records() if is_new else (record,)))
        if not is_new and _ends_mid_line(path):
            encoded = b"\n" + encoded
        try:
            with open(path, "ab", opener=_open_private) as file:
                file.write(encoded)
        except OSError:
            if is_new:  # the beginning of a first line is no session
                with suppress(OSError):
                    path.unlink()
            raise
        if is_new:
            self._store._prune()

    def rename(self, name: str) -> None:
        """Give the session a name to be found by, and to be kept for.

        Raises:
            UsageError: there is a session of this name, or it cannot be one. OSError: the file system refused.
        """
        validate_session_name(name)
        store, path = self._store, self.path
        target = store._path(name)
        if target.exists():
            raise UsageError(
                f"there is already a session '{name}'", f"choose another name, or take it up: /load {name}"
            )
        if path is not None and path.exists():
            # In this order: on Windows nothing that is open can be renamed, and the file is opened for each entry.
            self.close()
            path.rename(target)
        self.close()
        self.name = name
        self.lock()

    def close(self) -> None:
        """Let others have the file."""
        if self._lock is not None:
            self._lock.release_and_delete()
            self._lock = None

    def _choose_name(self) -> None:
        timestamp = f"{datetime.now().astimezone():%Y-%m-%d_%H%M%S}"
        suffix = 1
        while self._lock is None:
            self.name = timestamp if suffix == 1 else f"{timestamp}-{suffix}"
            suffix += 1
            if self._store._path(self.name).exists():
                continue
            with suppress(LockedError):
                self.lock()


def validate_session_name(name: str) -> str:
    """Give `name` back if a session can have it.

    Raises:
        UsageError: it cannot.
    """
    try:
        return validate_name(name)
    except UsageError as error:
        raise UsageError(f"'{name[:64]}' cannot be the name of a session", error.hint) from None


def _read_records(file: BinaryIO, max_line_bytes: int = _MAX_LINE_BYTES) -> Iterator[SessionRecord | None]:
    """The entries of a file in order, None in the place of each line that is none."""
    while line := file.readline(max_line_bytes):
        complete = line.endswith(b"\n") or len(line) < max_line_bytes
        while not complete and (rest := file.readline(max_line_bytes)):
            complete = rest.endswith(b"\n")
            line = b""
        if line.isspace():
            continue
        try:
            yield msgspec.json.decode(line, type=SessionRecord)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            yield None


def _read_header(path: Path) -> tuple[HeaderRecord, str]:
    """The first record of a session's file, and the first line that the user said.

    Raises:
        UsageError: it is no session. OSError: it cannot be read.
    """
    with path.open("rb") as file:
        records = _read_records(file, _MAX_LISTED_LINE_BYTES)
        header = next(records, None)
        if not isinstance(header, HeaderRecord) or header.version != VERSION:
            raise UsageError(f"'{path.stem}' is no session", "leave it")
        lines = (entry.line for entry in itertools.islice(records, 10) if isinstance(entry, TurnRecord))
        return header, next(filter(None, lines), "")


class _VersionHeader(msgspec.Struct):
    """What the first record of every version has."""

    version: int = 0


def _invalid_file_error(path: Path) -> UsageError:
    """What is wrong with a file that has no first record of ours."""
    with path.open("rb") as file:
        first_line = file.readline(_MAX_LINE_BYTES)
    if not first_line.strip():
        return UsageError(f"the file of '{path.stem}' is empty", f"see '{path}'")
    with suppress(msgspec.MsgspecError, ValueError, RecursionError):
        if (version := msgspec.json.decode(first_line, type=_VersionHeader).version) > VERSION:
            message = f"'{path.stem}' was kept by a newer gru, in version {version} of its format"
            return UsageError(message, f"update gru: this one knows version {VERSION}")
    return UsageError(f"the file of '{path.stem}' is damaged: its first line is no beginning", f"see '{path}'")


def _ends_mid_line(path: Path) -> bool:
    """Whether a file ends amid a line: whoever wrote it was cut off."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read(1) not in (b"", b"\n")


def _open_private(path: str, flags: int) -> int:
    """Open a file that nobody else may read: it holds what was said in private."""
    return os.open(path, flags, 0o600)
