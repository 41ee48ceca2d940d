"""People: a corpus knows authors by a keyed hash alone, so that they can be taken out and cannot be read off.

The key is the user's own and stays in a file that nobody else may read. Without it a hash says nothing about a name;
with it, the comments of one author can be found again.
"""

import hashlib
import os
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeGuard

from grucli.errors import GruError
from grucli.files import named
from grucli.paths import data_dir

NOBODY = frozenset({"", "[deleted]", "[removed]"})
"""What stands for an author who is not known any more."""

_PROFILES = ("u_", "U_", "u/", "U/")
"""How the subreddit begins that is somebody's own page; the name follows."""

_KEY_BYTES = 32
_HASH_BYTES = 8
_REMEMBERED = 1 << 16
_TRIES = 20
_PAUSE = 0.05


def key_file() -> Path:
    """The file of the key."""
    return data_dir() / "author.key"


def author_key() -> bytes:
    """The user's key, made at the first call of all: 32 random bytes in a file of mode 0600.

    Raises:
        GruError: the file is damaged.
        OSError: it cannot be read or made.
    """
    path = key_file()
    key = _made(path) or existing_key()
    if key is None:
        raise _damaged(path, 0)
    return key


def existing_key() -> bytes | None:
    """The user's key, or None where there is none yet.

    Raises:
        GruError: the file is damaged.
        OSError: it cannot be read.
    """
    path = key_file()
    for _ in range(_TRIES):
        try:
            with path.open("rb") as file:
                key = file.read(_KEY_BYTES + 1)
        except FileNotFoundError:
            return None
        if len(key) == _KEY_BYTES:
            _close_to_others(path)
            return key
        time.sleep(_PAUSE)  # another process has made the file, and is about to write the key
    raise _damaged(path, len(key))


def _made(path: Path) -> bytes | None:
    """A new key, kept in the file `path`; None where there is one already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except FileExistsError:
        return None
    key = secrets.token_bytes(_KEY_BYTES)
    try:
        with named(path), os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
    return key


def _close_to_others(path: Path) -> None:
    """Take a key that was copied from elsewhere out of the sight of others, where the system knows such a thing."""
    with suppress(OSError):
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _damaged(path: Path, size: int) -> GruError:
    return GruError(
        f"the key of the author names, '{path}', is damaged: it has {size or 'no'} bytes in place of {_KEY_BYTES}",
        "put a copy of it back; or remove it: a new one is made, and --author finds nobody in older corpora",
    )


def is_profile(subreddit: str | None) -> TypeGuard[str]:
    """Whether a subreddit is somebody's own page."""
    return subreddit is not None and subreddit.startswith(_PROFILES)


class AuthorHash:
    """Gives the keyed hash of an author: `AuthorHash(key)(name)`, 16 hexadecimal digits.

    Capitals make no difference, as they make none on Reddit. Who is not known any more has no hash, but "". It can be
    handed to other processes; it never shows its key.

    >>> hashed = AuthorHash(bytes(32))
    >>> hashed("Somebody"), hashed("somebody") == hashed("SOMEBODY"), hashed("[deleted]"), hashed(None)
    ('a02c8816f590c757', True, '', '')
    """

    __slots__ = ("_begun", "_key", "_known")

    def __init__(self, key: bytes) -> None:
        """Hash with a key of 1 to 64 bytes."""
        self._key = key
        self._begun = hashlib.blake2b(digest_size=_HASH_BYTES, key=key)  # the key is taken in once
        self._known: dict[str | None, str] = {}

    def __call__(self, name: str | None) -> str:
        """The hash of one name."""
        if name is None:
            return ""
        found = self._known.get(name)
        if found is None:
            found = self._hash(name)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[name] = found
        return found

    def all(self, names: Iterable[str | None]) -> list[str]:
        """The hashes of many names."""
        known = self._known.get
        return [known(name) or self(name) for name in names]

    def place(self, subreddit: str | None) -> str | None:
        """The subreddit as a corpus may name it: that of a person's own page tells a hash in place of the name.

        >>> hashed = AuthorHash(bytes(32))
        >>> hashed.place("u_Somebody"), hashed.place("AskReddit")
        ('u_a02c8816f590c757', 'AskReddit')
        """
        return f"u_{self(subreddit[2:])}" if is_profile(subreddit) else subreddit

    def _hash(self, name: str) -> str:
        if name in NOBODY:
            return ""
        hashed = self._begun.copy()
        hashed.update(name.lower().encode("utf-8", "replace"))
        return hashed.hexdigest()

    def __reduce__(self) -> tuple[type["AuthorHash"], tuple[bytes]]:
        return AuthorHash, (self._key,)

    def __repr__(self) -> str:
        return "AuthorHash(…)"
