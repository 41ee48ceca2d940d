"""The memory of a cleaning: whether a text came by before. Compact, and bounded.

Texts are known by 8 bytes of a hash: among the sixteen million that are remembered, one in a million million different
ones is taken for another.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Keys: TypeAlias = NDArray[np.uint64]

MAX_ENTRIES = 1 << 24
"""Places of a table at its largest: 128 MiB, of which there are two."""

MAX_NEAR_ENTRIES = 1 << 25
"""The same for near duplicates, of which each has several hashes."""

_MIN_TABLE_SIZE = 1 << 14
_REHASH_CHUNK = 1 << 16
_ONE = np.uint64(1)


class RecentHashSet:
    """A set of 64-bit hashes that forgets the oldest ones once there are too many.

    It is a table that doubles until it has `most` places; when half of those are taken, it is put aside, a new one is
    begun, and the one put aside before is forgotten. So at least the last `most / 2` different hashes are known, and
    whatever keeps coming is never forgotten.

    >>> seen = RecentHashSet()
    >>> seen.add_new(np.array([7, 8, 7], np.uint64)), seen.add_new(np.array([9, 8], np.uint64))
    (array([ True,  True, False]), array([ True, False]))
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        """Begin empty; `most` is a power of two."""
        self._max_entries = max_entries
        self._current: Keys = np.zeros(min(_MIN_TABLE_SIZE, max_entries), np.uint64)
        self._current_count = 0
        self._previous: Keys | None = None
        self.has_evicted = False

    @property
    def guaranteed_capacity(self) -> int:
        """How many different hashes are known at least, once any have been forgotten."""
        return self._max_entries // 2

    def add_new(self, keys: Keys) -> NDArray[np.bool_]:
        """Whether each hash comes for the first time; they are known from then on."""
        is_new = np.zeros(len(keys), np.bool_)
        unique, first = _unique(_replace_zero(keys))
        slots = _probe(self._current, unique)
        in_current: NDArray[np.bool_] = np.equal(self._current[slots], unique)
        is_known = in_current if self._previous is None else in_current | _contains(self._previous, unique)
        is_new[first[~is_known]] = True
        self._insert(unique[~in_current], slots[~in_current])
        return is_new

    def contains(self, keys: Keys) -> NDArray[np.bool_]:
        """Whether each hash came before."""
        keys = _replace_zero(keys)
        is_known = _contains(self._current, keys)
        return is_known if self._previous is None else is_known | _contains(self._previous, keys)

    def add(self, keys: Keys) -> None:
        """Let hashes be known."""
        unique = np.unique(_replace_zero(keys))
        slots = _probe(self._current, unique)
        is_missing = self._current[slots] != unique
        self._insert(unique[is_missing], slots[is_missing])

    def _insert(self, keys: Keys, slots: NDArray[np.uint64]) -> None:
        """Put in different hashes that are not in the table; the places are those they would have in it."""
        table = self._current
        while len(keys):
            capacity = self._ensure_capacity(len(keys))
            if table is not self._current:  # as after each time that not all of them had room
                table, slots = self._current, _probe(self._current, keys)
            _insert(table, keys[:capacity], slots[:capacity])
            self._current_count += len(keys[:capacity])
            keys = keys[capacity:]

    def _ensure_capacity(self, count: int) -> int:
        """How many more hashes the table takes, after it was made larger, or a new one begun."""
        while self._current_count + count > self._current.size // 2 and self._current.size < self._max_entries:
            larger: Keys = np.zeros(self._current.size * 2, np.uint64)
            for start in range(0, self._current.size, _REHASH_CHUNK):
                segment = self._current[start : start + _REHASH_CHUNK]
                segment = segment[segment != 0]
                _insert(larger, segment, _probe(larger, segment))
            self._current = larger
        if self._current_count >= self._current.size // 2:
            self.has_evicted = self.has_evicted or self._previous is not None
            self._previous, self._current, self._current_count = (
                self._current,
                np.zeros(self._max_entries, np.uint64),
                0,
            )
        return self._current.size // 2 - self._current_count


class LshIndex:
    """Whether a text that is nearly the same came before, by hashes of which such texts share at least one."""

    def __init__(self, max_entries: int = MAX_NEAR_ENTRIES) -> None:
        """Begin empty; `most` is a power of two: hashes, of which a text has several."""
        self._hashes = RecentHashSet(max_entries)
        self._bands = 1

    @property
    def has_evicted(self) -> bool:
        """Whether any have been forgotten."""
        return self._hashes.has_evicted

    @property
    def guaranteed_capacity(self) -> int:
        """How many texts are known at least, once any have been forgotten."""
        return self._hashes.guaranteed_capacity // self._bands

    def add_new(self, bands: Keys, selected: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the texts asked for are like none before; those, and those alone, are known from then on.

        Args:
            bands: the hashes of each text [n, bands]; all 0 for one that is like no other, whatever it says.
            asked: which texts to look at [n].
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
        self._hashes.add(np.fromiter(new_hashes, np.uint64, len(new_hashes)))
        return is_new


def _unique(keys: Keys) -> tuple[Keys, NDArray[np.intp]]:
    """The different hashes, and where each is first."""
    ordered = np.sort(keys)
    if bool((ordered[1:] == ordered[:-1]).any()):
        return np.unique(keys, return_index=True)
    return keys, np.arange(len(keys))


def _replace_zero(keys: Keys) -> Keys:
    """Hashes without 0, which stands for an empty place."""
    return np.maximum(keys, _ONE)


def _probe(table: Keys, keys: Keys) -> NDArray[np.uint64]:
    """Where each hash is, or would be put: linear probing, for all of them at once."""
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
    """Put in different hashes that are not there, at their places. Where two want one place, the loser tries again."""
    while len(keys):
        table[slots] = keys
        keys = keys[table[slots] != keys]
        slots = _probe(table, keys)
