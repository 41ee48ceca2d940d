"""MinHash signatures of texts, for near-duplicate search. The only module that needs the optional rensa.

A text is the set of its shingles of three words. Its MinHash signature agrees with that of another text in the fraction
of positions that is the Jaccard similarity of the sets (Broder 1997, doi:10.1109/SEQUEN.1997.666900). The signature is
cut into bands, each hashed to one number: texts that share any of them are near-duplicates (Leskovec, Rajaraman and
Ullman, Mining of Massive Datasets, ch. 3.4). With 12 bands of 11 rows that finds 99 % of the pairs with similarity 0.9,
two thirds at 0.8, and 0.6 % at 0.5.
"""

import re

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

BANDS = 12
_ROWS_PER_BAND = 11
_SEED = 42
_SHINGLE_WORDS = 3
_MIN_WORDS = 8
"""Shorter texts are not compared: many people write the same few words independently."""

_WORD = re.compile(r"\w+")
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


def signatures(texts: list[str]) -> NDArray[np.uint64]:
    """Return the band hashes of n texts, [n, BANDS] uint64; all 0 for a text that is too short."""
    hashes = np.zeros((len(texts), BANDS), np.uint64)
    shingles = [_shingles(text) for text in texts]
    long_enough = [row for row, found in enumerate(shingles) if found]
    if long_enough:
        digests = RMinHash.digests_from_token_sets(
            [shingles[row] for row in long_enough], BANDS * _ROWS_PER_BAND, _SEED
        )
        hashes[long_enough] = _band_hashes(np.array(digests, np.uint64))
    return hashes


def _shingles(text: str) -> list[str]:
    words = _WORD.findall(text.lower())
    if len(words) < _MIN_WORDS:
        return []
    return [" ".join(words[start : start + _SHINGLE_WORDS]) for start in range(len(words) - _SHINGLE_WORDS + 1)]


def _band_hashes(digests: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash signatures [n, BANDS * _ROWS_PER_BAND] to one nonzero number per band, [n, BANDS]."""
    bands = digests.reshape(-1, BANDS, _ROWS_PER_BAND)
    mixed: NDArray[np.uint64] = np.arange(1, BANDS + 1, dtype=np.uint64) * _MIX + np.zeros_like(bands[:, :, 0])
    for row in range(_ROWS_PER_BAND):
        mixed = (mixed ^ bands[:, :, row]) * _MIX
        mixed ^= mixed >> _SHIFT
    return np.maximum(mixed, np.uint64(1))
