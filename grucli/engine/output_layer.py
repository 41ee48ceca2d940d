"""Output layer: logits of the highest layer's states, softmax cross-entropy, and the gradients of both.

Each block of rows is computed completely while its logits are in the cache.
"""

import math
from abc import ABC, abstractmethod
from itertools import chain

import numpy as np

from grucli.engine.matmul import MatmulBackend, RowProduct
from grucli.engine.thread_pool import ThreadPool
from grucli.kernels import loss
from grucli.kernels.arrays import Float32, empty
from grucli.kernels.loss import Ids
from grucli.kernels.microkernel import MR
from grucli.model.parameters import Parameters

_MAX_LOGITS_PER_BLOCK = 1 << 18  # float32, 1 MB: they stay in the second-level cache
_MIN_LOGIT_ROWS = 4 * MR  # with fewer rows per block the weights are read too often


class OutputLayer(ABC):
    """Loss of states s [N, H] for targets [N]: logits are `features` [N, K] times a matrix [K, V], plus a bias."""

    def __init__(self, parameters: Parameters, N: int, backend: MatmulBackend, pool: ThreadPool) -> None:
        self._parameters, self._backend, self._pool, self._N = parameters, backend, pool, N
        self._V = parameters.sizes.V
        self._logits = empty(0, self._V)  # [N, V], allocated by the first `backward`
        self._block_rows = max(_MIN_LOGIT_ROWS, _MAX_LOGITS_PER_BLOCK // self._V // MR * MR)

    @abstractmethod
    def _features(self, s: Float32) -> Float32:
        """Return what is multiplied, [N, K]."""

    @abstractmethod
    def _product(self) -> RowProduct:
        """Return the product with the matrix [K, V]."""

    @abstractmethod
    def _transposed_product(self) -> RowProduct:
        """Return the product with the transpose of that matrix."""

    @abstractmethod
    def _d_features(self, ds: Float32) -> Float32:
        """Return the array for the gradient of the features, [N, K]; ds [N, H] is that of the states."""

    @abstractmethod
    def _backward(self, s: Float32, d_logits: Float32, gradients: Parameters, ds: Float32) -> None:
        """Compute ds and the gradients of all parameters but the bias, after `_d_features` was filled."""

    def losses(self, s: Float32, targets: Ids) -> Float32:
        """Return the nats of each target, float32 [N]."""
        features, bias, product = self._features(s), self._parameters.views["out.b"], self._product()
        nats = empty(self._N)

        def task(low: int, high: int) -> None:
            logits = empty(self._block_rows, self._V)
            for start in range(low, high, self._block_rows):
                rows = slice(start, min(start + self._block_rows, high))
                n = rows.stop - start
                product(features[rows], logits[:n])
                loss.cross_entropy(logits[:n], bias, targets[rows], nats[rows])

        self._pool.parallel_for(self._N, task, self._block_rows)
        return nats

    def backward(self, s: Float32, targets: Ids, gradients: Parameters, ds: Float32) -> float:
        """Return Σ nats. The gradients of the mean go to `gradients` and to ds [N, H]."""
        bias, d_features, features = self._parameters.views["out.b"], self._d_features(ds), self._features(s)
        product, transposed_product = self._product(), self._transposed_product()
        if len(self._logits) == 0:
            self._logits = empty(self._N, self._V)
        sums = empty(-(-self._N // self._block_rows), self._V)

        def task(low: int, high: int) -> list[float]:
            nats, scale = [], np.float32(1.0 / self._N)
            for start in range(low, high, self._block_rows):
                rows = slice(start, min(start + self._block_rows, high))
                logits = self._logits[rows]
                product(features[rows], logits)
                nats.append(loss.cross_entropy_gradient(logits, bias, targets[rows], scale))
                loss.column_sums(0, self._V, logits, 0, sums[start // self._block_rows])
                transposed_product(logits, d_features[rows])
            return nats

        nats = math.fsum(chain.from_iterable(self._pool.parallel_for(self._N, task, self._block_rows)))
        loss.column_sums(0, self._V, sums, 0, gradients.views["out.b"])
        self._backward(s, self._logits, gradients, ds)
        return nats


class LinearOutput(OutputLayer):
    """logits = s W + b."""

    def _features(self, s: Float32) -> Float32:
        return s

    def _product(self) -> RowProduct:
        return self._backend.pack(self._parameters.views["out.W"])

    def _transposed_product(self) -> RowProduct:
        return self._backend.pack_transposed(self._parameters.views["out.W"])

    def _d_features(self, ds: Float32) -> Float32:
        return ds

    def _backward(self, s: Float32, d_logits: Float32, gradients: Parameters, ds: Float32) -> None:
        self._backend.matmul_tn(s, d_logits, gradients.views["out.W"])


class TiedOutput(OutputLayer):
    """logits = (s P) embeddingᵀ + b: the output shares the embedding (Press and Wolf 2017, arXiv:1608.05859)."""

    def __init__(self, parameters: Parameters, N: int, backend: MatmulBackend, pool: ThreadPool) -> None:
        super().__init__(parameters, N, backend, pool)
        self._projected, self._d_projected = empty(N, parameters.sizes.E), empty(0, parameters.sizes.E)

    def _features(self, s: Float32) -> Float32:
        self._backend.matmul(s, self._backend.pack(self._parameters.views["out.P"]), self._projected)
        return self._projected

    def _product(self) -> RowProduct:
        return self._backend.pack_transposed(self._parameters.views["embedding"])

    def _transposed_product(self) -> RowProduct:
        return self._backend.pack(self._parameters.views["embedding"])

    def _d_features(self, ds: Float32) -> Float32:
        if len(self._d_projected) == 0:
            self._d_projected = empty(*self._projected.shape)
        return self._d_projected

    def _backward(self, s: Float32, d_logits: Float32, gradients: Parameters, ds: Float32) -> None:
        backend, d = self._backend, gradients.views
        backend.matmul_tn(d_logits, self._projected, d["embedding"])
        backend.matmul_tn(s, self._d_projected, d["out.P"])
        backend.matmul(self._d_projected, backend.pack_transposed(self._parameters.views["out.P"]), ds)
