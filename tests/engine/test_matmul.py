"""Both ways to multiply, against NumPy in float64, over ragged shapes and any number of threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.engine.matmul import BlasBackend, TileBackend
from grucli.engine.thread_pool import ThreadPool
from grucli.kernels.gemm import KC, MC
from grucli.kernels.microkernel import MR, NR

BACKENDS = [TileBackend, BlasBackend]
POOLS = [ThreadPool(threads) for threads in (1, 2, 3)]
# Around every border there is: one, a tile, a panel, a chunk, a block.
dimensions = st.one_of(
    st.integers(1, 80),
    st.sampled_from([edge + by for edge in (MR, NR, KC, MC) for by in (-1, 0, 1)]),
)


@pytest.mark.parametrize("engine", BACKENDS)
@given(N=dimensions, K=dimensions, M=dimensions, crew=st.sampled_from(POOLS))
@settings(max_examples=40)
def test_all_three_products(
    engine: type[TileBackend] | type[BlasBackend], N: int, K: int, M: int, crew: ThreadPool
) -> None:
    rng = np.random.default_rng(N * K * M)
    a, b, c = (rng.standard_normal(shape).astype(np.float32) for shape in ((N, K), (K, M), (N, M)))
    products = engine(crew)
    ab, acT, aTc = (np.full(shape, np.nan, np.float32) for shape in ((N, M), (N, K), (K, M)))
    products.matmul(a, products.pack(b), ab)
    products.matmul(c, products.pack_transposed(b), acT)
    products.matmul_tn(a, c, aTc)
    for ours, left, right in ((ab, a, b), (acT, c, b.T), (aTc, a.T, c)):
        exact = left.astype(np.float64) @ right.astype(np.float64)
        np.testing.assert_allclose(ours, exact, rtol=1e-4, atol=1e-5 * max(left.shape))


@pytest.mark.parametrize("engine", BACKENDS)
@given(left=st.integers(0, 90), width=st.integers(1, 90), shift=st.integers(-20, 20), crew=st.sampled_from(POOLS))
@settings(max_examples=30)
def test_columns_alone_go_where_they_belong(
    engine: type[TileBackend] | type[BlasBackend], left: int, width: int, shift: int, crew: ThreadPool
) -> None:
    rng = np.random.default_rng(left)
    a, b = rng.standard_normal((50, 20)).astype(np.float32), rng.standard_normal((50, 180)).astype(np.float32)
    shift = max(shift, -left)
    out = np.full((20, 200), 7, np.float32)
    engine(crew).matmul_tn(a, b, out, slice(left, left + width), shift)
    into = slice(left + shift, left + width + shift)
    np.testing.assert_allclose(out[:, into], a.T @ b[:, left : left + width], rtol=1e-4, atol=1e-4)
    out[:, into] = 7
    assert (out == 7).all()


def test_the_number_of_threads_does_not_change_a_bit_on_the_tile() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((700, 130)).astype(np.float32), rng.standard_normal((700, 300)).astype(np.float32)
    results = [np.empty((130, 300), np.float32) for _ in POOLS]
    for pool, out in zip(POOLS, results, strict=True):
        TileBackend(pool).matmul_tn(a, b, out)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("engine", BACKENDS)
def test_what_is_not_finite_stays_so_without_a_warning(engine: type[TileBackend] | type[BlasBackend]) -> None:
    a, out = np.full((9, 9), np.inf, np.float32), np.empty((9, 9), np.float32)
    products = engine(POOLS[0])
    products.matmul(a, products.pack(np.zeros_like(a)), out)
    assert not np.isfinite(out).any()
