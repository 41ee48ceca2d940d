"""The engine of this machine's processor."""

import math
from collections.abc import Callable, Mapping
from functools import cache
from itertools import chain

import numpy as np

from grucli.engine.decoder import CpuDecoder
from grucli.engine.network import Network
from grucli.engine.protocol import DropoutMask, GradientHook, Optimizer
from grucli.engine.thread_pool import ThreadPool
from grucli.kernels.adamw import sum_of_squares
from grucli.kernels.arrays import Float32, zeros
from grucli.model.parameters import Parameters
from grucli.text.loader import EvalBatch, TrainBatch

MAX_GRAD_NORM = 1.0
_NORM_BLOCK = 1 << 14  # blocks of a fixed size make the norm independent of the number of threads


class CpuScorer:
    """Implements `Scorer` for parameters that may change between calls."""

    def __init__(self, parameters: Parameters, pool: ThreadPool) -> None:
        self.sizes, self._parameters, self._pool = parameters.sizes, parameters, pool
        self._network = cache(lambda T, B: Network(parameters, T, B, pool))
        self._score_state = zeros(0)

    def score(self, batch: EvalBatch) -> Float32:
        """Implement `Scorer.score`."""
        network = self._network(*batch.inputs.shape)
        if batch.is_epoch_start:
            self._score_state = network.zero_state()
        network.forward(batch.inputs, batch.reset_mask, self._score_state)
        return batch.loss_mask * network.losses(batch.targets)


class CpuEngine(CpuScorer):
    """Implements `Engine` for batches [T, B], with gradients clipped by their norm (Pascanu 2013, arXiv:1211.5063)."""

    def __init__(
        self,
        parameters: Parameters,
        T: int,
        B: int,
        pool: ThreadPool,
        optimizer: Callable[[Float32, ThreadPool, float], Optimizer],
        weight_decay: float,
        on_gradient: GradientHook | None = None,
    ) -> None:
        super().__init__(parameters, pool)
        self._gradients = Parameters(parameters.sizes)
        self._optimizer = optimizer(parameters.flat, pool, weight_decay)
        self._state = self._network(T, B).zero_state()
        self._on_gradient = on_gradient

    def step(self, step: int, batch: TrainBatch, dropout: DropoutMask, learning_rate: float) -> tuple[float, float]:
        """Implement `Engine.step`."""
        network, gradients = self._network(*batch.inputs.shape), self._gradients
        if batch.is_epoch_start:
            self._state.fill(0)
        network.forward(batch.inputs, batch.reset_mask, self._state, dropout)
        nats = network.backward(batch.inputs, batch.targets, batch.reset_mask, gradients, dropout, self._on_gradient)
        norm = self._norm(gradients.flat)
        if math.isfinite(norm):
            scale = min(1.0, MAX_GRAD_NORM / (norm + 1e-12))
            self._optimizer.step(step, gradients.flat, learning_rate, scale)
        return nats, norm

    def _norm(self, g: Float32) -> float:
        def squares(low: int, high: int) -> list[float]:
            return [sum_of_squares(start, min(start + _NORM_BLOCK, high), g) for start in range(low, high, _NORM_BLOCK)]

        return math.sqrt(math.fsum(chain.from_iterable(self._pool.parallel_for(g.size, squares, _NORM_BLOCK))))

    def arrays(self) -> dict[str, Float32]:
        """Return the arrays themselves, not copies; see `Engine.arrays`."""
        return {"parameters": self._parameters.flat, "state": self._state, **self._optimizer.state}

    def load(self, arrays: Mapping[str, Float32]) -> None:
        """Implement `Engine.load`."""
        own = self.arrays()
        if arrays.keys() != own.keys():
            raise ValueError(f"its arrays are {', '.join(sorted(arrays))}")
        for name, array in arrays.items():
            if (array.shape, array.dtype) != (own[name].shape, own[name].dtype) or not np.isfinite(array).all():
                raise ValueError(f"array '{name}' does not fit the network")
        for name, array in own.items():
            array[...] = arrays[name]

    def named_parameters(self) -> Mapping[str, Float32]:
        """Return views of the parameters, by name."""
        return self._parameters.views

    def inference(self, *, quantized: bool) -> CpuDecoder:
        """Implement `Engine.inference`."""
        return CpuDecoder(self.sizes, self.named_parameters(), quantized=quantized)
