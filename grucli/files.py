"""Atomic writes and file locks.

A reader of a file written here finds the old bytes or the new ones, whatever happens in between: the new bytes go to a
temporary file in the same directory, are synced, and replace the file in one rename. System errors (a full disk, a
missing permission) are `OSError` with the name of the requested file.
"""

import errno
import io
import json
import os
import re
import secrets
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, Self

from grucli.errors import LockedError, UsageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

PRIVATE = 0o600
"""Mode of a file that only its owner reads."""

_TMP_SUFFIX = ".tmp"
_TEMPORARY_SUFFIX_RE = re.compile(rf"[0-9]+-[0-9a-f]{{8}}{re.escape(_TMP_SUFFIX)}")
_MAX_STEM_CHARS = 200
_LOCK_SUFFIX = ".lock"
_LOCKS_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
_NOT_OURS = {errno.ELOOP, errno.ENXIO}
"""Errors of `open_no_follow`, which are about the very file."""

_FSYNC_DIR_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF}


def atomic_write(path: Path, data: bytes, *, follow_symlinks: bool = True, mode: int = 0o666) -> None:
    """Replace the content of `path` by `data`; after any failure the file is the old one or the new one.

    The arguments are as in `atomic_writer`.

    Raises:
        UsageError: `path` is a directory.
        OSError: the file cannot be written; no temporary file is left.
    """
    with atomic_writer(path, follow_symlinks=follow_symlinks, mode=mode) as file:
        file.write(data)


@contextmanager
def atomic_writer(path: Path, *, follow_symlinks: bool = True, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when the block succeeds, and is deleted when it fails.

    Missing directories are created. The owner and the mode of an existing file are kept, and nobody else can read the
    temporary file meanwhile; a new file gets `mode`, less the umask. A pipe or device is written directly.

    Symbolic links are followed to the file of the user. For a file that the program has named, without
    `follow_symlinks`, a link is replaced: another person may have put it there.

    Raises:
        UsageError: `path` is a directory.
        OSError: the file cannot be written; no temporary file is left.
    """
    target = Path(os.path.realpath(path)) if follow_symlinks else path.absolute()
    is_link = target.is_symlink()
    if target.is_dir() and not is_link:
        raise UsageError(f"is a directory: '{path}'", "name a file to write")
    with oserror_for(path):
        if target.exists() and not target.is_file() and not is_link:
            with target.open("wb") as stream:
                yield stream
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_path(target)
        try:
            temporary.touch(PRIVATE if target.exists() and not is_link else mode, exist_ok=False)
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if not is_link:
                with suppress(FileNotFoundError):
                    copy_permissions(target, temporary)
            os.replace(temporary, target)  # noqa: PTH105 - a test makes this very call fail
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        fsync_dir(target.parent)


def copy_permissions(source: Path, target: Path) -> None:
    """Give `target` the owner and mode of `source`, and no more than that where its group cannot be had."""
    status = source.stat()
    mode = stat.S_IMODE(status.st_mode)
    if sys.platform != "win32":
        for owner in ((-1, status.st_gid), (status.st_uid, -1)):
            with suppress(OSError):  # only root may give a file away
                os.chown(target, *owner)
        if target.stat().st_gid != status.st_gid:
            mode &= ~stat.S_IRWXG
    target.chmod(mode)


def open_no_follow(path: str, flags: int, mode: int = 0o666) -> int:
    """Open a file for `open(path, opener=...)` whose name the program has chosen, and not another one in its place.

    Raises:
        OSError: it cannot be opened, or it is a symbolic link, a pipe or a device.
    """
    if Path(path).is_symlink():
        raise OSError(errno.ELOOP, "is a symbolic link", path)
    # Without blocking, which a pipe may do. The first check has a race where the system does not have O_NOFOLLOW.
    descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), mode)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.ENXIO, "is not a regular file", path)


open_private = partial(open_no_follow, mode=PRIVATE)
"""The same for a file of mode 0600."""


def make_private_dir(directory: Path) -> None:
    """Create a directory of mode 0700, or give an existing one this mode, if the system permits it.

    Raises:
        OSError: it cannot be created.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):
        if directory.stat().st_mode & 0o077:
            directory.chmod(0o700)


def temporary_path(target: Path) -> Path:
    """Return an unused path beside `target`, which the holder of its `OutputLock` removes if it is left behind."""
    return target.with_name(f"{_tmp_prefix(target)}{os.getpid()}-{secrets.token_hex(4)}{_TMP_SUFFIX}")


def _tmp_prefix(target: Path) -> str:
    return f".{target.name[:_MAX_STEM_CHARS]}."


@contextmanager
def oserror_for(path: Path) -> Iterator[None]:
    """Set `filename` of OSErrors from the block to `path`, instead of a temporary file, or None for a full disk."""
    try:
        yield
    except OSError as error:
        unnamed = error.filename is None and error.errno in _DISK_ERRORS
        if error.errno not in _NOT_OURS and (unnamed or str(error.filename).endswith((_TMP_SUFFIX, _LOCK_SUFFIX))):
            error.filename, error.filename2 = str(path), None
        raise


def fsync_dir(directory: Path) -> None:
    """Sync the names in a directory to disk; does nothing on Windows, which cannot.

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
    """Lock that one process at a time may hold: `with FileLock(path, "corpus.csv"): ...`.

    `path` is a file for the lock alone, created if missing; `description` is what it protects, for errors. The system
    releases the lock when the process ends, however it ends. On file systems without locks (some network file
    systems) it has no effect.

    Raises:
        LockedError: on entering, if another process, or another lock of this process, holds it.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, description: str) -> None:
        self.path = path
        self.description = description
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        while self._file is None:
            file = open(self.path, "a+", encoding="utf-8", opener=open_no_follow)
            try:
                _lock(file)
                if _has_other_names(file):
                    self.path.unlink()  # its content may be another person's, and must not be truncated
                elif _still_linked(file, self.path):
                    self._file = file
            except BlockingIOError:
                raise LockedError(
                    f"'{self.description}' is in use by {_holder_description(file)}", "wait for it, or stop it"
                ) from None
            finally:
                if self._file is None:
                    file.close()
        self._write_holder()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    def is_locked(self) -> bool:
        """Return True if another process, or another lock of this process, holds it. Writes nothing."""
        try:
            with open(self.path, "r+", encoding="utf-8", opener=open_no_follow) as file:
                _lock(file)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def release(self) -> None:
        """Release before the block ends; Windows cannot rename a directory that contains an open file."""
        if self._file is not None:
            with suppress(OSError):  # a full disk, where the holder could not be written
                self._file.close()
            self._file = None

    def release_and_delete(self) -> None:
        """Release, and delete the lock file."""
        if self._file is not None:
            # Before the release: a process that has opened the file sees that it is unlinked, and creates a new one.
            with suppress(OSError):
                self.path.unlink()
            self.release()
            if sys.platform == "win32":  # an open file cannot be deleted there
                with suppress(OSError):
                    self.path.unlink()

    def _write_holder(self) -> None:
        """Write who holds the lock, for the errors of others. The lock works without it, so a full disk is no error."""
        assert self._file is not None
        with suppress(OSError):
            self._file.truncate(0)
            # Unbuffered: a buffer that does not fit on the disk would fail again when the file is closed.
            os.write(self._file.fileno(), json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())


class DirectoryLock(FileLock):
    """Lock for changing a directory: `with DirectoryLock(directory): ...`.

    The lock is the file `lock` in the directory, which is created if missing. The holder is the only writer, so
    temporary files found then belong to a killed process, and are removed.

    Raises:
        LockedError: on entering, if another process, or another lock of this process, holds it.
        OSError: the directory cannot be written.
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
    """Lock for writing a file: `with OutputLock(path): ...`. The lock file is deleted on exit.

    The holder is the only writer, so temporary files of the output belong to a killed process, and are removed. Pipes
    and devices are not locked.

    Raises:
        UsageError: on entering, if the directory of the file does not exist.
        LockedError: on entering, if another process, or another lock of this process, holds it.
        OSError: the directory cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._target = Path(os.path.realpath(path))
        # The name may be cut. Two files with long names may then share a lock, which is harmless.
        super().__init__(self._target.with_name(_tmp_prefix(self._target)[:-1] + _LOCK_SUFFIX), str(path))

    def __enter__(self) -> Self:
        if self._target.exists() and not self._target.is_file():
            return self
        if not self._target.parent.exists():
            # Creating a directory for a misspelled path would hide the mistake.
            directory = Path(self.description).parent
            raise UsageError(
                f"no such directory: '{directory}'", "check the spelling of the path, or create the directory"
            )
        with oserror_for(Path(self.description)):
            super().__enter__()
        self._remove_stale_temporaries()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release_and_delete()

    def _remove_stale_temporaries(self) -> None:
        prefix = _tmp_prefix(self._target)
        with suppress(OSError):
            for path in self._target.parent.iterdir():
                if path.name.startswith(prefix) and _TEMPORARY_SUFFIX_RE.fullmatch(path.name, len(prefix)):
                    with suppress(OSError):
                        path.unlink()


def _lock(file: IO[str]) -> None:
    try:
        if sys.platform == "win32":
            # Windows forbids reading a locked byte, so lock one far after the holder's name.
            file.seek(1 << 20)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EAGAIN, errno.EDEADLK, errno.EWOULDBLOCK}:
            raise BlockingIOError(error.errno, error.strerror) from error
        if error.errno not in _LOCKS_UNSUPPORTED:
            raise


def _has_other_names(file: IO[str]) -> bool:
    return os.fstat(file.fileno()).st_nlink > 1


def _still_linked(file: IO[str], path: Path) -> bool:
    """Return True if the locked file still has its name; the previous holder may have deleted or renamed it."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def _holder_description(file: IO[str]) -> str:
    """The holder named in a lock file, which may be empty or written by another program."""
    try:
        file.seek(0, io.SEEK_SET)
        holder = json.loads(file.read(1000))
        pid, host = holder["pid"], holder["host"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
    return f"process {pid}" if host == socket.gethostname() else f"process {pid} on {host}"
