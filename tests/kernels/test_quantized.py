"""Products of few rows over weights of a byte each, and at full precision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.kernels import quantized
from grucli.kernels.arrays import Float32, empty
from grucli.kernels.jit import kernel
from grucli.kernels.microkernel import WIDTH, address, panels_for
from grucli.kernels.quantized import Desk, Packed, desk_for, packed, stream_product


@kernel
def product(a: Float32, start: int, rows: int, weights: Packed, layer: int, c: Float32, desk: Desk) -> None:
    stream_product(address(a, start), a.shape[1], rows, weights, layer, c, desk)


def multiply(a: Float32, start: int, rows: int, weights: Packed, layer: int, c: Float32) -> None:
    product(a, start, rows, weights, layer, c, desk_for(rows, a.shape[1], c.shape[1]))


def rounded_to_bytes(b: Float32) -> Float32:
    scale = np.where(np.abs(b).max(0) > 0, np.abs(b).max(0) / 127, 1).astype(np.float32)
    return np.asarray(np.rint(b / scale) * scale, np.float32)


@pytest.mark.parametrize("rounded", [False, True])
@given(
    rows=st.integers(1, 18),
    K=st.integers(1, 70),
    columns=st.integers(1, 300),
    skip=st.integers(0, 3),
    L=st.integers(1, 3),
)
@settings(max_examples=40)
def test_products_of_any_shape(rounded: bool, rows: int, K: int, columns: int, skip: int, L: int) -> None:
    rng = np.random.default_rng(rows * K + columns)
    a = rng.uniform(-1, 1, (rows, K + skip)).astype(np.float32)
    matrices = [rng.standard_normal((K, columns + skip)).astype(np.float32) for _ in range(L)]
    weights = packed(matrices, skip, columns, rounded=rounded)
    c = empty(rows, panels_for(columns) * WIDTH)
    multiply(a, skip, rows, weights, L - 1, c)
    b = matrices[-1][:, skip:]
    exact = a[:, skip:].astype(np.float64) @ (rounded_to_bytes(b) if rounded else b)
    np.testing.assert_allclose(c[:, :columns], exact, rtol=1e-4, atol=2e-4 * K**0.5)
    assert not c[:, columns:].any()
    for row in range(rows):
        alone = empty(1, c.shape[1])
        multiply(a, row * (K + skip) + skip, 1, weights, L - 1, alone)
        np.testing.assert_array_equal(alone[0], c[row])


@given(rows=st.integers(1, 18), K=st.integers(1, 70), columns=st.integers(1, 300))
@settings(max_examples=30)
def test_bytes_are_turned_into_floats_where_they_cannot_be_multiplied(rows: int, K: int, columns: int) -> None:
    rng = np.random.default_rng(rows * K + columns)
    a, b = rng.uniform(-1, 1, (rows, K)).astype(np.float32), rng.standard_normal((K, columns)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantized, "HAS_DOT", False)
        weights = packed([b], 0, columns, rounded=True)
    c, alone = (empty(n, panels_for(columns) * WIDTH) for n in (rows, 1))
    multiply(a, 0, rows, weights, 0, c)
    np.testing.assert_allclose(c[:, :columns], a @ rounded_to_bytes(b), rtol=1e-4, atol=2e-4 * K**0.5)
    multiply(a, (rows - 1) * K, 1, weights, 0, alone)
    np.testing.assert_array_equal(alone[0], c[rows - 1])


def test_a_column_of_zeros_stays_one() -> None:
    weights = packed([np.zeros((4, 3), np.float32)], 0, 3, rounded=True)
    c = empty(1, WIDTH)
    multiply(np.ones((1, 4), np.float32), 0, 1, weights, 0, c)
    assert not c.any()
