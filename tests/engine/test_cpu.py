"""The engine of the processor: the order of its gradients, an all-reduce in its hook, and its arrays."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from grucli.engine.cpu import CpuEngine, CpuScorer
from grucli.engine.network import Network
from grucli.engine.protocol import DropoutMask, GradientHook
from grucli.engine.thread_pool import ThreadPool
from grucli.kernels.arrays import Float32
from grucli.model.cells import CELLS
from grucli.model.config import ModelConfig
from grucli.model.parameters import Parameters, init_parameters
from grucli.text.loader import EvalBatch, TrainBatch
from grucli.training.optimizers import AdamW

POOL = ThreadPool(1)
T, B = 5, 4
NO_DROPOUT = DropoutMask(0.0, 0.0, 0)
each_cell = pytest.mark.parametrize("cell", CELLS)


def make_engine(cell: str, rows: int = B, on_gradient: GradientHook | None = None) -> CpuEngine:
    return CpuEngine(init_parameters(ModelConfig(cell, 9, 4, 8, 3), 2), T, rows, POOL, AdamW, 0.01, on_gradient)


def make_batch(step: int, rows: slice = slice(B)) -> TrainBatch:
    rng = np.random.default_rng(step)
    inputs, targets = (ids[:, rows].copy() for ids in rng.integers(0, 9, (2, T, B)).astype(np.int32))
    return TrainBatch(inputs, targets, inputs == 0, is_epoch_start=step % 4 == 0)


@each_cell
def test_gradients_are_reported_once_from_the_output_down_when_they_are_complete(cell: str) -> None:
    sizes = ModelConfig(cell, 9, 4, 8, 3)
    parameters, gradients, batch = init_parameters(sizes, 2), Parameters(sizes), make_batch(0)
    network, reported = Network(parameters, T, B, POOL), list[tuple[slice, Float32]]()

    def on_gradient(part: Float32) -> None:
        start = (part.ctypes.data - gradients.flat.ctypes.data) // 4
        reported.append((slice(start, start + part.size), part.copy()))

    network.forward(batch.inputs, batch.reset_mask, network.zero_state())
    network.backward(batch.inputs, batch.targets, batch.reset_mask, gradients, on_gradient=on_gradient)
    assert [place for place, _ in reported] == gradients.groups
    for place, part in reported:
        np.testing.assert_array_equal(part, gradients.flat[place])
    covered = np.zeros(gradients.flat.size, np.int64)
    for place, _ in reported:
        covered[place] += 1
    assert (covered == 1).all()
    groups = ["out.W", *(f"layers.{index}.W" for index in (2, 1, 0)), "embedding"]
    for name, place in zip(groups, gradients.groups, strict=True):
        assert np.shares_memory(gradients.views[name], gradients.flat[place])


@each_cell
def test_an_all_reduce_in_the_hook_is_one_engine_with_the_whole_batch(cell: str) -> None:
    """Two engines with half of the rows each average their gradients, as ranks do."""
    barrier, parts = Barrier(2, timeout=60), dict[int, Float32]()

    def train(rank: int) -> tuple[list[float], Float32]:
        def average(part: Float32) -> None:
            parts[rank] = part.copy()
            barrier.wait()
            part[...] = (parts[0] + parts[1]) / 2
            barrier.wait()

        engine, rows = make_engine(cell, B // 2, average), slice(rank * B // 2, (rank + 1) * B // 2)
        norms = [engine.step(step, make_batch(step, rows), NO_DROPOUT, 1e-2)[1] for step in range(6)]
        return norms, engine.arrays()["parameters"]

    with ThreadPoolExecutor(2) as ranks:
        (norms, first), (_, second) = ranks.map(train, range(2))
    whole = make_engine(cell)
    np.testing.assert_allclose(norms, [whole.step(i, make_batch(i), NO_DROPOUT, 1e-2)[1] for i in range(6)], rtol=1e-4)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, whole.arrays()["parameters"], atol=2e-5)


def test_loaded_arrays_resume_exactly() -> None:
    straight, halved, resumed = (make_engine("gru") for _ in range(3))
    for step in range(6):
        straight.step(step, make_batch(step), DropoutMask(0.3, 0.1, step), 1e-2)
    for step in range(3):
        halved.step(step, make_batch(step), DropoutMask(0.3, 0.1, step), 1e-2)
    resumed.load({name: array.copy() for name, array in halved.arrays().items()})
    for step in range(3, 6):
        resumed.step(step, make_batch(step), DropoutMask(0.3, 0.1, step), 1e-2)
    assert set(resumed.arrays()) == {"parameters", "state", "m", "v"}
    for name, array in straight.arrays().items():
        np.testing.assert_array_equal(resumed.arrays()[name], array, err_msg=name)
    with pytest.raises(ValueError, match="its arrays are parameters"):
        resumed.load({"parameters": straight.arrays()["parameters"]})


def test_a_gradient_that_is_not_finite_changes_no_parameter() -> None:
    engine = make_engine("gru", on_gradient=lambda part: part.fill(np.inf))
    before = {name: array.copy() for name, array in engine.arrays().items()}
    nats, norm = engine.step(0, make_batch(0), NO_DROPOUT, 1e-2)
    assert np.isfinite(nats)
    assert not np.isfinite(norm)
    for name in ("parameters", "m", "v"):
        np.testing.assert_array_equal(engine.arrays()[name], before[name])


def test_scores_carry_a_state_that_an_epoch_resets() -> None:
    engine = make_engine("gru")
    scorer = CpuScorer(engine._parameters, POOL)

    def score(step: int) -> list[list[float]]:
        batch = make_batch(step)
        mask = np.ones((T, B), np.float32)
        evaluated = EvalBatch(batch.inputs, batch.targets, batch.reset_mask, mask, batch.is_epoch_start)
        losses: list[list[float]] = engine.score(evaluated).tolist()
        return losses

    first, second = score(0), score(1)
    state = engine.arrays()["state"].copy()
    assert (score(0), score(1)) == (first, second)
    assert score(1) != second
    np.testing.assert_array_equal(engine.arrays()["state"], state)
    batch = make_batch(0)
    halves = EvalBatch(batch.inputs, batch.targets, batch.reset_mask, np.full((T, B), 0.5, np.float32), True)
    np.testing.assert_allclose(scorer.score(halves), np.array(first) / 2, rtol=1e-6)
