"""Packed products against NumPy in float64, for every number of rows and columns around the tile's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.kernels.arrays import Float32, empty
from grucli.kernels.jit import kernel
from grucli.kernels.microkernel import NR, element_ptr, gemm_panels, num_panels, pack, pack_transposed


@kernel
def gemm_at(a: Float32, start: int, stride: int, rows: int, panels: Float32, c: Float32) -> None:
    gemm_panels(element_ptr(a, start), stride, rows, panels, c, 0)


@given(rows=st.integers(1, 20), K=st.integers(1, 70), columns=st.integers(1, 100), skip=st.integers(0, 3))
@settings(max_examples=60)
def test_products_of_any_shape(rows: int, K: int, columns: int, skip: int) -> None:
    rng = np.random.default_rng(rows * K + columns)
    a = rng.standard_normal((rows, K + skip)).astype(np.float32)
    b = rng.standard_normal((K, columns + skip)).astype(np.float32)
    panels = empty(num_panels(columns), K, NR)
    pack(b, skip, columns, panels)
    c = np.full((rows, panels.shape[0] * NR), 7, np.float32)
    gemm_at(a, skip, K + skip, rows, panels, c)
    exact = a[:, skip:].astype(np.float64) @ b[:, skip:].astype(np.float64)
    np.testing.assert_allclose(c[:, :columns], exact, rtol=1e-4, atol=1e-4)
    assert not c[:, columns:].any()


@given(K=st.integers(1, 40), N=st.integers(1, 70), skip=st.integers(0, 3))
@settings(max_examples=30)
def test_packing_the_transpose_is_transposing_and_packing(K: int, N: int, skip: int) -> None:
    matrix = np.random.default_rng(K).standard_normal((N, K + skip)).astype(np.float32)
    ours, plain = empty(num_panels(N), K, NR), empty(num_panels(N), K, NR)
    pack_transposed(matrix, skip, K, ours)
    pack(np.ascontiguousarray(matrix[:, skip:].T), 0, N, plain)
    np.testing.assert_array_equal(ours, plain)


@pytest.mark.parametrize("rows", [1, 5, 9, 16])
def test_a_row_does_not_depend_on_its_neighbors(rows: int) -> None:
    rng = np.random.default_rng(rows)
    a, b = rng.standard_normal((16, 50)).astype(np.float32), rng.standard_normal((50, 40)).astype(np.float32)
    panels = empty(num_panels(40), 50, NR)
    pack(b, 0, 40, panels)
    whole, part = empty(16, panels.shape[0] * NR), empty(16, panels.shape[0] * NR)
    gemm_at(a, 0, 50, 16, panels, whole)
    gemm_at(a, 0, 50, rows, panels, part)
    np.testing.assert_array_equal(whole[:rows], part[:rows])
