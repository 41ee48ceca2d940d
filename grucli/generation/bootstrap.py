"""Confidence intervals by the bootstrap over documents (Efron 1979, doi:10.1214/aos/1176344552).

Documents are drawn with replacement, and ratios of their sums, such as bits per character, are taken in each resample.
The same seed draws the same documents, so two models are compared on the same ones.
"""

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
MIN_DOCUMENTS = 10
"""With fewer documents there is no interval: it would be too narrow."""

_MAX_BLOCKS = 2000  # neighbors are drawn together beyond, which bounds time and memory

Interval = tuple[float, float]
Float64 = NDArray[np.float64]


def resampled_sums(values: Float64, seed: int) -> Float64 | None:
    """Return the sums of values [D, C] of D documents in each resample, [RESAMPLES, C].

    None for fewer than MIN_DOCUMENTS.
    """
    count = min(len(values), _MAX_BLOCKS)
    if count < MIN_DOCUMENTS:
        return None
    blocks = np.add.reduceat(values, np.arange(count) * len(values) // count)
    # Only the raw output of Philox (doi:10.1145/2063384.2063405) is the same in all versions of NumPy.
    drawn = np.random.Philox(key=seed).random_raw(RESAMPLES * count) % np.uint64(count)
    rows = np.repeat(np.arange(RESAMPLES) * count, count)
    times = np.bincount(rows + drawn.astype(np.int64), minlength=RESAMPLES * count)
    return np.asarray(times.reshape(RESAMPLES, count) @ blocks)


def percentile_interval(statistic: Float64) -> Interval:
    """Return the 95 % interval of a statistic [RESAMPLES]."""
    low, high = np.percentile(statistic, [2.5, 97.5]).tolist()
    return low, high
