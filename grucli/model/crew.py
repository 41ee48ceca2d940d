"""The threads that share a step's work, each on rows or columns of its own.

Kernels and BLAS release Python's lock, so plain threads suffice. BLAS is held to one thread in each of ours: its own
pool would spin after every call and take the processor from the kernel that comes next.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from grucli.errors import UsageError
from grucli.kernels.arrays import Float32

T = TypeVar("T")

_SMALL = 1 << 18  # multiply-adds below which a product is not worth a hand-off to another thread


def default_threads() -> int:
    """The cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Crew:
    """`threads` workers, the caller being one of them.

    Raises:
        UsageError: fewer than one thread.
    """

    def __init__(self, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise UsageError(f"--threads is {threads}", "--threads takes a whole number from 1 up")
        self.threads = threads or default_threads()
        self._pool = ThreadPoolExecutor(self.threads - 1, "gru") if self.threads > 1 else None
        self._blas = threadpool_limits(1, user_api="blas")

    def share(self, total: int, work: Callable[[int, int], T], grain: int = 1) -> list[T]:
        """Call work(low, high) for ranges that make up 0 … total, in multiples of `grain`; results in order."""
        pieces = -(-total // grain)
        shares = min(self.threads, pieces)
        bounds = [min(total, grain * (pieces * k // shares)) for k in range(shares + 1)]
        if self._pool is None or shares == 1:
            return [work(0, total)]
        others = [self._pool.submit(work, bounds[k], bounds[k + 1]) for k in range(1, shares)]
        first = work(bounds[0], bounds[1])
        return [first, *(other.result() for other in others)]

    def multiply(self, a: Float32, b: Float32, out: Float32) -> None:
        """out = a @ b; a [N, K], b [K, M], out [N, M]. Each thread makes rows of it, or columns when those are more."""
        N, M = out.shape
        if N * M * a.shape[1] < _SMALL:
            _multiply(a, b, out)
        elif N >= M:
            self.share(N, lambda low, high: _multiply(a[low:high], b, out[low:high]), grain=16)
        else:
            self.share(M, lambda low, high: _multiply(a, b[:, low:high], out[:, low:high]), grain=16)


def _multiply(a: Float32, b: Float32, out: Float32) -> None:
    # Numbers that are not finite show in the loss, where training looks for them, not as a warning on the way.
    with np.errstate(all="ignore"):
        np.matmul(a, b, out=out)
