"""Arrays aligned to cache lines (64 bytes; NumPy aligns to 16): a vector load across two lines costs twice."""

import math

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_CACHE_LINE_BYTES = 64


def empty(*shape: int) -> Float32:
    """Return an uninitialized C-contiguous float32 array of this shape that begins at a cache line."""
    size = math.prod(shape)
    raw = np.empty(size + _CACHE_LINE_BYTES // 4, np.float32)
    offset = (-raw.ctypes.data % _CACHE_LINE_BYTES) // 4
    return raw[offset : offset + size].reshape(shape)


def zeros(*shape: int) -> Float32:
    """Return an array as `empty`, filled with zeros."""
    array = empty(*shape)
    array.fill(0)
    return array
