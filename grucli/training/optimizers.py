"""Optimizers by name. An optimizer updates the flat parameters, and implements `grucli.engine.protocol.Optimizer`."""

import math
from collections.abc import Callable

import numpy as np

from grucli.engine.protocol import Optimizer
from grucli.engine.thread_pool import ThreadPool
from grucli.kernels.adamw import adamw
from grucli.kernels.arrays import Float32, zeros

BETA1, BETA2, EPSILON = 0.9, 0.99, 1e-8
_BLOCK = 1 << 14


class AdamW:
    """AdamW (Loshchilov 2019, arXiv:1711.05101); `state`: first and second moments m, v of parameters [N]."""

    def __init__(self, parameters: Float32, pool: ThreadPool, weight_decay: float) -> None:
        self._parameters, self._pool, self._weight_decay = parameters, pool, weight_decay
        self.state = {name: zeros(parameters.size) for name in ("m", "v")}

    def step(self, step: int, gradients: Float32, learning_rate: float, scale: float) -> None:
        """Implement `Optimizer.step`."""
        step_size = learning_rate / (1 - BETA1 ** (step + 1))
        inv_sqrt_bias_correction2 = 1 / math.sqrt(1 - BETA2 ** (step + 1))
        decay = 1 - learning_rate * self._weight_decay
        values = (scale, BETA1, BETA2, step_size, inv_sqrt_bias_correction2, EPSILON, decay)
        constants = tuple(map(np.float32, values))
        p, m, v = self._parameters, self.state["m"], self.state["v"]
        self._pool.parallel_for(p.size, lambda low, high: adamw(low, high, p, gradients, m, v, *constants), _BLOCK)


OPTIMIZERS: dict[str, Callable[[Float32, ThreadPool, float], Optimizer]] = {"adamw": AdamW}
