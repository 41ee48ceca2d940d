"""Duplicate detection in bounded memory, by 64-bit hashes of the texts.

Among 16 million remembered hashes, a new text collides with probability 1e-12.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Keys: TypeAlias = NDArray[np.uint64]

MAX_ENTRIES = 1 << 24
"""Slots of the largest table, of which there are two: 128 MiB each."""

MAX_NEAR_ENTRIES = 1 << 25
"""The same for near-duplicates: each text has several hashes."""

_MIN_TABLE_SIZE = 1 << 14
_REHASH_CHUNK = 1 << 16
_ONE = np.uint64(1)


class RecentHashSet:
    """A set of 64-bit hashes that evicts the oldest ones if it has too many.

    It is a hash table that doubles until it has `max_entries` slots (a power of two). When half of those are used, it
    becomes the previous table, which is only searched, and a new one is started. So at least the last
    `max_entries / 2` distinct hashes are known, and hashes that keep recurring are not evicted.

    >>> seen = RecentHashSet()
    >>> seen.add_new(np.array([7, 8, 7], np.uint64)), seen.add_new(np.array([9, 8], np.uint64))
    (array([ True,  True, False]), array([ True, False]))
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._max_entries = max_entries
        self._current: Keys = np.zeros(min(_MIN_TABLE_SIZE, max_entries), np.uint64)
        self._current_count = 0
        self._previous: Keys | None = None
        self.has_evicted = False

    @property
    def guaranteed_capacity(self) -> int:
        """Number of the most recent distinct hashes that are always known."""
        return self._max_entries // 2

    def add_new(self, keys: Keys) -> NDArray[np.bool_]:
        """Add hashes [n] uint64. Return [n] bool: True for each that was not known, at its first occurrence."""
        is_new = np.zeros(len(keys), np.bool_)
        unique, first = _unique(_replace_zero(keys))
        slots = _probe(self._current, unique)
        in_current: NDArray[np.bool_] = np.equal(self._current[slots], unique)
        is_known = in_current if self._previous is None else in_current | _contains(self._previous, unique)
        is_new[first[~is_known]] = True
        self._insert(unique[~in_current], slots[~in_current])
        return is_new

    def contains(self, keys: Keys) -> NDArray[np.bool_]:
        """Return for hashes [n] uint64 whether each is known, [n] bool."""
        keys = _replace_zero(keys)
        is_known = _contains(self._current, keys)
        return is_known if self._previous is None else is_known | _contains(self._previous, keys)

    def _insert(self, keys: Keys, slots: NDArray[np.uint64]) -> None:
        """Add distinct hashes that are not in the current table; `slots` are theirs in it."""
        table = self._current
        while len(keys):
            capacity = self._ensure_capacity(len(keys))
            if table is not self._current:  # it was replaced by a larger or a new one
                table, slots = self._current, _probe(self._current, keys)
            _insert(table, keys[:capacity], slots[:capacity])
            self._current_count += len(keys[:capacity])
            keys = keys[capacity:]

    def _ensure_capacity(self, count: int) -> int:
        """Grow or replace the current table if necessary; return how many hashes it can take."""
        while self._current_count + count > self._current.size // 2 and self._current.size < self._max_entries:
            larger: Keys = np.zeros(self._current.size * 2, np.uint64)
            for start in range(0, self._current.size, _REHASH_CHUNK):
                segment = self._current[start : start + _REHASH_CHUNK]
                segment = segment[segment != 0]
                _insert(larger, segment, _probe(larger, segment))
            self._current = larger
        if self._current_count >= self._current.size // 2:
            self.has_evicted = self.has_evicted or self._previous is not None
            self._previous, self._current = self._current, np.zeros(self._max_entries, np.uint64)
            self._current_count = 0
        return self._current.size // 2 - self._current_count


class LshIndex:
    """Near-duplicate search by locality-sensitive hashing: similar texts share the hash of at least one band."""

    def __init__(self, max_entries: int = MAX_NEAR_ENTRIES) -> None:
        self._hashes = RecentHashSet(max_entries)
        self._bands = 1

    @property
    def has_evicted(self) -> bool:
        """Whether any text has been evicted."""
        return self._hashes.has_evicted

    @property
    def guaranteed_capacity(self) -> int:
        """Number of the most recent texts that are always known."""
        return self._hashes.guaranteed_capacity // self._bands

    def add_new(self, bands: Keys, selected: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Add the selected texts that are similar to none before; return which these are, [n] bool.

        Args:
            bands: the hashes of each text, [n, bands] uint64; all 0 for a text that is not compared.
            selected: [n] bool.
        """
        self._bands = bands.shape[1]
        is_new = selected.copy()
        rows = np.flatnonzero(selected & bands.any(axis=1))
        is_known = np.any(self._hashes.contains(bands[rows].ravel()).reshape(len(rows), self._bands), axis=1)
        new_hashes: set[int] = set()
        for row, was_known in zip(rows.tolist(), is_known, strict=True):
            text_hashes = set(bands[row].tolist())
            if was_known or not text_hashes.isdisjoint(new_hashes):
                is_new[row] = False
            else:
                new_hashes |= text_hashes
        self._hashes.add_new(np.fromiter(new_hashes, np.uint64, len(new_hashes)))
        return is_new


def _unique(keys: Keys) -> tuple[Keys, NDArray[np.intp]]:
    """Return the distinct hashes, and the index of the first occurrence of each."""
    ordered = np.sort(keys)
    if bool((ordered[1:] == ordered[:-1]).any()):
        return np.unique(keys, return_index=True)
    return keys, np.arange(len(keys))


def _replace_zero(keys: Keys) -> Keys:
    # 0 marks an empty slot.
    return np.maximum(keys, _ONE)


def _probe(table: Keys, keys: Keys) -> NDArray[np.uint64]:
    """Return the slot of each hash, or the empty one for it, by linear probing of all at once."""
    mask = np.uint64(table.size - 1)
    slots = keys & mask
    pending = np.arange(len(keys))
    while len(pending):
        occupants = table[slots[pending]]
        pending = pending[(occupants != 0) & (occupants != keys[pending])]
        slots[pending] = (slots[pending] + _ONE) & mask
    return slots


def _contains(table: Keys, keys: Keys) -> NDArray[np.bool_]:
    return np.equal(table[_probe(table, keys)], keys)


def _insert(table: Keys, keys: Keys, slots: NDArray[np.uint64]) -> None:
    """Write distinct new hashes to their slots. If two share a slot, the one overwritten probes again."""
    while len(keys):
        table[slots] = keys
        keys = keys[table[slots] != keys]
        slots = _probe(table, keys)
