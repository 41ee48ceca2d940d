"""The compiled network against the float64 one: loss, every gradient, threads, dropout and documents kept apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.engine.matmul import THREAD_COUNT_INVARIANT
from grucli.engine.network import Network
from grucli.engine.protocol import DropoutMask
from grucli.engine.thread_pool import ThreadPool
from grucli.model.cells import CELLS
from grucli.model.config import ModelConfig
from grucli.model.parameters import Parameters, init_parameters
from tests.model.reference import loss_and_gradients

SINGLE_THREAD = ThreadPool(1)
each_cell = pytest.mark.parametrize("cell", CELLS)


@given(
    seed=st.integers(0, 999),
    sizes=st.builds(
        ModelConfig,
        st.sampled_from(list(CELLS)),
        V=st.integers(3, 40),
        E=st.integers(1, 20),
        H=st.integers(1, 40),
        L=st.integers(1, 3),
        tied=st.booleans(),
    ),
    T=st.integers(1, 6),
    B=st.integers(1, 12),
)
@settings(max_examples=60)
def test_loss_and_every_gradient(seed: int, sizes: ModelConfig, T: int, B: int) -> None:
    rng = np.random.default_rng(seed)
    parameters, gradients = init_parameters(sizes, seed), Parameters(sizes)
    inputs, targets = rng.integers(0, sizes.V, (2, T, B)).astype(np.int32)
    reset_mask = rng.random((T, B)) < 0.2
    network = Network(parameters, T, B, SINGLE_THREAD)
    state = network.zero_state()
    state[...] = rng.standard_normal(state.shape)
    exact = {name: view.astype(np.float64) for name, view in parameters.views.items()}
    nats, expected = loss_and_gradients(sizes, exact, inputs, targets, reset_mask, state.astype(np.float64))
    kept = state.copy()
    network.forward(inputs, reset_mask, state)
    assert float(network.losses(targets).mean()) == pytest.approx(nats, rel=1e-4)
    network.forward(inputs, reset_mask, kept)
    assert network.backward(inputs, targets, reset_mask, gradients) == pytest.approx(nats, rel=1e-4)
    for name, gradient in expected.items():
        scale = max(1e-3, float(np.abs(gradient).max()))
        np.testing.assert_allclose(gradients.views[name], gradient, rtol=1e-3, atol=2e-5 * scale, err_msg=name)


def make_windows(V: int, T: int, B: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs, targets = rng.integers(0, V, (2, T, B)).astype(np.int32)
    return inputs, targets, np.zeros((T, B), np.bool_)


@each_cell
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_the_number_of_threads_does_not_change_a_bit(cell: str, rate: float, tied: bool) -> None:
    config = ModelConfig(cell, 50, 40, 96, 2, tied)
    inputs, targets, reset_mask = make_windows(50, 16, 37)
    results = []
    for threads in (1, 2, 3):
        network, gradients = Network(init_parameters(config, 0), 16, 37, ThreadPool(threads)), Parameters(config)
        state = network.zero_state()
        network.forward(inputs, reset_mask, state, DropoutMask(rate, rate / 2, 5))
        nats = network.backward(inputs, targets, reset_mask, gradients, DropoutMask(rate, rate / 2, 5))
        results.append((nats, state, gradients.flat.copy()))
    for nats, state, flat in results[1:]:
        np.testing.assert_array_equal(state, results[0][1])
        if THREAD_COUNT_INVARIANT:
            assert nats == results[0][0]
            np.testing.assert_array_equal(flat, results[0][2])


@each_cell
def test_the_gradient_under_dropout_is_that_of_the_same_mask(cell: str) -> None:
    config = ModelConfig(cell, 7, 4, 6, 2)
    parameters, gradients = init_parameters(config, 1), Parameters(config)
    network, dropout = Network(parameters, 5, 3, SINGLE_THREAD), DropoutMask(0.5, 0.3, 9)
    inputs, targets, reset_mask = make_windows(7, 5, 3)

    def loss() -> float:
        network.forward(inputs, reset_mask, network.zero_state(), dropout)
        return float(network.losses(targets).mean(dtype=np.float64))

    loss()
    network.backward(inputs, targets, reset_mask, gradients, dropout)
    result = gradients.flat.copy()
    rng = np.random.default_rng(0)
    direction = np.where(parameters.flat != 0, rng.standard_normal(parameters.flat.size), 0).astype(np.float32)
    kept = parameters.flat.copy()
    parameters.flat[...] = kept + 2e-3 * direction
    above = loss()
    parameters.flat[...] = kept - 2e-3 * direction
    assert (above - loss()) / 4e-3 == pytest.approx(float(result @ direction), rel=2e-2)


@each_cell
def test_nothing_leaks_from_one_document_into_the_next(cell: str) -> None:
    config = ModelConfig(cell, 9, 4, 8, 2)
    network = Network(init_parameters(config, 2), 6, 1, SINGLE_THREAD)
    inputs, _, reset_mask = make_windows(9, 6, 1)
    reset_mask[3] = True
    network.forward(inputs, reset_mask, network.zero_state())
    first = network.output.copy()
    inputs[:3] = (inputs[:3] + 1) % 9
    network.forward(inputs, reset_mask, network.zero_state())
    np.testing.assert_array_equal(network.output[3:], first[3:])
    assert not np.allclose(network.output[:3], first[:3])


@each_cell
def test_a_state_carried_over_is_the_long_window(cell: str) -> None:
    config = ModelConfig(cell, 9, 4, 8, 2)
    parameters = init_parameters(config, 2)
    inputs, _, reset_mask = make_windows(9, 8, 3)
    long, short = Network(parameters, 8, 3, SINGLE_THREAD), Network(parameters, 4, 3, SINGLE_THREAD)
    long.forward(inputs, reset_mask, long.zero_state())
    state = short.zero_state()
    short.forward(inputs[:4], reset_mask[:4], state)
    short.forward(inputs[4:], reset_mask[4:], state)
    np.testing.assert_array_equal(short.output, long.output[12:])


def test_parameters_are_views_of_one_aligned_buffer() -> None:
    parameters = init_parameters(ModelConfig("gru", 7, 3, 5, 2), 4)
    for view in parameters.views.values():
        assert view.ctypes.data % 64 == 0
        assert np.shares_memory(view, parameters.flat)
    parameters.flat.fill(0)
    assert not any(view.any() for view in parameters.views.values())
    with pytest.raises(KeyError):
        parameters.load({})
