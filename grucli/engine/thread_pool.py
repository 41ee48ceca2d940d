"""The threads that share a step's work, each on rows or columns of its own.

Kernels and BLAS release Python's lock, so plain threads suffice. BLAS is held to one thread in each of ours: its own
pool would spin after every call and take the processor from the kernel that comes next.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from threadpoolctl import threadpool_limits

from grucli.errors import UsageError

T = TypeVar("T")


def default_threads() -> int:
    """The physical cores this process may run on, as far as the system tells: two threads of one share its vectors."""
    if hasattr(os, "sched_getaffinity"):
        return len({_siblings(cpu) for cpu in os.sched_getaffinity(0)})
    return os.cpu_count() or 1


def _siblings(cpu: int) -> str:
    """The processors, `cpu` among them, that are one core; itself alone where Linux does not say."""
    try:
        return Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text(encoding="ascii")
    except (OSError, ValueError):
        return str(cpu)


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
        if self._pool is None or shares <= 1:
            return [work(0, total)]
        bounds = [min(total, grain * (pieces * k // shares)) for k in range(shares + 1)]
        others = [self._pool.submit(work, bounds[k], bounds[k + 1]) for k in range(1, shares)]
        first = work(bounds[0], bounds[1])
        return [first, *(other.result() for other in others)]
