"""The author key: created once, readable by its owner only; and the hashes of names."""

import doctest
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.errors import GruError
from grucli.reddit.corpus import pseudonyms
from grucli.reddit.corpus.pseudonyms import DELETED_AUTHORS, AuthorHasher, author_key, existing_key, key_file
from grucli.reddit.names import user_key

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")


def test_the_examples_hold() -> None:
    result = doctest.testmod(pseudonyms)
    assert result.attempted > 0
    assert result.failed == 0


def test_a_key_is_made_once(home: Path) -> None:
    assert existing_key() is None
    assert not home.exists()
    key = author_key()
    assert len(key) == 32
    assert author_key() == key == existing_key()
    assert key_file().parent == home
    key_file().unlink()
    assert author_key() != key


@posix_only
def test_only_the_owner_can_read_it(home: Path) -> None:
    before = os.umask(0)
    try:
        author_key()
    finally:
        os.umask(before)
    assert key_file().stat().st_mode & 0o777 == 0o600
    key_file().chmod(0o644)  # copied from a backup
    author_key()
    assert key_file().stat().st_mode & 0o777 == 0o600


def test_two_processes_that_begin_at_once_have_one_key(home: Path) -> None:
    code = "from grucli.reddit.corpus.pseudonyms import author_key; print(author_key().hex())"
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert {process.communicate()[0].strip() for process in started} == {author_key().hex()}


def test_a_key_that_is_being_written_is_waited_for(home: Path) -> None:
    home.mkdir()
    key_file().write_bytes(b"")
    writer = threading.Timer(0.1, lambda: key_file().write_bytes(bytes(32)))
    writer.start()
    assert author_key() == bytes(32)
    writer.join()


@pytest.mark.parametrize("content", [b"", b"short", bytes(33)])
def test_a_damaged_key_is_not_replaced_in_silence(home: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(pseudonyms, "_RETRY_DELAY", 0)
    home.mkdir()
    key_file().write_bytes(content)
    with pytest.raises(GruError, match=r"corrupt author key: .*author\.key"):
        author_key()
    assert key_file().read_bytes() == content


def test_a_full_disk_leaves_no_half_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space") as caught:
        author_key()
    assert caught.value.filename == str(key_file())
    assert list(home.iterdir()) == []


@given(st.binary(min_size=1, max_size=64), st.text())
def test_a_hash_is_short_and_says_nothing(key: bytes, name: str) -> None:
    hashed = AuthorHasher(key)(name)
    assert hashed == AuthorHasher(key)(name)
    if user_key(name) not in DELETED_AUTHORS:
        assert len(hashed) == 16
        assert set(hashed) <= set("0123456789abcdef")
        assert hashed != AuthorHasher(key + b"!" if len(key) < 64 else b"?")(name)


@pytest.mark.parametrize("nobody", [None, "", "[deleted]", "[removed]"])
def test_a_deleted_author_has_no_hash(nobody: str | None) -> None:
    assert AuthorHasher(bytes(32))(nobody) == ""


def test_names_are_remembered_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudonyms, "_CACHE_SIZE", 10)
    hashed = AuthorHasher(bytes(32))
    names = [f"name{n % 25}" for n in range(200)]
    assert [hashed(name) for name in names] == [AuthorHasher(bytes(32))(name) for name in names]
    assert len(hashed._cache) <= 10


def test_it_is_picklable_and_does_not_show_the_key() -> None:
    hashed = AuthorHasher(b"a secret of mine")
    assert pickle.loads(pickle.dumps(hashed))("me") == hashed("me")  # noqa: S301 - as multiprocessing does
    assert "secret" not in repr(hashed)
    assert not hasattr(hashed, "__dict__")


@given(st.lists(st.sampled_from([None, "", "a", "A", "b", "[deleted]"])))
def test_many_names_at_once_are_hashed_as_one_by_one(names: list[str | None]) -> None:
    assert AuthorHasher(bytes(32)).hash_many(names) == list(map(AuthorHasher(bytes(32)), names))
