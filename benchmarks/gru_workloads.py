"""Our sides, through the same calls that the commands make, and what the machine itself can do."""

import threading
from collections.abc import Callable

import numpy as np

from benchmarks.configs import SAMPLING, TRAINING, Shape
from grucli.engine.network import Network
from grucli.engine.thread_pool import Crew, default_threads
from grucli.generation.sampler import Draw, Sampler
from grucli.kernels.arrays import empty
from grucli.kernels.gemm import multiply
from grucli.kernels.microkernel import ROWS, WIDTH, pack, panels_for
from grucli.model.config import Sizes
from grucli.model.parameters import Parameters, fresh_parameters
from grucli.model.weights import Card, Weights
from grucli.text.tokenizers import END, TURN
from grucli.text.tokenizers.char import CharTokenizer
from grucli.training.optimizers import AdamW


def training(cell: str, name: str) -> Callable[[], int]:
    """Forward, backward, clipping and AdamW on a window, the state carried."""
    shape, crew = TRAINING[name], Crew()
    sizes = Sizes(cell, shape.V, shape.E, shape.H, shape.L)
    parameters, gradients = fresh_parameters(sizes, 0), Parameters(sizes)
    network, optimiser = Network(parameters, shape.T, shape.B, crew), AdamW(parameters, crew)
    ids = np.random.default_rng(0).integers(0, shape.V, (2, shape.T, shape.B)).astype(np.int32)
    resets, state = np.zeros((shape.T, shape.B), np.bool_), network.zero_state()
    made = 0

    def step() -> int:
        nonlocal made
        network.forward(ids[0], resets, state)
        network.backward(ids[0], ids[1], resets, gradients)
        optimiser.step(made, gradients, 1e-3)
        made += 1
        return shape.B * shape.T

    return step


def _weights(shape: Shape) -> Weights:
    symbols = "".join(chr(0x4E00 + i) for i in range(shape.V - 3))
    parameters = fresh_parameters(Sizes("gru", shape.V, shape.E, shape.H, shape.L), 0)
    parameters.views["out.b"][[END, TURN]] = -50.0
    return Weights(parameters.sizes, CharTokenizer(symbols), parameters.views, Card())


def sampling(name: str, precision: str) -> Callable[[], int]:
    """One stream at temperature 0.8."""
    sampler = Sampler(_weights(SAMPLING[name]), rounded=precision == "int8")

    def write() -> int:
        stream = sampler.stream(sampler.begin(), Draw(max_chars=256))
        return sum(piece.tokens for piece in stream)

    return write


def batch_sampling(name: str) -> Callable[[], int]:
    """256 streams at temperature 0.8."""
    sampler = Sampler(_weights(SAMPLING[name]))

    def write() -> int:
        return sum(sample.tokens for sample in sampler.write(sampler.begin(), "", 256, Draw(max_chars=64)))

    return write


def peak() -> Callable[[], int]:
    """FLOP of the register tile on data that stay in the caches, on every core at once."""
    N, K, M = 128 * ROWS, 128, 4 * WIDTH
    b = np.ones((K, M), np.float32)

    def prepare() -> Callable[[], None]:
        panels, a, out = empty(panels_for(M), K, WIDTH), empty(N, K), empty(N, M)
        a.fill(1)
        pack(b, 0, M, panels)
        edge, rest = empty(ROWS, WIDTH), empty(ROWS, K)

        def core() -> None:
            for _ in range(20):
                multiply(a, panels, out, edge, rest)

        return core

    cores = [prepare() for _ in range(default_threads())]

    def work() -> int:
        threads = [threading.Thread(target=core) for core in cores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(threads) * 20 * 2 * N * K * M

    return work
