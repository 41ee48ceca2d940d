"""exp, σ and tanh against float64, over all of float32's useful range."""

import math

import numpy as np

from grucli.kernels.arrays import Float32
from grucli.kernels.elementary import exp, sigmoid, tanh
from grucli.kernels.jit import kernel


@kernel
def apply_elementwise(x: Float32, e: Float32, s: Float32, t: Float32) -> None:
    for i in range(x.size):
        e[i], s[i], t[i] = exp(x[i]), sigmoid(x[i]), tanh(x[i])


def evaluate(x: Float32) -> tuple[Float32, Float32, Float32]:
    e, s, t = (np.empty_like(x) for _ in range(3))
    apply_elementwise(x, e, s, t)
    return e, s, t


def sample_inputs() -> Float32:
    near = np.linspace(-20, 20, 1_000_001)
    tiny = np.logspace(-38, 1, 100_001)
    wide = np.linspace(-87, 87, 100_001)
    return np.concatenate([near, tiny, -tiny, wide]).astype(np.float32)


def test_errors_stay_below_their_bounds() -> None:
    x = sample_inputs()
    e, s, t = evaluate(x)
    exact = np.exp(x.astype(np.float64))
    assert np.abs(e / exact - 1).max() <= 2e-7
    assert np.abs(s - 1 / (1 + np.exp(-x.astype(np.float64)))).max() <= 2e-7
    assert np.abs(t - np.tanh(x.astype(np.float64))).max() <= 2e-7


def test_the_far_ends_saturate() -> None:
    x = np.array([-np.inf, -3e38, -1e3, 1e3, 3e38, np.inf], np.float32)
    e, s, t = evaluate(x)
    assert np.isfinite(e).all()
    np.testing.assert_allclose(s, [0, 0, 0, 1, 1, 1], atol=2e-7)
    np.testing.assert_allclose(t, [-1, -1, -1, 1, 1, 1], atol=2e-7)


def test_nan_stays_nan() -> None:
    for result in evaluate(np.full(33, np.nan, np.float32)):
        assert all(math.isnan(value) for value in result)
