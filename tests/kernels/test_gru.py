"""The compiled GRU layer against its float64 specification, over ragged shapes and any share of the rows."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.kernels.gru import Gru
from grucli.model.cells.gru import GRU


@given(
    seed=st.integers(0, 999),
    T=st.integers(1, 7),
    B=st.integers(1, 19),
    below=st.integers(1, 9),
    H=st.integers(1, 70),
    share=st.floats(0, 1),
)
@settings(max_examples=60)
def test_a_window_forward_and_back(seed: int, T: int, B: int, below: int, H: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    single = {name: array.astype(np.float32) for name, array in GRU.initialise(rng, below, H).items()}
    parameters = {name: array.astype(np.float64) for name, array in single.items()}
    x, ds = rng.standard_normal((T, B, below)), rng.standard_normal((T, B, H)).astype(np.float32)
    s0 = rng.standard_normal((B, H)).astype(np.float32)
    resets = rng.random((T, B)) < 0.2
    s, backprop = GRU.forward(parameters, x, s0.astype(np.float64), resets)
    dx, ds0, gradients = backprop(ds.astype(np.float64))

    layer, state, split = Gru(T, B, H), s0.copy(), round(share * B)
    layer.pack(single["W"])
    layer.pack_transposed(single["W"])
    layer.gates[...] = x @ parameters["U"]
    layer.dstate.fill(0)
    for low, high in ((split, B), (0, split)):
        layer.forward(low, high, single, state, resets)
        layer.backward(low, high, ds, resets)

    da = layer.gates.reshape(T * B, 3 * H).astype(np.float64)
    dW = np.zeros((H, 3 * H))
    for a, d, columns in layer.recurrent_products():
        dW[:, columns] += a.reshape(T * B, H).T.astype(np.float64) @ d.reshape(T * B, -1)
    for ours, exact in (
        (layer.s, s),
        (state, s[-1]),
        (layer.dstate, ds0),
        (dW, gradients["W"]),
        (da.sum(0), gradients["b"]),
        (da @ parameters["U"].T, dx.reshape(T * B, below)),
    ):
        np.testing.assert_allclose(ours, exact, rtol=2e-4, atol=2e-5 * max(1.0, float(np.abs(exact).max())))


def test_a_reset_clears_a_state_that_is_not_finite() -> None:
    layer = Gru(1, 1, 3)
    layer.pack(np.ones((3, 9), np.float32))
    layer.gates.fill(0)
    state = np.full((1, 3), np.nan, np.float32)
    layer.forward(0, 1, {"b": np.zeros(9, np.float32)}, state, np.ones((1, 1), np.bool_))
    assert np.isfinite(layer.s).all()
