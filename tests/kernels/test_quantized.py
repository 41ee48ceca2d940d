"""Products of few rows over weights of a byte each, and at full precision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.kernels import quantized
from grucli.kernels.arrays import Float32, empty
from grucli.kernels.jit import kernel
from grucli.kernels.microkernel import NR, element_ptr, num_panels
from grucli.kernels.quantized import PackedWeights, QuantWorkspace, allocate_workspace, pack_weights, packed_matmul


@kernel
def matmul_at(
    a: Float32, start: int, rows: int, weights: PackedWeights, layer: int, c: Float32, workspace: QuantWorkspace
) -> None:
    packed_matmul(element_ptr(a, start), a.shape[1], rows, weights, layer, c, workspace)


def matmul(a: Float32, start: int, rows: int, weights: PackedWeights, layer: int, c: Float32) -> None:
    matmul_at(a, start, rows, weights, layer, c, allocate_workspace(rows, a.shape[1], c.shape[1]))


def quantize_dequantize(b: Float32) -> Float32:
    scale = np.where(np.abs(b).max(0) > 0, np.abs(b).max(0) / 127, 1).astype(np.float32)
    return np.asarray(np.rint(b / scale) * scale, np.float32)


@pytest.mark.slow
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
    weights = pack_weights(matrices, skip, columns, quantized=rounded)
    c = empty(rows, num_panels(columns) * NR)
    matmul(a, skip, rows, weights, L - 1, c)
    b = matrices[-1][:, skip:]
    exact = a[:, skip:].astype(np.float64) @ (quantize_dequantize(b) if rounded else b)
    np.testing.assert_allclose(c[:, :columns], exact, rtol=1e-4, atol=2e-4 * K**0.5)
    assert not c[:, columns:].any()
    for row in range(rows):
        alone = empty(1, c.shape[1])
        matmul(a, row * (K + skip) + skip, 1, weights, L - 1, alone)
        np.testing.assert_array_equal(alone[0], c[row])


@given(rows=st.integers(1, 18), K=st.integers(1, 70), columns=st.integers(1, 300))
@settings(max_examples=30)
def test_bytes_are_turned_into_floats_where_they_cannot_be_multiplied(rows: int, K: int, columns: int) -> None:
    rng = np.random.default_rng(rows * K + columns)
    a, b = rng.uniform(-1, 1, (rows, K)).astype(np.float32), rng.standard_normal((K, columns)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantized, "HAS_VNNI", False)
        weights = pack_weights([b], 0, columns, quantized=True)
    c, alone = (empty(n, num_panels(columns) * NR) for n in (rows, 1))
    matmul(a, 0, rows, weights, 0, c)
    np.testing.assert_allclose(c[:, :columns], a @ quantize_dequantize(b), rtol=1e-4, atol=2e-4 * K**0.5)
    matmul(a, (rows - 1) * K, 1, weights, 0, alone)
    np.testing.assert_array_equal(alone[0], c[rows - 1])


def test_a_column_of_zeros_stays_one() -> None:
    weights = pack_weights([np.zeros((4, 3), np.float32)], 0, 3, quantized=True)
    c = empty(1, NR)
    matmul(np.ones((1, 4), np.float32), 0, 1, weights, 0, c)
    assert not c.any()


@pytest.mark.parametrize("value", [1e-45, 2e-43, 1e-39, 1e-37, 3e38])
def test_columns_of_any_finite_size_are_quantized(value: float) -> None:
    matrix = np.array([[value, -value, 0.0], [0.0, value / 3, 1.0]], np.float32)
    result = quantized.dequantized(matrix, quantized=True)
    np.testing.assert_allclose(result, matrix, rtol=0.5 / 127, atol=max(value / 127, 1e-36))
    pack_weights([matrix], 0, 3, quantized=True)
