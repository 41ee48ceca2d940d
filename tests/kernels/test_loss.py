"""Embedding rows, softmax and cross-entropy against NumPy in float64."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.kernels.loss import column_sums, cross_entropy, cross_entropy_gradient, gather, scatter_add
from tests.model.reference import log_softmax


@given(seed=st.integers(0, 999), N=st.integers(1, 9), V=st.integers(1, 70), scale=st.floats(0, 30))
@settings(max_examples=40)
def test_cross_entropy_and_its_gradient(seed: int, N: int, V: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    logits = (scale * rng.standard_normal((N, V))).astype(np.float32)
    bias, losses = rng.standard_normal(V).astype(np.float32), np.empty(N, np.float32)
    targets = rng.integers(0, V, N).astype(np.int32)
    logs = log_softmax((logits + bias).astype(np.float64))
    nats = -logs[np.arange(N), targets]
    cross_entropy(logits.copy(), bias, targets, losses)
    np.testing.assert_allclose(losses, nats, rtol=1e-4, atol=1e-4)
    total = 0.0
    for n in range(N):
        total += cross_entropy_gradient(logits[n : n + 1], bias, targets[n : n + 1], np.float32(0.5))
    assert total == pytest.approx(float(nats.sum()), rel=1e-4, abs=1e-4)
    np.testing.assert_allclose(logits, 0.5 * (np.exp(logs) - np.eye(V)[targets]), atol=1e-5)


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.nan])
def test_divergence_is_not_hidden(poison: float) -> None:
    logits = np.zeros((1, 40), np.float32)
    logits[0, 17] = poison
    nats = cross_entropy_gradient(logits, np.zeros(40, np.float32), np.zeros(1, np.int32), np.float32(1))
    assert not math.isfinite(nats)


@given(seed=st.integers(0, 999), N=st.integers(1, 30), V=st.integers(1, 9), E=st.integers(1, 40))
@settings(max_examples=30)
def test_rows_in_and_out(seed: int, N: int, V: int, E: int) -> None:
    rng = np.random.default_rng(seed)
    ids, table = rng.integers(0, V, N).astype(np.int32), rng.standard_normal((V, E)).astype(np.float32)
    x = np.empty((N, E), np.float32)
    gather(0, N // 2, ids, table, x)
    gather(N // 2, N, ids, table, x)
    np.testing.assert_array_equal(x, table[ids])
    dtable, exact = np.zeros((V, E), np.float32), np.zeros((V, E))
    scatter_add(0, E // 2, ids, x, dtable)
    scatter_add(E // 2, E, ids, x, dtable)
    np.add.at(exact, ids, x)
    np.testing.assert_allclose(dtable, exact, rtol=1e-5, atol=1e-5)
    sums = np.full(E, 9, np.float32)
    column_sums(0, E, x, 0, sums)
    np.testing.assert_allclose(sums, x.sum(0), rtol=1e-5, atol=1e-5)
