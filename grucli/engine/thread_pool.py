"""Thread pool for the kernels, which release the GIL, as BLAS does.

BLAS is limited to one thread: its own pool spins after every call and takes the cores from the next kernel.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

from grucli.errors import UsageError
from grucli.limits import physical_cores

T = TypeVar("T")


class ThreadPool:
    """A pool of `threads`, including the calling one; None: one per physical core.

    Raises:
        UsageError: fewer than one thread.
    """

    def __init__(self, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise UsageError(f"--threads is {threads}", "--threads takes a whole number from 1 up")
        self.threads = threads or physical_cores()
        self._executor = ThreadPoolExecutor(self.threads - 1, "gru") if self.threads > 1 else None
        self._blas_limit = threadpool_limits(1, user_api="blas")

    def parallel_for(self, total: int, fn: Callable[[int, int], T], grain_size: int = 1) -> list[T]:
        """Return fn(low, high) for consecutive ranges of 0 … total, whose lengths are multiples of `grain_size`."""
        num_grains = -(-total // grain_size)
        num_ranges = min(self.threads, num_grains)
        if self._executor is None or num_ranges <= 1:
            return [fn(0, total)]
        bounds = [min(total, grain_size * (num_grains * k // num_ranges)) for k in range(num_ranges + 1)]
        futures = [self._executor.submit(fn, bounds[k], bounds[k + 1]) for k in range(1, num_ranges)]
        first = fn(bounds[0], bounds[1])
        return [first, *(other.result() for other in futures)]
