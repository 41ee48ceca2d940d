"""Sessions on disk: a file of JSON lines each, to which every turn is appended as it ends.

The first line is the header; the others are the records of `session_records`, and are never changed. Reading ends at
the first line that is not a valid record. Where that is an incomplete last line, as a crash leaves it, the next turn
replaces it; otherwise the file is left as it is and the session continues in a new one.
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

from grucli.chat.input_history import InputHistory
from grucli.chat.session_records import VERSION, HeaderRecord, SavedSession, SessionRecord, TurnRecord
from grucli.errors import GruError, LockedError, UsageError
from grucli.files import FileLock, open_private
from grucli.json_record import JsonRecord
from grucli.model.store import validate_name
from grucli.paths import data_dir

SUFFIX = ".jsonl"
HISTORY_FILE = "chat_history"
MAX_UNNAMED_SESSIONS = 100

_MAX_LINE_BYTES = 1 << 26
_MAX_PREVIEWED_RECORDS = 10
_MAX_QUOTED_CHARS = 64
_unnamed_pattern = re.compile(r"\d{4}-\d\d-\d\d_\d{6}(-\d+)?")


@dataclass(frozen=True, slots=True)
class SessionInfo(JsonRecord):
    """A session in a list: `first_line` is what the user said first, `modified` when it was last written, in seconds
    since the epoch, and `problem` why it cannot be read, empty if it can."""

    name: str
    model: str
    first_line: str
    modified: float
    problem: str = ""


class SessionStore:
    """The sessions in `directory`, and the `history` of the lines typed in them, in the file `history_path`."""

    def __init__(self, directory: Path, history_path: Path | None = None) -> None:
        self.directory = directory
        self.history = InputHistory(history_path or directory / HISTORY_FILE)

    def names(self) -> list[str]:
        """Return the names of all sessions, the latest first."""
        entries = []
        with suppress(OSError):
            for path in self.directory.glob(f"[!.]*{SUFFIX}"):
                with suppress(OSError):
                    entries.append((path.stat().st_mtime, path.stem))
        return [name for _, name in sorted(entries, reverse=True)]

    def list_info(self, max_chars: int) -> Iterator[SessionInfo]:
        """Describe each session, the latest first, by up to `max_chars` of its first line."""
        for name in self.names():
            path, modified = self._path(name), 0.0
            try:
                modified = path.stat().st_mtime
                with path.open("rb") as file:
                    header = _read_header(file, path)
                    records = (record for _, record in itertools.islice(_read_records(file), _MAX_PREVIEWED_RECORDS))
                    lines = (record.line for record in records if isinstance(record, TurnRecord) and record.line)
                    yield SessionInfo(name, header.model, next(lines, "")[:max_chars], modified)
            except (OSError, GruError) as error:
                yield SessionInfo(name, "", "", modified, error_summary(error))

    def read(self, name: str) -> SavedSession:
        """Return the session `name` as it was left.

        Raises:
            UsageError: there is no such session, or the file is not a session.
            OSError: the file cannot be read.
        """
        path = self._path(self._check_exists(name))
        with path.open("rb") as file:
            header = _read_header(file, path)
            saved = SavedSession(header.model, header.conversations, header.preamble, header.started_at)
            for number, record in _read_records(file):
                try:
                    saved.apply(record)
                except ValueError:
                    saved.is_corrupt = True
                    saved.problem = f"session '{name}' is corrupt at line {number}: the turns after it were not loaded"
                    return saved
            saved.valid_bytes = file.tell()
            if file.read(1):
                saved.problem = f"dropped the incomplete last line of session '{name}'"
        return saved

    def open(self, name: str) -> tuple[SavedSession, "SessionLog"]:
        """Return the session `name` as it was left, and the log to continue it in, which is locked.

        Raises:
            UsageError: there is no such session, or the file is not a session.
            LockedError: another process has it open.
            OSError: the file cannot be read, or the directory cannot be written.
        """
        log = SessionLog(self, self._check_exists(name))
        log.lock()
        try:
            saved = self.read(name)
        except BaseException:
            log.close()
            raise
        if saved.is_corrupt:
            log.close()
            return saved, self.create_log()
        log.valid_bytes = saved.valid_bytes
        return saved, log

    def remove(self, name: str) -> None:
        """Delete the session `name`, and its lines in the history.

        Raises:
            UsageError: there is no such session.
            LockedError: another process has it open.
            OSError: a file cannot be written or deleted.
        """
        path = self._path(self._check_exists(name))
        with FileLock(self._lock_path(name), name) as lock:
            with suppress(UsageError), path.open("rb") as file:  # corrupt: its lines are not known
                self.history.remove(_read_header(file, path).started_at)
            path.unlink()
            lock.release_and_delete()

    def create_log(self) -> "SessionLog":
        """Return the log of a new session, which has no file before its first record."""
        return SessionLog(self, None)

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}{SUFFIX}"

    def _lock_path(self, name: str) -> Path:
        return self.directory / f".{name}.lock"

    def _check_exists(self, name: str) -> str:
        names = self.names()
        if name not in names:
            name = name[:_MAX_QUOTED_CHARS]
            matches = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f"did you mean '{matches[0]}'?" if matches else "use /load to list sessions"
            raise UsageError(f"there is no session '{name}'", hint)
        if self._path(name).is_dir():
            raise UsageError(f"'{name}' is a directory, not a session", f"see '{self._path(name)}'")
        return name

    def _prune(self) -> None:
        """Remove the oldest unnamed sessions, and lock files of killed processes, unless they are in use."""
        unnamed = [name for name in self.names() if _unnamed_pattern.fullmatch(name)]
        for name in unnamed[MAX_UNNAMED_SESSIONS:]:
            with suppress(OSError, LockedError), FileLock(self._lock_path(name), name) as lock:
                self._path(name).unlink()
                lock.release_and_delete()
        for path in self.directory.glob(".*.lock"):
            with suppress(OSError, LockedError), FileLock(path, path.name) as lock:
                lock.release_and_delete()


def default_session_store() -> SessionStore:
    """Return the user's sessions."""
    return SessionStore(data_dir() / "sessions", data_dir() / HISTORY_FILE)


def error_summary(error: GruError | OSError) -> str:
    """Return what failed, without a hint."""
    return error.message if isinstance(error, GruError) else error.strerror or str(error)


class SessionLog:
    """The file of one session, written by one process at a time. `name` is None before there is a file; `valid_bytes`
    is where the next record goes, None for the end of the file."""

    def __init__(self, store: SessionStore, name: str | None) -> None:
        self.name = name
        self.valid_bytes: int | None = None
        self._store = store
        self._lock: FileLock | None = None

    @property
    def path(self) -> Path | None:
        """The path of the file."""
        return None if self.name is None else self._store._path(self.name)

    def lock(self) -> None:
        """Keep other processes from writing the file.

        Raises:
            LockedError: another process holds it.
            OSError: the directory cannot be written.
        """
        if self._lock is None and self.name is not None:
            self._store.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(self._store._lock_path(self.name), self.name)
            lock.__enter__()
            self._lock = lock

    def append(self, record: SessionRecord, all_records: Callable[[], Iterable[SessionRecord]]) -> None:
        """Append a record; where there is no file, at first or because it was removed, write `all_records`.

        Raises:
            OSError: the file cannot be written.
        """
        if self.name is None:
            self._choose_name()
        self.lock()
        path = self.path
        assert path is not None
        is_new = not path.exists()
        encoded = b"".join(msgspec.json.encode(one) + b"\n" for one in (all_records() if is_new else (record,)))
        try:
            with open(path, "ab", opener=open_private) as file:
                if self.valid_bytes is not None and not is_new:
                    file.truncate(self.valid_bytes)
                file.write(encoded)
        except OSError:
            if is_new:  # a part of the header is not a session
                with suppress(OSError):
                    path.unlink()
            raise
        self.valid_bytes = None
        if is_new:
            self._store._prune()

    def rename(self, name: str) -> None:
        """Name the session, so that it is kept.

        Raises:
            UsageError: there is a session of this name, or it is not a valid name.
            OSError: the file cannot be renamed.
        """
        try:
            validate_name(name)
        except UsageError as error:
            raise UsageError(f"invalid session name: '{name[:_MAX_QUOTED_CHARS]}'", error.hint) from None
        store, path = self._store, self.path
        target = store._path(name)
        if target.exists():
            raise UsageError(f"session '{name}' already exists", f"choose another name, or use /load {name}")
        if path is not None and path.exists():
            # Windows cannot rename an open file.
            self.close()
            path.rename(target)
        self.close()
        self.name = name
        self.lock()

    def delete(self) -> None:
        """Delete the file, and release the lock.

        Raises:
            OSError: the file cannot be deleted.
        """
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Release the lock."""
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


def _read_header(file: BinaryIO, path: Path) -> HeaderRecord:
    line = file.readline(_MAX_LINE_BYTES)
    if not line.strip():
        raise UsageError(f"session '{path.stem}' is empty", f"see '{path}'")
    header = _decode(line)
    if isinstance(header, HeaderRecord) and header.version == VERSION and line.endswith(b"\n"):
        return header
    with suppress(ValueError, RecursionError):
        if (version := msgspec.json.decode(line, type=_VersionHeader).version) > VERSION:
            message = f"session '{path.stem}' was written by a newer gru (format {version})"
            raise UsageError(message, f"update gru: this one reads format {VERSION}")
    raise UsageError(f"session '{path.stem}' is corrupt (invalid header)", f"see '{path}'")


class _VersionHeader(msgspec.Struct):
    version: int = 0


def _read_records(file: BinaryIO) -> Iterator[tuple[int, SessionRecord | None]]:
    """Yield the line number and the record of each line after the header, None for a line that is not a record; stop
    before an incomplete last line."""
    for number in itertools.count(2):
        line = file.readline(_MAX_LINE_BYTES)
        if not line.endswith(b"\n") and len(line) < _MAX_LINE_BYTES:
            file.seek(-len(line), os.SEEK_CUR)
            return
        if not line.isspace():
            yield number, _decode(line)


def _decode(line: bytes) -> SessionRecord | None:
    try:
        record: SessionRecord = msgspec.json.decode(line, type=SessionRecord)
        return record
    except (ValueError, RecursionError):
        return None
