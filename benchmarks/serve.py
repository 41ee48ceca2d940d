"""The rounds of a worker, a process that `benchmarks.runner.measure` starts.

It prepares, prints "ready", and for each line it reads works for about a second and prints its units a second.
"""

import sys
import time
from collections.abc import Callable

MIN_SECONDS = 1.0


def serve(run_workload: Callable[[], int]) -> None:
    """Warm up, then serve rounds until standard input ends."""
    run_workload()
    run_workload()
    print("ready", flush=True)
    for _ in sys.stdin:
        units, started_at = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started_at) < MIN_SECONDS:
            units += run_workload()
        print(units / elapsed, flush=True)
