"""Pseudonyms: a corpus names authors by a keyed hash, so that they can be purged but not identified.

The key is in a file that only its owner can read. Without it a hash does not reveal the name; with it, the comments of
an author can be found.
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
from grucli.reddit.names import user_key

DELETED_AUTHORS = frozenset({"", "[deleted]", "[removed]"})
"""Placeholders for an author who has been deleted."""

_PROFILE_PREFIXES = ("u_", "U_", "u/", "U/")
"""Prefixes of a user's profile subreddit, before the name."""

_KEY_BYTES = 32
_HASH_BYTES = 8
_CACHE_SIZE = 1 << 16
_MAX_ATTEMPTS = 20
_RETRY_DELAY = 0.05


def key_file() -> Path:
    """Return the path of the key."""
    return data_dir() / "author.key"


def author_key() -> bytes:
    """Return the user's key, created by the first call: 32 random bytes in a file of mode 0600.

    Raises:
        GruError: the file is corrupt.
        OSError: it cannot be read or created.
    """
    path = key_file()
    key = _create_key(path) or existing_key()
    if key is None:
        raise _corrupt_key_error(path, 0)
    return key


def existing_key() -> bytes | None:
    """Return the user's key, or None if there is none yet.

    Raises:
        GruError: the file is corrupt.
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
        time.sleep(_RETRY_DELAY)  # another process has created the file but not yet written the key
    raise _corrupt_key_error(path, len(key))


def _create_key(path: Path) -> bytes | None:
    """Create a key in the file `path`; None if the file exists."""
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
    """Make a key that was copied with a wider mode private again, where the file system has modes."""
    with suppress(OSError):
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _corrupt_key_error(path: Path, size: int) -> GruError:
    return GruError(
        f"corrupt author key: '{path}' has {size} bytes instead of {_KEY_BYTES}",
        "restore it from a backup; or delete it: a new one is created, which does not find authors in older corpora",
    )


def is_profile(subreddit: str | None) -> TypeGuard[str]:
    """Return True for a user's profile subreddit."""
    return subreddit is not None and subreddit.startswith(_PROFILE_PREFIXES)


class AuthorHasher:
    """Keyed hash of an author, as 16 hexadecimal digits: `AuthorHasher(key)(name)`.

    All spellings of a name have one hash, see `user_key`. The hash of a deleted author is "". Picklable; its `repr`
    does not show the key.

    >>> hashed = AuthorHasher(bytes(32))
    >>> hashed("Somebody"), hashed("somebody") == hashed("SOMEBODY"), hashed("[deleted]"), hashed(None)
    ('a02c8816f590c757', True, '', '')
    """

    __slots__ = ("_cache", "_key", "_keyed_hash")

    def __init__(self, key: bytes) -> None:
        """Set the key, of 1 to 64 bytes."""
        self._key = key
        self._keyed_hash = hashlib.blake2b(digest_size=_HASH_BYTES, key=key)  # copied for each name: faster
        self._cache: dict[str | None, str] = {}

    def __call__(self, name: str | None) -> str:
        """Return the hash of a name."""
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
        """Return the hashes of many names."""
        cached = self._cache.get
        return [cached(name) or self(name) for name in names]

    def hash_profile_subreddit(self, subreddit: str | None) -> str | None:
        """Return the subreddit, with a hash for the name in that of a profile.

        >>> hashed = AuthorHasher(bytes(32))
        >>> hashed.hash_profile_subreddit("u_Somebody"), hashed.hash_profile_subreddit("AskReddit")
        ('u_a02c8816f590c757', 'AskReddit')
        """
        return f"u_{self(subreddit[2:])}" if is_profile(subreddit) else subreddit

    def _hash(self, name: str) -> str:
        key = user_key(name)
        return "" if key in DELETED_AUTHORS else self.hash_exactly(key)

    def hash_exactly(self, text: str) -> str:
        """Return the hash of a text as it is."""
        hasher = self._keyed_hash.copy()
        hasher.update(text.encode("utf-8", "replace"))
        return hasher.hexdigest()

    def __reduce__(self) -> tuple[type["AuthorHasher"], tuple[bytes]]:
        return AuthorHasher, (self._key,)

    def __repr__(self) -> str:
        return "AuthorHasher(…)"
