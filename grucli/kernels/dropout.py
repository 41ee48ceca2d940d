"""Dropout (Srivastava 2014) without a stored mask: a hash of index and key decides whether an element is kept.

The backward pass runs the same loop with the same key. The hash is "lowbias32" (Wellons 2018, nullprogram.com), a
32-bit integer mixer of few vector instructions.
"""

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32
from grucli.kernels.jit import helper, kernel


@helper
def lowbias32(x: np.uint32) -> np.uint32:
    """Return a permutation of the 32-bit integers at x."""
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x7FEB352D))
    x = np.uint32(x ^ (x >> np.uint32(15)))
    x = np.uint32(x * np.uint32(0x846CA68B))
    return np.uint32(x ^ (x >> np.uint32(16)))


@kernel
def apply_dropout(low: int, high: int, x: Float32, key: NDArray[np.uint32], rate: float) -> None:
    """Clear the elements low ≤ i < high of x with probability `rate`; scale the others by 1 / (1 - rate), in place.

    x float32 [N]. key uint32 [1]: seed of the mask, one per step and layer.
    """
    threshold = np.uint32(rate * 4294967295.0)
    scale = np.float32(1.0 / (1.0 - rate))
    salt = lowbias32(key[0])
    for i in range(low, high):
        keep = lowbias32(np.uint32(np.uint32(i) + salt)) >= threshold
        x[i] = x[i] * scale if keep else np.float32(0)
