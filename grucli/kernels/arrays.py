"""Arrays for vector code: NumPy aligns to 16 bytes, a cache line is 64, and a vector across two lines costs twice."""

import math

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_CACHE_LINE_BYTES = 64


def empty(*shape: int) -> Float32:
    """An uninitialised C-contiguous float32 array that begins at a cache line."""
    size = math.prod(shape)
    raw = np.empty(size + _CACHE_LINE_BYTES // 4, np.float32)
    offset = (-raw.ctypes.data % _CACHE_LINE_BYTES) // 4
    return raw[offset : offset + size].reshape(shape)


def zeros(*shape: int) -> Float32:
    """The same, filled with zeros."""
    array = empty(*shape)
    array.fill(0)
    return array
