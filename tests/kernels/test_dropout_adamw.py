"""Dropout without a stored mask, and AdamW against the paper's formula in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.kernels.adamw import adamw, sum_of_squares
from grucli.kernels.dropout import apply_dropout


def make_key(value: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.array([value], np.uint32)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_right_share_is_dropped_and_the_mean_is_kept(rate: float) -> None:
    x = np.ones(200_000, np.float32)
    apply_dropout(0, x.size, x, make_key(7), rate)
    assert (x == 0).mean() == pytest.approx(rate, abs=0.005)
    np.testing.assert_allclose(x[x != 0], 1 / (1 - rate), rtol=1e-6)


def test_a_mask_is_a_function_of_its_key_and_of_the_place() -> None:
    whole, halves, other = (np.ones(999, np.float32) for _ in range(3))
    apply_dropout(0, 999, whole, make_key(1), 0.5)
    apply_dropout(500, 999, halves, make_key(1), 0.5)
    apply_dropout(0, 500, halves, make_key(1), 0.5)
    apply_dropout(0, 999, other, make_key(2), 0.5)
    np.testing.assert_array_equal(whole, halves)
    assert 0.4 < (whole == other).mean() < 0.6


@given(seed=st.integers(0, 999), N=st.integers(1, 100), step=st.integers(1, 50))
@settings(max_examples=30)
def test_adamw_is_the_paper_s(seed: int, N: int, step: int) -> None:
    rng = np.random.default_rng(seed)
    p, g, m = (rng.standard_normal(N).astype(np.float32) for _ in range(3))
    v = rng.random(N).astype(np.float32)
    lr, decay, b1, b2, epsilon, scale = 0.01, 0.1, 0.9, 0.99, 1e-8, 0.5
    gradient = scale * g.astype(np.float64)
    new_m = b1 * m + (1 - b1) * gradient
    new_v = b2 * v + (1 - b2) * gradient**2
    step_towards = (new_m / (1 - b1**step)) / (np.sqrt(new_v / (1 - b2**step)) + epsilon)
    exact = p - lr * (step_towards + decay * p)
    constants = [scale, b1, b2, lr / (1 - b1**step), 1 / np.sqrt(1 - b2**step), epsilon, 1 - lr * decay]
    adamw(0, N, p, g, m, v, *map(np.float32, constants))
    np.testing.assert_allclose(p, exact, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(m, new_m, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(v, new_v, rtol=1e-5, atol=1e-6)
    assert sum_of_squares(0, N, g) == pytest.approx(float((g.astype(np.float64) ** 2).sum()), rel=1e-9)
