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
from grucli.files import oserror_for
from grucli.paths import data_dir

DELETED_AUTHORS = frozenset({"", "[deleted]", "[removed]"})
"""What stands for an author who is not known any more."""

_PROFILE_PREFIXES = ("u_", "U_", "u/", "U/")
"""How the subreddit begins that is somebody's own page; the name follows."""

_KEY_BYTES = 32
_HASH_BYTES = 8
_CACHE_SIZE = 1 << 16
_MAX_ATTEMPTS = 20
_RETRY_DELAY = 0.05


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
    key = _create_key(path) or existing_key()
    if key is None:
        raise _corrupt_key_error(path, 0)
    return key


def existing_key() -> bytes | None:
    """The user's key, or None where there is none yet.

    Raises:
        GruError: the file is damaged.
        OSError: it cannot be read.
    """
    path = key_file()
    for _ in range(_MAX_ATTEMPTS):
        try:
            with path.open("rb") as file:
                key = file.read(_KEY_BYTES + 1)
        except FileNotFoundError:
            return None
        if len(key) == _KEY_BYTES:
            _restrict_permissions(path)
            return key
        time.sleep(_RETRY_DELAY)  # another process has made the file, and is about to write the key
    raise _corrupt_key_error(path, len(key))


def _create_key(path: Path) -> bytes | None:
    """A new key, kept in the file `path`; None where there is one already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except FileExistsError:
        return None
    key = secrets.token_bytes(_KEY_BYTES)
    try:
        with oserror_for(path), os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
    return key


def _restrict_permissions(path: Path) -> None:
    """Take a key that was copied from elsewhere out of the sight of others, where the system knows such a thing."""
    with suppress(OSError):
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _corrupt_key_error(path: Path, size: int) -> GruError:
    return GruError(
        f"the key of the author names, '{path}', is damaged: it has {size or 'no'} bytes in place of {_KEY_BYTES}",
        "put a copy of it back; or remove it: a new one is made, and --author finds nobody in older corpora",
    )


def is_profile(subreddit: str | None) -> TypeGuard[str]:
    """Whether a subreddit is somebody's own page."""
    return subreddit is not None and subreddit.startswith(_PROFILE_PREFIXES)


class AuthorHasher:
    """Gives the keyed hash of an author: `AuthorHash(key)(name)`, 16 hexadecimal digits.

    Capitals make no difference, as they make none on Reddit. Who is not known any more has no hash, but "". It can be
    handed to other processes; it never shows its key.

    >>> hashed = AuthorHasher(bytes(32))
    >>> hashed("Somebody"), hashed("somebody") == hashed("SOMEBODY"), hashed("[deleted]"), hashed(None)
    ('a02c8816f590c757', True, '', '')
    """

    __slots__ = ("_cache", "_key", "_keyed_hash")

    def __init__(self, key: bytes) -> None:
        """Hash with a key of 1 to 64 bytes."""
        self._key = key
        self._keyed_hash = hashlib.blake2b(digest_size=_HASH_BYTES, key=key)  # the key is taken in once
        self._cache: dict[str | None, str] = {}

    def __call__(self, name: str | None) -> str:
        """The hash of one name."""
        if name is None:
            return ""
        digest = self._cache.get(name)
        if digest is None:
            digest = self._hash(name)
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            self._cache[name] = digest
        return digest

    def hash_many(self, names: Iterable[str | None]) -> list[str]:
        """The hashes of many names."""
        cached = self._cache.get
        return [cached(name) or self(name) for name in names]

    def hash_profile_subreddit(self, subreddit: str | None) -> str | None:
        """The subreddit as a corpus may name it: that of a person's own page tells a hash in place of the name.

        >>> hashed = AuthorHasher(bytes(32))
        >>> hashed.hash_profile_subreddit("u_Somebody"), hashed.hash_profile_subreddit("AskReddit")
        ('u_a02c8816f590c757', 'AskReddit')
        """
        return f"u_{self(subreddit[2:])}" if is_profile(subreddit) else subreddit

    def _hash(self, name: str) -> str:
        if name in DELETED_AUTHORS:
            return ""
        hasher = self._keyed_hash.copy()
        hasher.update(name.lower().encode("utf-8", "replace"))
        return hasher.hexdigest()

    def __reduce__(self) -> tuple[type["AuthorHasher"], tuple[bytes]]:
        return AuthorHasher, (self._key,)

    def __repr__(self) -> str:
        return "AuthorHash(…)"
