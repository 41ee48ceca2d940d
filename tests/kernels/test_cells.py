"""The compiled layer of each cell against its float64 specification, over ragged shapes and any share of the rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.engine.cell_kernels import LAYERS
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
    s0 = rng.standard_normal((B, H)).astype(np.float32)
    reset_mask = rng.random((T, B)) < 0.2
    s, backprop = cell.forward(parameters, x, s0.astype(np.float64), reset_mask)
    dx, ds0, gradients = backprop(ds.astype(np.float64))

    layer, state, split = LAYERS[name](T, B, H), s0.copy(), round(share * B)
    layer.pack(single["W"])
    layer.pack_transposed(single["W"])
    layer.gates[...] = x @ parameters["U"]
    layer.dstate.fill(0)
    for low, high in ((split, B), (0, split)):
        layer.forward(low, high, single, state, reset_mask)
        layer.backward(low, high, ds, reset_mask)

    assert {"U", "W", *layer.bias_gradients()} == gradients.keys()
    da = layer.gates.reshape(T * B, 3 * H).astype(np.float64)
    dW = np.zeros((H, 3 * H))
    for a, d, columns, shift in layer.recurrent_products():
        into = slice(columns.start + shift, columns.stop + shift)
        dW[:, into] += a.reshape(T * B, H).T.astype(np.float64) @ d.reshape(T * B, -1)[:, columns]
    for ours, exact in (
        (layer.s, s),
        (state, s[-1]),
        (layer.dstate, ds0),
        (dW, gradients["W"]),
        (da @ parameters["U"].T, dx.reshape(T * B, below)),
        *((d.astype(np.float64).sum((0, 1)), gradients[bias]) for bias, d in layer.bias_gradients().items()),
    ):
        np.testing.assert_allclose(ours, exact, rtol=2e-4, atol=2e-5 * max(1.0, float(np.abs(exact).max())))


@pytest.mark.parametrize("name", CELLS)
def test_a_reset_clears_a_state_that_is_not_finite(name: str) -> None:
    layer = LAYERS[name](1, 1, 3)
    weights = {key: np.ones(shape, np.float32) for key, shape in CELLS[name].shapes(1, 3).items()}
    layer.pack(weights["W"])
    layer.gates.fill(0)
    state = np.full((1, 3), np.nan, np.float32)
    layer.forward(0, 1, weights, state, np.ones((1, 1), np.bool_))
    assert np.isfinite(layer.s).all()
