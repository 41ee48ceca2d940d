"""Our sides, through the same calls that the commands make, and what the machine itself can do."""

import threading
from collections.abc import Callable

import numpy as np

from benchmarks.configs import SAMPLING, TRAINING, BenchmarkConfig
from grucli.engine.cpu import CpuEngine
from grucli.engine.protocol import DropoutMask
from grucli.engine.thread_pool import ThreadPool
from grucli.generation.options import GenerationConfig
from grucli.generation.sampler import Sampler
from grucli.kernels.arrays import empty
from grucli.kernels.gemm import gemm
from grucli.kernels.microkernel import MR, NR, num_panels, pack
from grucli.limits import physical_cores
from grucli.model.config import ModelConfig
from grucli.model.parameters import init_parameters
from grucli.model.weights import ModelCard, SavedModel
from grucli.text.loader import TrainBatch
from grucli.text.tokenizers import EOS, EOT
from grucli.text.tokenizers.char import CharTokenizer
from grucli.training.optimizers import AdamW


def make_training(cell: str, name: str) -> Callable[[], int]:
    """Forward, backward, clipping and AdamW on a window, the state carried."""
    shape, pool = TRAINING[name], ThreadPool()
    sizes = ModelConfig(cell, shape.V, shape.E, shape.H, shape.L)
    engine = CpuEngine(init_parameters(sizes, 0), shape.T, shape.B, pool, AdamW, 0.01)
    ids = np.random.default_rng(0).integers(0, shape.V, (2, shape.T, shape.B)).astype(np.int32)
    batch = TrainBatch(ids[0], ids[1], np.zeros((shape.T, shape.B), np.bool_), is_epoch_start=False)
    steps_done = 0

    def step() -> int:
        nonlocal steps_done
        engine.step(steps_done, batch, DropoutMask(0.0, 0.0, 0), 1e-3)
        steps_done += 1
        return shape.B * shape.T

    return step


def _make_weights(shape: BenchmarkConfig) -> SavedModel:
    symbols = "".join(chr(0x4E00 + i) for i in range(shape.V - 3))
    parameters = init_parameters(ModelConfig("gru", shape.V, shape.E, shape.H, shape.L), 0)
    parameters.views["out.b"][[EOS, EOT]] = -50.0
    return SavedModel(parameters.sizes, CharTokenizer(symbols), parameters.views, ModelCard())


def make_sampling(name: str, precision: str) -> Callable[[], int]:
    """One stream at temperature 0.8."""
    sampler = Sampler(_make_weights(SAMPLING[name]), quantized=precision == "int8")

    def generate() -> int:
        stream = sampler.stream(sampler.initial_state(), GenerationConfig(max_chars=256))
        return sum(text_chunk.tokens for text_chunk in stream)

    return generate


def make_batch_sampling(name: str) -> Callable[[], int]:
    """256 streams at temperature 0.8."""
    sampler = Sampler(_make_weights(SAMPLING[name]))

    def generate() -> int:
        return sum(
            sample.tokens
            for sample in sampler.generate(sampler.initial_state(), "", 256, GenerationConfig(max_chars=64))
        )

    return generate


def make_peak_flops() -> Callable[[], int]:
    """FLOP of the register tile on data that stay in the caches, on every core at once."""
    N, K, M = 128 * MR, 128, 4 * NR
    b = np.ones((K, M), np.float32)

    def prepare_core() -> Callable[[], None]:
        panels, a, out = empty(num_panels(M), K, NR), empty(N, K), empty(N, M)
        a.fill(1)
        pack(b, 0, M, panels)
        edge_tile, tail_rows = empty(MR, NR), empty(MR, K)

        def run_core() -> None:
            for _ in range(20):
                gemm(a, panels, out, edge_tile, tail_rows)

        return run_core

    core_tasks = [prepare_core() for _ in range(physical_cores())]

    def work() -> int:
        threads = [threading.Thread(target=task) for task in core_tasks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(threads) * 20 * 2 * N * K * M

    return work
