"""AdamW (Loshchilov 2019, arXiv:1711.05101) with clipping by the global norm (Pascanu 2013, arXiv:1211.5063)."""

import math

import numpy as np

from grucli.engine.thread_pool import ThreadPool
from grucli.kernels.adamw import adamw, sum_of_squares
from grucli.kernels.arrays import Float32, zeros
from grucli.model.parameters import Parameters

BETA1, BETA2, EPSILON = 0.9, 0.99, 1e-8
WEIGHT_DECAY = 0.01
MAX_GRAD_NORM = 1.0
_NORM_BLOCK = 1 << 14  # blocks of a fixed size make the norm independent of the number of threads


class AdamW:
    """Optimizer of the flat parameters; `m` and `v` are their first and second moments, float32 [N]."""

    def __init__(self, parameters: Parameters, pool: ThreadPool) -> None:
        self._parameters, self._pool = parameters, pool
        self.m: Float32 = zeros(parameters.flat.size)
        self.v: Float32 = zeros(parameters.flat.size)

    def _grad_norm(self, g: Float32) -> float:
        def squares(low: int, high: int) -> list[float]:
            return [sum_of_squares(start, min(start + _NORM_BLOCK, high), g) for start in range(low, high, _NORM_BLOCK)]

        return math.sqrt(
            math.fsum(part for parts in self._pool.parallel_for(g.size, squares, _NORM_BLOCK) for part in parts)
        )

    def step(self, step: int, gradients: Parameters, learning_rate: float) -> float:
        """Update the parameters for step number `step` (from 0); return the norm of the gradient before clipping.

        Parameters and moments are left unchanged if that norm is not finite.
        """
        p, g = self._parameters.flat, gradients.flat
        norm = self._grad_norm(g)
        if not math.isfinite(norm):
            return norm
        constants = tuple(
            map(
                np.float32,
                (
                    min(1.0, MAX_GRAD_NORM / (norm + 1e-12)),
                    BETA1,
                    BETA2,
                    learning_rate / (1 - BETA1 ** (step + 1)),
                    1 / math.sqrt(1 - BETA2 ** (step + 1)),
                    EPSILON,
                    1 - learning_rate * WEIGHT_DECAY,
                ),
            )
        )
        self._pool.parallel_for(
            p.size, lambda low, high: adamw(low, high, p, g, self.m, self.v, *constants), _NORM_BLOCK
        )
        return norm
