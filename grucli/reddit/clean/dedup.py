"""The memory of a cleaning: whether a text came by before. Compact, and bounded.

Texts are known by 8 bytes of a hash: among the sixteen million that are remembered, one in a million million different
ones is taken for another.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Keys: TypeAlias = NDArray[np.uint64]

MOST = 1 << 24
"""Places of a table at its largest: 128 MiB, of which there are two."""

NEAR_MOST = 1 << 25
"""The same for near duplicates, of which each has several hashes."""

_LEAST = 1 << 14
_CHUNK = 1 << 16
_ONE = np.uint64(1)


class Seen:
    """A set of 64-bit hashes that forgets the oldest ones once there are too many.

    It is a table that doubles until it has `most` places; when half of those are taken, it is put aside, a new one is
    begun, and the one put aside before is forgotten. So at least the last `most / 2` different hashes are known, and
    whatever keeps coming is never forgotten.

    >>> seen = Seen()
    >>> seen.fresh(np.array([7, 8, 7], np.uint64)), seen.fresh(np.array([9, 8], np.uint64))
    (array([ True,  True, False]), array([ True, False]))
    """

    def __init__(self, most: int = MOST) -> None:
        """Begin empty; `most` is a power of two."""
        self._most = most
        self._now: Keys = np.zeros(min(_LEAST, most), np.uint64)
        self._taken = 0
        self._before: Keys | None = None
        self.forgot = False

    @property
    def looks_back(self) -> int:
        """How many different hashes are known at least, once any have been forgotten."""
        return self._most // 2

    def fresh(self, keys: Keys) -> NDArray[np.bool_]:
        """Whether each hash comes for the first time; they are known from then on."""
        fresh = np.zeros(len(keys), np.bool_)
        different, first = _distinct(_filled(keys))
        places = _places(self._now, different)
        old: NDArray[np.bool_] = np.equal(self._now[places], different)
        known = old if self._before is None else old | _contains(self._before, different)
        fresh[first[~known]] = True
        self._insert(different[~old], places[~old])
        return fresh

    def known(self, keys: Keys) -> NDArray[np.bool_]:
        """Whether each hash came before."""
        keys = _filled(keys)
        known = _contains(self._now, keys)
        return known if self._before is None else known | _contains(self._before, keys)

    def add(self, keys: Keys) -> None:
        """Let hashes be known."""
        different = np.unique(_filled(keys))
        places = _places(self._now, different)
        new = self._now[places] != different
        self._insert(different[new], places[new])

    def _insert(self, keys: Keys, places: NDArray[np.uint64]) -> None:
        """Put in different hashes that are not in the table; the places are those they would have in it."""
        table = self._now
        while len(keys):
            room = self._room(len(keys))
            if table is not self._now:  # as after each time that not all of them had room
                table, places = self._now, _places(self._now, keys)
            _insert(table, keys[:room], places[:room])
            self._taken += len(keys[:room])
            keys = keys[room:]

    def _room(self, wanted: int) -> int:
        """How many more hashes the table takes, after it was made larger, or a new one begun."""
        while self._taken + wanted > self._now.size // 2 and self._now.size < self._most:
            larger: Keys = np.zeros(self._now.size * 2, np.uint64)
            for start in range(0, self._now.size, _CHUNK):
                part = self._now[start : start + _CHUNK]
                part = part[part != 0]
                _insert(larger, part, _places(larger, part))
            self._now = larger
        if self._taken >= self._now.size // 2:
            self.forgot = self.forgot or self._before is not None
            self._before, self._now, self._taken = self._now, np.zeros(self._most, np.uint64), 0
        return self._now.size // 2 - self._taken


class NearlySeen:
    """Whether a text that is nearly the same came before, by hashes of which such texts share at least one."""

    def __init__(self, most: int = NEAR_MOST) -> None:
        """Begin empty; `most` is a power of two: hashes, of which a text has several."""
        self._seen = Seen(most)
        self._bands = 1

    @property
    def forgot(self) -> bool:
        """Whether any have been forgotten."""
        return self._seen.forgot

    @property
    def looks_back(self) -> int:
        """How many texts are known at least, once any have been forgotten."""
        return self._seen.looks_back // self._bands

    def fresh(self, bands: Keys, asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the texts asked for are like none before; those, and those alone, are known from then on.

        Args:
            bands: the hashes of each text [n, bands]; all 0 for one that is like no other, whatever it says.
            asked: which texts to look at [n].
        """
        self._bands = bands.shape[1]
        fresh = asked.copy()
        rows = np.flatnonzero(asked & bands.any(axis=1))
        known = np.any(self._seen.known(bands[rows].ravel()).reshape(len(rows), self._bands), axis=1)
        here: set[int] = set()
        for row, was_known in zip(rows.tolist(), known, strict=True):
            own = set(bands[row].tolist())
            if was_known or not own.isdisjoint(here):
                fresh[row] = False
            else:
                here |= own
        self._seen.add(np.fromiter(here, np.uint64, len(here)))
        return fresh


def _distinct(keys: Keys) -> tuple[Keys, NDArray[np.intp]]:
    """The different hashes, and where each is first."""
    ordered = np.sort(keys)
    if bool((ordered[1:] == ordered[:-1]).any()):
        return np.unique(keys, return_index=True)
    return keys, np.arange(len(keys))


def _filled(keys: Keys) -> Keys:
    """Hashes without 0, which stands for an empty place."""
    return np.maximum(keys, _ONE)


def _places(table: Keys, keys: Keys) -> NDArray[np.uint64]:
    """Where each hash is, or would be put: linear probing, for all of them at once."""
    mask = np.uint64(table.size - 1)
    places = keys & mask
    open_ = np.arange(len(keys))
    while len(open_):
        there = table[places[open_]]
        open_ = open_[(there != 0) & (there != keys[open_])]
        places[open_] = (places[open_] + _ONE) & mask
    return places


def _contains(table: Keys, keys: Keys) -> NDArray[np.bool_]:
    return np.equal(table[_places(table, keys)], keys)


def _insert(table: Keys, keys: Keys, places: NDArray[np.uint64]) -> None:
    """Put in different hashes that are not there, at their places. Where two want one place, the loser tries again."""
    while len(keys):
        table[places] = keys
        keys = keys[table[places] != keys]
        places = _places(table, keys)
