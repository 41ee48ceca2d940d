"""Files that are always whole, and folders that one process at a time may change. Ground floor: bytes, no meaning.

A reader of a file written here finds the old bytes or the new ones, whatever happens in between: the new ones go to a
temporary in the same folder, are forced to the disk, and take the name in one step. Failures of the machine (a full
disk, a forbidden folder) leave as `OSError` with the name of the file that was asked for.
"""

import errno
import io
import json
import os
import re
import secrets
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Self

from grucli.errors import LockedError, UsageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_TMP_SUFFIX = ".tmp"
_TEMPORARY_SUFFIX_RE = re.compile(rf"[0-9]+-[0-9a-f]{{8}}{re.escape(_TMP_SUFFIX)}")
_MAX_STEM_CHARS = 200
_LOCK_SUFFIX = ".lock"
_LOCKS_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
_FSYNC_DIR_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF}


def atomic_write(path: Path, data: bytes) -> None:
    """Write `data` as the whole of `path`: afterwards, or after any failure, the file is the old one or the new one.

    Raises:
        UsageError: `path` is a folder.
        OSError: the file system refused; no temporary is left behind.
    """
    with atomic_writer(path) as file:
        file.write(data)


@contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """Open a file that becomes `path` when the block ends well, and disappears when it does not.

    Folders that are missing on the way are made. A link is written through, the mode of a file that was there is
    kept. What is no plain file (a pipe, `/dev/null`) has nothing to lose and is written as it comes.

    Raises:
        UsageError: `path` is a folder.
        OSError: the file system refused; no temporary is left behind.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise UsageError(f"'{path}' is a folder", "name a file to write")
    with oserror_for(path):
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                yield stream
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f"{_tmp_prefix(target)}{os.getpid()}-{secrets.token_hex(4)}{_TMP_SUFFIX}")
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                shutil.copymode(target, temporary)
            os.replace(temporary, target)  # noqa: PTH105 - a test makes this very call fail
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        fsync_dir(target.parent)


def _tmp_prefix(target: Path) -> str:
    """How the temporaries of a file begin; behind it come the process, a number of chance, and `_TEMPORARY`."""
    return f".{target.name[:_MAX_STEM_CHARS]}."


@contextmanager
def oserror_for(path: Path) -> Iterator[None]:
    """Let an `OSError` that leaves the block name the file that was asked for, not one beside it, or nothing.

    What the system says of a full disk, while something is written, names no file.
    """
    try:
        yield
    except OSError as error:
        unnamed = error.filename is None and error.errno in _DISK_ERRORS
        if unnamed or str(error.filename).endswith((_TMP_SUFFIX, _LOCK_SUFFIX)):
            error.filename, error.filename2 = str(path), None
        raise


def fsync_dir(directory: Path) -> None:
    """Force the names in a folder to the disk, where the system can do that for a folder (Windows cannot).

    Raises:
        OSError: the disk failed.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _FSYNC_DIR_UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


class FileLock:
    """One process at a time may do what a lock stands for: `with FileLock(path, "corpus.csv"): ...`.

    `path` is a file for the lock alone, made when missing; `subject` is what it guards, as an error calls it. The
    system releases the lock when the process ends, however it ends, so a lock never outlives its holder. File systems
    that have no locks (some network ones) are used without.

    Raises:
        BusyError: on entering, when another process, or another lock of this one, holds it; it says who.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, description: str) -> None:
        self.path = path
        self.description = description
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        while self._file is None:
            file = self.path.open("a+", encoding="utf-8")
            try:
                _lock(file)
                if _still_linked(file, self.path):
                    self._file = file
            except BlockingIOError:
                raise LockedError(
                    f"'{self.description}' is in use by {_holder_description(file)}", "wait for it, or end it"
                ) from None
            finally:
                if self._file is None:
                    file.close()
        self._write_holder()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.release()

    def is_locked(self) -> bool:
        """Whether another process, or another lock of this one, holds it; nothing is made or signed for that."""
        try:
            with self.path.open("r+", encoding="utf-8") as file:
                _lock(file)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def release(self) -> None:
        """Let go, before the block ends: a folder with an open file in it cannot be renamed on Windows."""
        if self._file is not None:
            with suppress(OSError):  # of a full disk, on which the holder's name could not be put
                self._file.close()
            self._file = None

    def release_and_delete(self) -> None:
        """Let go for good: the lock's file goes too, so that nothing stays beside what it guarded."""
        if self._file is not None:
            # While it is held: whoever opened it before finds that it has lost its name, and makes a new one.
            with suppress(OSError):
                self.path.unlink()
            self.release()
            if sys.platform == "win32":  # there, what is open keeps its name
                with suppress(OSError):
                    self.path.unlink()

    def _write_holder(self) -> None:
        """Leave the holder's name; a lock is as good without, so a full disk is no reason to stop here."""
        assert self._file is not None
        with suppress(OSError):
            self._file.truncate(0)
            # Past the file's buffer: what did not fit on the disk would be tried, and fail, once more at its end.
            os.write(self._file.fileno(), json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())


class DirectoryLock(FileLock):
    """One process at a time may change a folder: `with FolderLock(folder): ...`.

    The lock is the file `lock` inside the folder, which is made when missing. Whoever holds it is the only writer, so
    temporaries found then are those of a process that was killed, and are removed.

    Raises:
        BusyError: on entering, when another process, or another lock of this one, holds it; it says who.
        OSError: the folder cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "lock", directory.name)
        self.directory = directory

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        super().__enter__()
        for leftover in self.directory.glob(f".*{_TMP_SUFFIX}"):
            with suppress(OSError):
                leftover.unlink()
        return self


class OutputLock(FileLock):
    """One process at a time may write a file: `with OutputLock(path): ...`, and nothing of the lock stays beside it.

    Temporaries of the file that are found once nobody else writes it are those of a process that was killed: they are
    removed. What is no plain file needs no lock and gets none.

    Raises:
        UsageError: on entering, when there is no folder for such a file.
        BusyError: on entering, when another process, or another lock of this one, holds it; it says who.
        OSError: the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._target = Path(os.path.realpath(path))
        # By a part of a name that is too long for more: then two files may have to wait for each other, no worse.
        super().__init__(self._target.with_name(_tmp_prefix(self._target)[:-1] + _LOCK_SUFFIX), str(path))

    def __enter__(self) -> Self:
        if self._target.exists() and not self._target.is_file():
            return self
        if not self._target.parent.exists():
            # To make one for a name that was misspelt would hide the mistake.
            directory = Path(self.description).parent
            raise UsageError(
                f"there is no folder '{directory}'", "check how the path is spelt, or make the folder first"
            )
        with oserror_for(Path(self.description)):
            super().__enter__()
        self._remove_stale_temporaries()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.release_and_delete()

    def _remove_stale_temporaries(self) -> None:
        prefix = _tmp_prefix(self._target)
        with suppress(OSError):
            for path in self._target.parent.iterdir():
                if path.name.startswith(prefix) and _TEMPORARY_SUFFIX_RE.fullmatch(path.name, len(prefix)):
                    with suppress(OSError):
                        path.unlink()


def _lock(file: IO[str]) -> None:
    """Take the lock or raise `BlockingIOError`."""
    try:
        if sys.platform == "win32":
            # Windows forbids reading a locked byte, so lock one far behind the holder's name.
            file.seek(1 << 20)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EAGAIN, errno.EDEADLK, errno.EWOULDBLOCK}:
            raise BlockingIOError(error.errno, error.strerror) from error
        if error.errno not in _LOCKS_UNSUPPORTED:
            raise


def _still_linked(file: IO[str], path: Path) -> bool:
    """Whether the locked file still has its name: the holder before may have removed or renamed the folder."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def _holder_description(file: IO[str]) -> str:
    """Who signed a lock file, in words; it may be empty, or from a stranger."""
    try:
        file.seek(0, io.SEEK_SET)
        holder = json.loads(file.read(1000))
        pid, host = holder["pid"], holder["host"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
    return f"process {pid}" if host == socket.gethostname() else f"process {pid} on {host}"
