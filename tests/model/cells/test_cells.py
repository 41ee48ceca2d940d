"""The specification of each cell: its gradients by finite differences, and what its equations say in special cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.model.cell import Cell, sigmoid
from grucli.model.cells import CELLS
from grucli.model.config import ModelConfig, parameter_shapes
from tests.model.reference import Float64, loss_and_gradients

GRU, GRU_AFTER = CELLS["gru"], CELLS["gru-after"]
each_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
GRUS = pytest.mark.parametrize("cell", [GRU, GRU_AFTER], ids=["gru", "gru-after"])


def make_case(
    cell: Cell, seed: int, T: int, B: int, input_size: int, H: int
) -> tuple[dict[str, Float64], Float64, Float64]:
    rng = np.random.default_rng(seed)
    parameters = {name: rng.standard_normal(shape) for name, shape in cell.shapes(input_size, H).items()}
    return parameters, rng.standard_normal((T, B, input_size)), rng.standard_normal((B, cell.width(H)))


@each_cell
@given(
    seed=st.integers(0, 99),
    T=st.integers(1, 4),
    B=st.integers(1, 3),
    below=st.integers(1, 3),
    H=st.integers(1, 4),
)
@settings(max_examples=25)
def test_every_gradient_agrees_with_finite_differences(
    cell: Cell, seed: int, T: int, B: int, below: int, H: int
) -> None:
    parameters, x, s0 = make_case(cell, seed, T, B, below, H)
    rng = np.random.default_rng(seed + 1)
    reset_mask = rng.random((T, B)) < 0.3
    weights = rng.standard_normal((T, B, cell.width(H)))

    def loss() -> float:
        return float((cell.forward(parameters, x, s0, reset_mask)[0] * weights).sum())

    _, backprop = cell.forward(parameters, x, s0, reset_mask)
    dx, ds0, gradients_of = backprop(weights)
    gradients = gradients_of()
    for array, gradient in [(x, dx), (s0, ds0), *((parameters[name], gradients[name]) for name in parameters)]:
        for place in np.ndindex(array.shape):
            kept = array[place]
            array[place] = kept + 1e-6
            above = loss()
            array[place] = kept - 1e-6
            below_it = loss()
            array[place] = kept
            assert gradient[place] == pytest.approx((above - below_it) / 2e-6, rel=1e-5, abs=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("tied", [False, True])
@each_cell
def test_gradients_agree_with_finite_differences_through_three_layers(cell: Cell, tied: bool) -> None:
    config = ModelConfig(cell.name, V=5, E=3, H=4, L=3, tied=tied)
    rng = np.random.default_rng(3)
    parameters = {name: rng.standard_normal(shape) for name, shape in parameter_shapes(config).items()}
    inputs, targets = rng.integers(0, 5, (2, 4, 2)).astype(np.int32)
    reset_mask, state = rng.random((4, 2)) < 0.2, rng.standard_normal((3, 2, cell.width(4)))
    _, gradients = loss_and_gradients(config, parameters, inputs, targets, reset_mask, state)
    for name, array in parameters.items():
        for place in np.ndindex(array.shape):
            kept = array[place]
            array[place] = kept + 1e-6
            above, _ = loss_and_gradients(config, parameters, inputs, targets, reset_mask, state)
            array[place] = kept - 1e-6
            below, _ = loss_and_gradients(config, parameters, inputs, targets, reset_mask, state)
            array[place] = kept
            assert gradients[name][place] == pytest.approx((above - below) / 2e-6, rel=1e-4, abs=1e-8), name


@GRUS
@given(seed=st.integers(0, 99), T=st.integers(1, 6), B=st.integers(1, 4), H=st.integers(1, 5))
@settings(max_examples=25)
def test_with_open_reset_and_no_memory_it_is_the_plain_tanh_network(
    cell: Cell, seed: int, T: int, B: int, H: int
) -> None:
    parameters, x, s0 = make_case(cell, seed, T, B, 3, H)
    closed, open_ = slice(0, H), slice(H, 2 * H)
    for name in ("U", "W"):
        parameters[name][:, : 2 * H] = 0.0
    parameters["b"][closed], parameters["b"][open_] = -1e3, 1e3
    s, _ = cell.forward(parameters, x, s0, np.zeros((T, B), np.bool_))
    plain, bias = s0, parameters["b"][2 * H :] + parameters.get("c", 0.0)
    for t in range(T):
        plain = np.tanh(x[t] @ parameters["U"][:, 2 * H :] + plain @ parameters["W"][:, 2 * H :] + bias)
        np.testing.assert_allclose(s[t], plain, rtol=1e-12, atol=1e-14)


def test_with_open_reset_it_does_not_matter_where_it_stands() -> None:
    parameters, x, s0 = make_case(GRU, 2, 5, 2, 3, 4)
    parameters["b"][4:8] = 1e3
    reset_mask = np.zeros((5, 2), np.bool_)
    before, _ = GRU.forward(parameters, x, s0, reset_mask)
    after, _ = GRU_AFTER.forward(parameters | {"c": np.zeros(4)}, x, s0, reset_mask)
    np.testing.assert_allclose(after, before)


def mutation_of_the_paper(name: str, parameters: dict[str, Float64], x: Float64, h: Float64) -> Float64:
    """One step in the letters of Jozefowicz 2015: z takes the candidate, and a bare x has the size of the state."""
    H = h.shape[1]
    W_xz, W_xr, W_xh = np.hsplit(parameters["U"], 3)
    W_hz, W_hr, W_hh = np.hsplit(np.hstack([np.zeros((H, H)), parameters["W"]])[:, -3 * H :], 3)
    b_z, b_r, b_h = np.hsplit(np.concatenate([parameters["b"], parameters.get("c", np.empty(0))]), 3)
    h_z = {"mut1": np.zeros_like(h), "mut2": h, "mut3": np.tanh(h)}[name]
    z = sigmoid(-(x @ W_xz) - h_z @ W_hz - b_z)
    r = sigmoid((x if name == "mut2" else x @ W_xr) + h @ W_hr + b_r)
    candidate = np.tanh((r * h) @ W_hh + (np.tanh(x) if name == "mut1" else x @ W_xh) + b_h)
    return np.asarray(z * candidate + (1.0 - z) * h)


@pytest.mark.parametrize(("name", "bare"), [("mut1", 2), ("mut2", 1), ("mut3", None)])
def test_a_mutation_has_the_equations_of_the_paper(name: str, bare: int | None) -> None:
    parameters, x, h = make_case(CELLS[name], 6, 5, 2, 4, 4)
    if bare is not None:  # the gate that gets x itself
        parameters["U"][:, bare * 4 : bare * 4 + 4] = np.eye(4)
    s, _ = CELLS[name].forward(parameters, x, h, np.zeros((5, 2), np.bool_))
    for t in range(5):
        h = mutation_of_the_paper(name, parameters, x[t], h)
        np.testing.assert_allclose(s[t], h, rtol=1e-12, atol=1e-14)


@GRUS
def test_with_a_full_update_gate_nothing_is_forgotten(cell: Cell) -> None:
    parameters, x, s0 = make_case(cell, 0, 5, 2, 3, 4)
    parameters["b"][:4] = 1e3
    s, _ = cell.forward(parameters, x, s0, np.zeros((5, 2), np.bool_))
    np.testing.assert_allclose(s[-1], s0)


@each_cell
def test_a_reset_forgets_everything_before_it(cell: Cell) -> None:
    parameters, x, s0 = make_case(cell, 1, 5, 2, 3, 4)
    reset_mask = np.zeros((5, 2), np.bool_)
    reset_mask[2, 0] = True
    s, backprop = cell.forward(parameters, x, s0, reset_mask)
    other, _ = cell.forward(parameters, x, s0 + 1.0, reset_mask)
    np.testing.assert_array_equal(s[2:, 0], other[2:, 0])
    assert not np.allclose(s[2:, 1], other[2:, 1])
    ds = np.zeros_like(s)
    ds[4, 0] = 1.0
    dx, ds0, _ = backprop(ds)
    assert not dx[:2, 0].any()
    assert not ds0[0].any()
    assert dx[2:, 0].any()


@each_cell
def test_fresh_recurrent_weights_are_orthogonal(cell: Cell) -> None:
    W = cell.initialize(np.random.default_rng(0), 6, 8)["W"]
    for gate in range(len(cell.recurrent_gates)):
        block = W[:, gate * 8 : gate * 8 + 8]
        np.testing.assert_allclose(block.T @ block, np.eye(8), atol=1e-12)
