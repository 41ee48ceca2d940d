"""Whole files and locks: what a reader finds after any failure, and who is kept out."""

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from grucli.errors import LockedError, UsageError
from grucli.files import (
    PRIVATE,
    DirectoryLock,
    FileLock,
    OutputLock,
    atomic_write,
    atomic_writer,
    make_private_dir,
)
from tests.fault_injection import disk_full, failing_disk

OLD, NEW = b"old", b"new" * 10_000
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions and devices")


def file_names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def save_in_parts(path: Path) -> None:
    with atomic_writer(path) as file:
        for start in range(0, len(NEW), 9_000):
            file.write(NEW[start : start + 9_000])


def test_the_file_is_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "file"
    atomic_write(path, OLD)
    atomic_write(path, NEW)
    assert path.read_bytes() == NEW
    assert file_names(path.parent) == ["file"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_every_fault_leaves_the_old_file_or_the_new_one(tmp_path: Path, code: int) -> None:
    seen: set[str] = set()
    for fail_at in range(1, 100):
        path = tmp_path / str(fail_at)
        path.write_bytes(OLD)
        error = None
        with failing_disk(fail_at, code) as injector:
            try:
                save_in_parts(path)
            except OSError as caught:
                error = caught
        if not injector.triggered:
            break
        assert error is not None
        assert (error.errno, error.filename) == (code, str(path))
        seen.add(injector.requests[-1])
        # Once the name is taken, only the folder's own fsync can fail.
        renamed = "replace" in injector.requests[:-1]
        assert path.read_bytes() == (NEW if renamed else OLD)
    assert injector.requests[-2:] == ["replace", "fsync"] or sys.platform == "win32"
    assert seen == {"write", "fsync", "replace"}
    assert path.read_bytes() == NEW
    assert not [name for name in file_names(tmp_path) if name.endswith(".tmp")]


def test_a_fault_of_the_first_save_leaves_nothing(tmp_path: Path) -> None:
    with failing_disk(1, errno.ENOSPC), pytest.raises(OSError, match="No space"):
        atomic_write(tmp_path / "file", NEW)
    assert file_names(tmp_path) == []


def test_an_error_of_the_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)

    def fail(error: BaseException) -> None:
        with atomic_writer(path) as file:
            file.write(NEW)
            raise error

    for error in (RuntimeError(), KeyboardInterrupt(), ConnectionResetError(errno.ECONNRESET, "reset")):
        with pytest.raises(type(error)) as caught:
            fail(error)
        assert getattr(caught.value, "filename", None) is None
    assert path.read_bytes() == OLD
    assert file_names(tmp_path) == ["file"]


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a directory"):
        atomic_write(tmp_path, NEW)


@posix_only
def test_a_link_is_written_through_and_the_mode_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(OLD)
    path.chmod(0o600)
    link.symlink_to(path)
    atomic_write(link, NEW)
    assert link.is_symlink()
    assert path.read_bytes() == NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@posix_only
def test_a_device_stays_a_device() -> None:
    atomic_write(Path(os.devnull), NEW)
    assert Path(os.devnull).is_char_device()


@posix_only
def test_a_disk_quota_names_the_file(tmp_path: Path) -> None:
    """A limit that the system itself enforces, in a process of its own."""
    path = tmp_path / "file"
    path.write_bytes(OLD)
    program = (
        "import resource, sys; from pathlib import Path; from grucli.files import atomic_write\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "try: atomic_write(Path(sys.argv[1]), bytes(20000))\n"
        "except OSError as error: print(error.errno, error.filename)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"{errno.EFBIG} {path}\n"
    assert path.read_bytes() == OLD
    assert file_names(tmp_path) == ["file"]


@posix_only
def test_a_lock_on_a_full_disk_is_as_good_without_a_name_in_it(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path; from grucli.files import DirectoryLock\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "with DirectoryLock(Path(sys.argv[1])): print('held')\n"
        "print('released')"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "held\nreleased\n"


def test_a_second_lock_is_told_who_holds_the_first(tmp_path: Path) -> None:
    directory = tmp_path / "emo"
    with (
        DirectoryLock(directory),
        pytest.raises(LockedError, match=f"'emo' is in use by process {os.getpid()}"),
        DirectoryLock(directory),
    ):
        raise AssertionError
    with DirectoryLock(directory):
        pass


def test_a_lock_of_a_file_calls_it_by_name_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".corpus.lock"
    with FileLock(path, "corpus.csv") as lock:
        with pytest.raises(LockedError, match=r"'corpus.csv' is in use by process"), FileLock(path, "corpus.csv"):
            raise AssertionError
        lock.release_and_delete()
        assert file_names(tmp_path) == []
        with FileLock(path, "corpus.csv"):
            pass
    lock.release_and_delete()
    assert file_names(tmp_path) == [".corpus.lock"]


@posix_only
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe"])
def test_a_lock_that_is_another_file_is_refused(tmp_path: Path, kind: str) -> None:
    precious, path = tmp_path / "precious", tmp_path / ".a.csv.lock"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(precious)
    if kind == "link":
        precious.write_bytes(OLD)
    with (
        pytest.raises(OSError, match=r"is a symbolic link|is not a regular file") as caught,
        OutputLock(tmp_path / "a.csv"),
    ):
        raise AssertionError
    assert caught.value.filename == str(path)
    assert not FileLock(path, "a.csv").is_locked()
    assert precious.exists() == (kind == "link")
    assert kind != "link" or precious.read_bytes() == OLD


@posix_only
def test_a_lock_with_a_second_name_does_not_touch_its_content(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(OLD)
    (tmp_path / "lock").hardlink_to(precious)
    with DirectoryLock(tmp_path), pytest.raises(LockedError), DirectoryLock(tmp_path):
        raise AssertionError
    assert precious.read_bytes() == OLD


@posix_only
def test_a_link_of_the_program_s_own_name_is_replaced(tmp_path: Path) -> None:
    precious, directory = tmp_path / "precious", tmp_path / "directory"
    precious.write_bytes(OLD)
    directory.mkdir()
    for target in (precious, directory, tmp_path / "nowhere", tmp_path / "name"):
        path = tmp_path / "name"
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        atomic_write(path, NEW, follow_symlinks=False)
        assert path.read_bytes() == NEW
        assert not path.is_symlink()
    assert precious.read_bytes() == OLD
    assert file_names(tmp_path) == ["directory", "name", "precious"]


@posix_only
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
def test_a_file_is_at_no_time_more_readable_than_the_one_before(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    path.chmod(mode)
    with atomic_writer(path) as file:
        (temporary,) = tmp_path.glob(".file.*")
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
        file.write(NEW)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@posix_only
def test_a_new_file_is_as_the_umask_permits(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "file", NEW)
        with atomic_writer(tmp_path / "private", mode=PRIVATE) as file:
            file.write(NEW)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="only root may give files away")
def test_the_owner_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    path.chmod(0o640)
    os.chown(path, 12345, 23456)
    atomic_write(path, NEW)
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12345, 23456, 0o640)


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="only root may give files away")
def test_a_group_that_cannot_be_had_is_given_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError

    path = tmp_path / "file"
    path.write_bytes(OLD)
    path.chmod(0o664)
    os.chown(path, -1, 23456)
    monkeypatch.setattr(os, "chown", refuse)
    atomic_write(path, NEW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


@posix_only
def test_a_private_directory_is_made_private_again(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "cache"
    make_private_dir(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    directory.chmod(0o755)
    make_private_dir(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_who_writes_a_file_is_alone_and_sweeps_what_dead_writers_left(tmp_path: Path) -> None:
    path = tmp_path / "new" / "[a]*.csv"
    path.parent.mkdir()
    left = [f".[a]*.csv.{rest}" for rest in ("123-0a1b2c3d.tmp", "123-0a1b2c3d.tmp2", "fetch.json.12-0a1b2c3d.tmp")]
    others = [*left[1:], ".ab.csv.123-0a1b2c3d.tmp", ".[a]*.csv.notes.tmp"]
    for name in {*left, *others}:
        (path.parent / name).write_bytes(OLD)
    with OutputLock(path):
        assert file_names(path.parent) == sorted([*others, ".[a]*.csv.lock"])
        with pytest.raises(LockedError, match=f"is in use by process {os.getpid()}"), OutputLock(path):
            raise AssertionError
    assert file_names(path.parent) == sorted(others)


@posix_only
def test_who_writes_a_link_is_alone_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with OutputLock(tmp_path / "link"), pytest.raises(LockedError), OutputLock(tmp_path / "file"):
        raise AssertionError
    with OutputLock(Path(os.devnull)), OutputLock(Path(os.devnull)):
        pass


def test_a_file_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such directory"), OutputLock(tmp_path / "typo/deep/a.csv"):
        pass
    assert not (tmp_path / "typo").exists()


def test_another_process_is_kept_out_until_the_first_dies(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from grucli.files import DirectoryLock\n"
        "with DirectoryLock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=f"process {other.pid}"), DirectoryLock(tmp_path):
            raise AssertionError
        other.kill()
        other.wait()
        with DirectoryLock(tmp_path):
            pass


MALFORMED_LOCKS = [
    b"",
    b"\xff",
    b"{}",
    b"[" * 900,
    b'{"pid": 1e999, "host": []}',
    b'{"pid": 7, "host": "far"}',
    b"1" * 2000,
]


@pytest.mark.parametrize("signature", MALFORMED_LOCKS)
def test_an_odd_signature_is_no_reason_to_fail(tmp_path: Path, signature: bytes) -> None:
    with DirectoryLock(tmp_path):
        (tmp_path / "lock").write_bytes(signature)
        with pytest.raises(LockedError, match=r"in use by (another )?process"), DirectoryLock(tmp_path):
            raise AssertionError


def test_the_holder_sweeps_what_a_killed_writer_left(tmp_path: Path) -> None:
    (tmp_path / ".best.safetensors.123-abc.tmp").write_bytes(NEW)
    (tmp_path / "best.safetensors").write_bytes(OLD)
    with DirectoryLock(tmp_path):
        assert file_names(tmp_path) == ["best.safetensors", "lock"]
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


@posix_only
@posix_only
def test_a_lock_is_as_good_on_a_full_disk(tmp_path: Path) -> None:
    with disk_full(), FileLock(tmp_path / "lock", "it") as lock:
        assert (tmp_path / "lock").read_bytes() == b""
        with pytest.raises(LockedError), FileLock(tmp_path / "lock", "it"):
            pass
        lock.release_and_delete()
    assert file_names(tmp_path) == []


def test_a_lock_whose_folder_was_renamed_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder before may rename the folder between our opening of the file and our taking of the lock."""
    import fcntl

    directory = tmp_path / "emo"
    take = fcntl.flock

    def rename_first(file: object, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", take)
        directory.rename(tmp_path / "gone")
        directory.mkdir()
        take(file, how)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", rename_first)
    with DirectoryLock(directory):
        assert (directory / "lock").exists()
        with pytest.raises(LockedError), DirectoryLock(directory):
            raise AssertionError


@posix_only
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_is_used_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    import fcntl

    def refuse(file: object, how: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with DirectoryLock(tmp_path):
        assert (tmp_path / "lock").exists()
