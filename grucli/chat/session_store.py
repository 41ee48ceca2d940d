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

from grucli.chat.session_records import VERSION, Entry, Kept, SessionEntry, TurnEntry, replay
from grucli.errors import BusyError, GruError, UsageError
from grucli.files import FileLock
from grucli.model.store import validate_name
from grucli.paths import data_dir

SUFFIX = ".jsonl"
SESSIONS_KEPT = 100
"""Sessions that nobody gave a name; with the next one the oldest goes."""

_LONGEST_LINE = 1 << 26
_HEAD = 1 << 16  # bytes: a line longer than that is not read only to be shown in a list
_QUOTED = 64  # characters
_unnamed = re.compile(r"\d{4}-\d\d-\d\d_\d{6}(-\d+)?")


@dataclass(frozen=True, slots=True)
class Brief:
    """A session in a line: its name, its model, what was said first, and when it was last written, in seconds."""

    name: str
    model: str
    first: str
    modified: float


class Archive:
    """The sessions in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Name the sessions there are, the latest first."""
        found = []
        with suppress(OSError):
            for path in self.folder.glob(f"[!.]*{SUFFIX}"):
                with suppress(OSError):
                    found.append((path.stat().st_mtime, path.stem))
        return [name for _, name in sorted(found, reverse=True)]

    def briefs(self, characters: int) -> Iterator[Brief]:
        """Tell of each session, the latest first, with the beginning of it; one that cannot be read is left out."""
        for name in self.names():
            with suppress(OSError, GruError):
                path = self._path(name)
                opened, first = _head(path)
                yield Brief(name, opened.model, first[:characters], path.stat().st_mtime)

    def read(self, name: str) -> Kept:
        """Give the session `name` as it was left.

        Raises:
            UsageError: there is none, or the file is none; it says which. OSError: it cannot be read.
        """
        if name not in self.names():
            raise self._missing(name)
        if self._path(name).is_dir():
            raise UsageError(f"'{name}' is a folder, not a session", f"see '{self._path(name)}'")
        with self._path(name).open("rb") as file:
            kept = None
            for entry in _entries(file):
                if kept is None:
                    if not isinstance(entry, SessionEntry) or entry.version != VERSION:
                        break
                    kept = Kept(entry.model, entry.conversations, entry.scene)
                elif entry is None or not replay(kept, entry):
                    kept.lose()
        if kept is None:
            raise _no_session(self._path(name))
        return kept

    def begin(self) -> "Log":
        """Give the log of a session that has no file before it has something to tell."""
        return Log(self, None)

    def go_on(self, name: str) -> "Log":
        """Give the log that a session goes on in.

        Raises:
            BusyError: another process goes on in it.
        """
        log = Log(self, name)
        log.hold()
        return log

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def _missing(self, name: str) -> UsageError:
        name = name[:_QUOTED]
        near = difflib.get_close_matches(name, self.names(), n=1, cutoff=0.5)
        return UsageError(
            f"there is no session '{name}'", f"did you mean '{near[0]}'?" if near else "/load alone lists them"
        )

    def _let_go(self) -> None:
        """Remove the oldest sessions that nobody gave a name, and locks of killed processes, but nothing in use."""
        unnamed = [name for name in self.names() if _unnamed.fullmatch(name)]
        for name in unnamed[SESSIONS_KEPT:]:
            with suppress(OSError, BusyError), FileLock(self._lock(name), name) as lock:
                self._path(name).unlink()
                lock.remove()
        for path in self.folder.glob(".*.lock"):
            with suppress(OSError, BusyError), FileLock(path, path.name) as lock:
                lock.remove()

    def _lock(self, name: str) -> Path:
        return self.folder / f".{name}.lock"


def sessions() -> Archive:
    """The user's sessions."""
    return Archive(data_dir() / "sessions")


class Log:
    """The file of one session, written by one process at a time. `name` is None while there is none."""

    def __init__(self, archive: Archive, name: str | None) -> None:
        self.name = name
        self._archive = archive
        self._lock: FileLock | None = None

    @property
    def path(self) -> Path | None:
        """Where the session is kept."""
        return None if self.name is None else self._archive._path(self.name)

    def hold(self) -> None:
        """Keep others out of the file.

        Raises:
            BusyError: another process holds it. OSError: the folder cannot be written.
        """
        if self._lock is None and self.name is not None:
            self._archive.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(self._archive._lock(self.name), self.name)
            lock.__enter__()
            self._lock = lock

    def add(self, entry: Entry, everything: Callable[[], Iterable[Entry]]) -> None:
        """Add an entry; where there is no file, as at first and after somebody removed it, `everything` is written.

        Raises:
            OSError: the file system refused.
        """
        if self.name is None:
            self._choose_name()
        self.hold()
        path = self.path
        assert path is not None
        fresh = not path.exists()
        encoded = b"".join(msgspec.json.encode(one) + b"\n" for one in (everything() if fresh else (entry,)))
        if not fresh and _torn(path):
            encoded = b"\n" + encoded
        try:
            with open(path, "ab", opener=_private) as file:
                file.write(encoded)
        except OSError:
            if fresh:  # the beginning of a first line is no session
                with suppress(OSError):
                    path.unlink()
            raise
        if fresh:
            self._archive._let_go()

    def rename(self, name: str) -> None:
        """Give the session a name to be found by, and to be kept for.

        Raises:
            UsageError: there is a session of this name, or it cannot be one. OSError: the file system refused.
        """
        checked_name(name)
        archive, path = self._archive, self.path
        target = archive._path(name)
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
        self.hold()

    def close(self) -> None:
        """Let others have the file."""
        if self._lock is not None:
            self._lock.remove()
            self._lock = None

    def _choose_name(self) -> None:
        now = f"{datetime.now().astimezone():%Y-%m-%d_%H%M%S}"
        number = 1
        while self._lock is None:
            self.name = now if number == 1 else f"{now}-{number}"
            number += 1
            if self._archive._path(self.name).exists():
                continue
            with suppress(BusyError):
                self.hold()


def checked_name(name: str) -> str:
    """Give `name` back if a session can have it.

    Raises:
        UsageError: it cannot.
    """
    try:
        return validate_name(name)
    except UsageError as error:
        raise UsageError(f"'{name[:64]}' cannot be the name of a session", error.todo) from None


def _entries(file: BinaryIO, longest: int = _LONGEST_LINE) -> Iterator[Entry | None]:
    """The entries of a file in order, None in the place of each line that is none."""
    while line := file.readline(longest):
        whole = line.endswith(b"\n") or len(line) < longest
        while not whole and (rest := file.readline(longest)):
            whole = rest.endswith(b"\n")
            line = b""
        if line.isspace():
            continue
        try:
            yield msgspec.json.decode(line, type=Entry)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            yield None


def _head(path: Path) -> tuple[SessionEntry, str]:
    """The first record of a session's file, and the first line that the user said.

    Raises:
        UsageError: it is no session. OSError: it cannot be read.
    """
    with path.open("rb") as file:
        entries = _entries(file, _HEAD)
        opened = next(entries, None)
        if not isinstance(opened, SessionEntry) or opened.version != VERSION:
            raise UsageError(f"'{path.stem}' is no session", "leave it")
        lines = (entry.line for entry in itertools.islice(entries, 10) if isinstance(entry, TurnEntry))
        return opened, next(filter(None, lines), "")


class _Stamp(msgspec.Struct):
    """What the first record of every version has."""

    version: int = 0


def _no_session(path: Path) -> UsageError:
    """What is wrong with a file that has no first record of ours."""
    with path.open("rb") as file:
        first = file.readline(_LONGEST_LINE)
    if not first.strip():
        return UsageError(f"the file of '{path.stem}' is empty", f"see '{path}'")
    with suppress(msgspec.MsgspecError, ValueError, RecursionError):
        if (version := msgspec.json.decode(first, type=_Stamp).version) > VERSION:
            what = f"'{path.stem}' was kept by a newer gru, in version {version} of its format"
            return UsageError(what, f"update gru: this one knows version {VERSION}")
    return UsageError(f"the file of '{path.stem}' is damaged: its first line is no beginning", f"see '{path}'")


def _torn(path: Path) -> bool:
    """Whether a file ends amid a line: whoever wrote it was cut off."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read(1) not in (b"", b"\n")


def _private(path: str, flags: int) -> int:
    """Open a file that nobody else may read: it holds what was said in private."""
    return os.open(path, flags, 0o600)
