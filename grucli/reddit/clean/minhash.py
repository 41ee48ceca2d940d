"""Texts that are nearly the same, by MinHash. Only this module needs rensa; it is loaded when it is asked for.

A text is the set of its runs of three words. Its signature has a number for each of many random orders of all such
runs: the first of the text's own in that order. Two texts agree in as many of these as their sets have in common. The
numbers are taken in bands, each put into one hash: texts that share the hash of any band are taken for nearly the same.
With 12 bands of 11 that happens to 99 % of the pairs that have nine tenths in common, to two thirds of those with four
fifths, and to one in 170 of those with half.
"""

import re

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

BANDS = 12
"""Hashes of a text."""

_ROWS_PER_BAND = 11
_SEED = 42
_SHINGLE_WORDS = 3
_MIN_WORDS = 8
"""Words under which a text is too short to be nearly another: what many people say by themselves."""

_WORD = re.compile(r"\w+")
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


def signatures(texts: list[str]) -> NDArray[np.uint64]:
    """The hashes of the bands of some texts [n, BANDS]; all 0 for a text that is too short."""
    hashes = np.zeros((len(texts), BANDS), np.uint64)
    shingles = [_shingles(text) for text in texts]
    long_enough = [place for place, run in enumerate(shingles) if run]
    if long_enough:
        digests = RMinHash.digests_from_token_sets(
            [shingles[place] for place in long_enough], BANDS * _ROWS_PER_BAND, _SEED
        )
        hashes[long_enough] = _band_hashes(np.array(digests, np.uint64))
    return hashes


def _shingles(text: str) -> list[str]:
    words = _WORD.findall(text.lower())
    if len(words) < _MIN_WORDS:
        return []
    return [" ".join(words[start : start + _SHINGLE_WORDS]) for start in range(len(words) - _SHINGLE_WORDS + 1)]


def _band_hashes(digests: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One hash a band [n, BANDS], never 0, out of all numbers [n, BANDS * _ROWS]."""
    bands = digests.reshape(-1, BANDS, _ROWS_PER_BAND)
    mixed: NDArray[np.uint64] = np.arange(1, BANDS + 1, dtype=np.uint64) * _MIX + np.zeros_like(bands[:, :, 0])
    for row in range(_ROWS_PER_BAND):
        mixed = (mixed ^ bands[:, :, row]) * _MIX
        mixed ^= mixed >> _SHIFT
    return np.maximum(mixed, np.uint64(1))
