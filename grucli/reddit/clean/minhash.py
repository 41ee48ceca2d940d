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

_ROWS = 11
_SEED = 42
_RUN = 3
_FEWEST = 8
"""Words under which a text is too short to be nearly another: what many people say by themselves."""

_word = re.compile(r"\w+")
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


def signatures(texts: list[str]) -> NDArray[np.uint64]:
    """The hashes of the bands of some texts [n, BANDS]; all 0 for a text that is too short."""
    found = np.zeros((len(texts), BANDS), np.uint64)
    runs = [_runs(text) for text in texts]
    long = [place for place, run in enumerate(runs) if run]
    if long:
        digests = RMinHash.digests_from_token_sets([runs[place] for place in long], BANDS * _ROWS, _SEED)
        found[long] = _banded(np.array(digests, np.uint64))
    return found


def _runs(text: str) -> list[str]:
    words = _word.findall(text.lower())
    if len(words) < _FEWEST:
        return []
    return [" ".join(words[start : start + _RUN]) for start in range(len(words) - _RUN + 1)]


def _banded(digests: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One hash a band [n, BANDS], never 0, out of all numbers [n, BANDS * _ROWS]."""
    bands = digests.reshape(-1, BANDS, _ROWS)
    mixed: NDArray[np.uint64] = np.arange(1, BANDS + 1, dtype=np.uint64) * _MIX + np.zeros_like(bands[:, :, 0])
    for row in range(_ROWS):
        mixed = (mixed ^ bands[:, :, row]) * _MIX
        mixed ^= mixed >> _SHIFT
    return np.maximum(mixed, np.uint64(1))
