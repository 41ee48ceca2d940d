"""The compiled network against the float64 one: loss, every gradient, threads, dropout and documents kept apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.engine.matmul import ONE_ORDER
from grucli.engine.network import Dropout, Network
from grucli.engine.thread_pool import Crew
from grucli.model.cells import CELLS
from grucli.model.config import Sizes
from grucli.model.parameters import Parameters, fresh_parameters
from tests.model.reference import loss_and_gradients

ONE = Crew(1)
EACH = pytest.mark.parametrize("cell", CELLS)


@given(
    seed=st.integers(0, 999),
    sizes=st.builds(
        Sizes,
        st.sampled_from(list(CELLS)),
        V=st.integers(3, 40),
        E=st.integers(1, 20),
        H=st.integers(1, 40),
        L=st.integers(1, 3),
    ),
    T=st.integers(1, 6),
    B=st.integers(1, 12),
)
@settings(max_examples=60)
def test_loss_and_every_gradient(seed: int, sizes: Sizes, T: int, B: int) -> None:
    rng = np.random.default_rng(seed)
    parameters, gradients = fresh_parameters(sizes, seed), Parameters(sizes)
    inputs, targets = rng.integers(0, sizes.V, (2, T, B)).astype(np.int32)
    resets = rng.random((T, B)) < 0.2
    network = Network(parameters, T, B, ONE)
    state = network.zero_state()
    state[...] = rng.standard_normal(state.shape)
    exact = {name: view.astype(np.float64) for name, view in parameters.views.items()}
    nats, expected = loss_and_gradients(sizes, exact, inputs, targets, resets, state.astype(np.float64))
    kept = state.copy()
    network.forward(inputs, resets, state)
    assert network.loss(targets, np.ones((T, B), np.float32)) / (T * B) == pytest.approx(nats, rel=1e-4)
    network.forward(inputs, resets, kept)
    assert network.backward(inputs, targets, resets, gradients) == pytest.approx(nats, rel=1e-4)
    for name, gradient in expected.items():
        scale = max(1e-3, float(np.abs(gradient).max()))
        np.testing.assert_allclose(gradients.views[name], gradient, rtol=1e-3, atol=2e-5 * scale, err_msg=name)


def windows(V: int, T: int, B: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs, targets = rng.integers(0, V, (2, T, B)).astype(np.int32)
    return inputs, targets, np.zeros((T, B), np.bool_)


@EACH
@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_the_number_of_threads_does_not_change_a_bit(cell: str, rate: float) -> None:
    sizes = Sizes(cell, 50, 40, 96, 2)
    inputs, targets, resets = windows(50, 16, 37)
    results = []
    for threads in (1, 2, 3):
        network, gradients = Network(fresh_parameters(sizes, 0), 16, 37, Crew(threads)), Parameters(sizes)
        state = network.zero_state()
        network.forward(inputs, resets, state, Dropout(rate, 5))
        nats = network.backward(inputs, targets, resets, gradients, Dropout(rate, 5))
        results.append((nats, state, gradients.flat.copy()))
    for nats, state, flat in results[1:]:
        np.testing.assert_array_equal(state, results[0][1])
        if ONE_ORDER:
            assert nats == results[0][0]
            np.testing.assert_array_equal(flat, results[0][2])


@EACH
def test_the_gradient_under_dropout_is_that_of_the_same_mask(cell: str) -> None:
    sizes = Sizes(cell, 7, 4, 6, 2)
    parameters, gradients = fresh_parameters(sizes, 1), Parameters(sizes)
    network, dropout = Network(parameters, 5, 3, ONE), Dropout(0.5, 9)
    inputs, targets, resets = windows(7, 5, 3)

    def loss() -> float:
        network.forward(inputs, resets, network.zero_state(), dropout)
        return network.loss(targets, np.ones((5, 3), np.float32)) / 15

    loss()
    network.backward(inputs, targets, resets, gradients, dropout)
    found = gradients.flat.copy()
    rng = np.random.default_rng(0)
    direction = np.where(parameters.flat != 0, rng.standard_normal(parameters.flat.size), 0).astype(np.float32)
    kept = parameters.flat.copy()
    parameters.flat[...] = kept + 2e-3 * direction
    above = loss()
    parameters.flat[...] = kept - 2e-3 * direction
    assert (above - loss()) / 4e-3 == pytest.approx(float(found @ direction), rel=2e-2)


@EACH
def test_nothing_leaks_from_one_document_into_the_next(cell: str) -> None:
    sizes = Sizes(cell, 9, 4, 8, 2)
    network = Network(fresh_parameters(sizes, 2), 6, 1, ONE)
    inputs, _, resets = windows(9, 6, 1)
    resets[3] = True
    network.forward(inputs, resets, network.zero_state())
    first = network.top.copy()
    inputs[:3] = (inputs[:3] + 1) % 9
    network.forward(inputs, resets, network.zero_state())
    np.testing.assert_array_equal(network.top[3:], first[3:])
    assert not np.allclose(network.top[:3], first[:3])


@EACH
def test_a_state_carried_over_is_the_long_window(cell: str) -> None:
    sizes = Sizes(cell, 9, 4, 8, 2)
    parameters = fresh_parameters(sizes, 2)
    inputs, _, resets = windows(9, 8, 3)
    long, short = Network(parameters, 8, 3, ONE), Network(parameters, 4, 3, ONE)
    long.forward(inputs, resets, long.zero_state())
    state = short.zero_state()
    short.forward(inputs[:4], resets[:4], state)
    short.forward(inputs[4:], resets[4:], state)
    np.testing.assert_array_equal(short.top, long.top[12:])


def test_parameters_are_views_of_one_aligned_buffer() -> None:
    parameters = fresh_parameters(Sizes("gru", 7, 3, 5, 2), 4)
    for view in parameters.views.values():
        assert view.ctypes.data % 64 == 0
        assert np.shares_memory(view, parameters.flat)
    parameters.flat.fill(0)
    assert not any(view.any() for view in parameters.views.values())
    with pytest.raises(KeyError):
        parameters.load({})
