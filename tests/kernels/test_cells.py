"""The compiled layer of each cell against its float64 specification, over ragged shapes and any share of the rows."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from grucli.engine.recurrent_layer import RecurrentLayer
from grucli.model.cells import CELLS


@pytest.mark.parametrize("name", CELLS)
@given(
    seed=st.integers(0, 999),
    T=st.integers(1, 7),
    B=st.integers(1, 19),
    below=st.integers(1, 9),
    H=st.integers(1, 70),
    share=st.floats(0, 1),
)
@settings(max_examples=60)
def test_a_window_forward_and_back(name: str, seed: int, T: int, B: int, below: int, H: int, share: float) -> None:
    rng, cell = np.random.default_rng(seed), CELLS[name]
    single = {key: array.astype(np.float32) for key, array in cell.initialize(rng, below, H).items()}
    for bias in single.keys() - {"U", "W"}:
        single[bias] += rng.standard_normal(single[bias].shape).astype(np.float32)
    parameters = {key: array.astype(np.float64) for key, array in single.items()}
    x, ds = rng.standard_normal((T, B, below)), rng.standard_normal((T, B, H)).astype(np.float32)
    s0 = rng.standard_normal((B, cell.width(H))).astype(np.float32)
    reset_mask = rng.random((T, B)) < 0.2
    states, backprop = cell.forward(parameters, x, s0.astype(np.float64), reset_mask)
    dstates = np.zeros_like(states)
    dstates[..., :H] = ds
    dx, ds0, gradients_of = backprop(dstates)
    gradients = gradients_of()

    layer, state, split = RecurrentLayer(cell, T, B, H), s0.copy(), round(share * B)
    layer.pack(single["W"])
    layer.pack_transposed(single["W"])
    layer.gates[...] = x @ parameters["U"]
    for low, high in ((split, B), (0, split)):
        layer.forward(low, high, single, state, reset_mask)
        layer.backward(low, high, single, ds, reset_mask)

    assert {"U", "W", *layer.bias_gradients()} == gradients.keys()
    da = layer.gates.reshape(T * B, -1).astype(np.float64)
    dW = np.zeros(single["W"].shape)
    for a, d, columns, shift in layer.weight_grad_terms():
        into = slice(columns.start + shift, columns.stop + shift)
        dW[:, into] += a.T.astype(np.float64) @ d[:, columns]
    pairs: tuple[tuple[NDArray[Any], NDArray[np.float64]], ...] = (
        (layer.s, states[..., :H]),
        (state, states[-1]),
        (np.hstack(layer.dstate), ds0),
        (dW, gradients["W"]),
        (da @ parameters["U"].T, dx.reshape(T * B, below)),
        *(
            (d[:, first : first + gradients[bias].size].astype(np.float64).sum(0), gradients[bias])
            for bias, (d, first) in layer.bias_gradients().items()
        ),
    )
    for ours, exact in pairs:
        np.testing.assert_allclose(ours, exact, rtol=2e-4, atol=2e-5 * max(1.0, float(np.abs(exact).max())))


@pytest.mark.parametrize("name", CELLS)
def test_a_reset_clears_a_state_that_is_not_finite(name: str) -> None:
    layer = RecurrentLayer(CELLS[name], 1, 1, 3)
    weights = {key: np.ones(shape, np.float32) for key, shape in CELLS[name].shapes(1, 3).items()}
    layer.pack(weights["W"])
    layer.gates.fill(0)
    state = np.full((1, CELLS[name].width(3)), np.nan, np.float32)
    layer.forward(0, 1, weights, state, np.ones((1, 1), np.bool_))
    assert np.isfinite(layer.s).all()
