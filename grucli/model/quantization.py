"""Matrices in int8: a weights file of a quarter of the size.

Quantization is symmetric: the largest weight of a row or column becomes ±127, and a float32 scale gives it back. Scales
have 17 significant bits, so that every product with an integer is exact, and a matrix that has been quantized once is
quantized to the same integers and scales again, here and, by columns, in `grucli.kernels.quantized`. That module packs
float32 matrices for inference; it shares no code with this one, since weights files are read without kernels.
"""

import numpy as np
from numpy.typing import NDArray

_INT8_MAX = np.float32(127)
_CLEARED_BITS = np.uint32(0x7F)


def quantize(matrix: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantize a matrix [N, M] of finite values with one scale for all values along `axis`.

    Returns:
        Integers from -127 to 127 [N, M], and the scales, [1, M] for axis 0 or [N, 1] for axis 1: `integers * scales`
        is the matrix. The scale of zeros is 1.
    """
    largest = np.abs(matrix).max(axis=axis, keepdims=True)
    scales = ((largest / _INT8_MAX).view(np.uint32) & ~_CLEARED_BITS).view(np.float32)
    scales = np.where(scales >= np.finfo(np.float32).tiny, scales, np.float32(1))
    return np.rint(matrix / scales).astype(np.int8), scales
