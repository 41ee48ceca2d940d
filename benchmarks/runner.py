"""Two or more sides in turn, several rounds, and what their figures say."""

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """One side's figures, a round each, in units of its kind a second."""

    name: str
    rates: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.rates)


@dataclass(frozen=True)
class Ratio:
    """How many times as fast one side was as another, round by round."""

    median: float
    min: float
    max: float


def compare(side: Measurement, other: Measurement) -> Ratio:
    """`side` over `other`."""
    ratios = [a / b for a, b in zip(side.rates, other.rates, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def _start_worker(kind: str, side: str, shape: str, module: str = "benchmarks.worker") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, kind, side, shape],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"},
    )


def peak_memory(kind: str, side: str, shape: str) -> int:
    """The most bytes a side had in memory, preparing included, after a round. POSIX only."""
    worker = _start_worker(kind, side, shape)
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write("go\n")
    worker.stdin.close()
    worker.stdout.read()
    _, _, usage = os.wait4(worker.pid, 0)
    worker.returncode = 0
    worker.stdout.close()
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(
    kind: str, sides: Sequence[str], shape: str, rounds: int, module: str = "benchmarks.worker"
) -> dict[str, Measurement]:
    """Start each side, wait until it is ready, and let them take turns, the order reversed every other round.

    Args:
        kind: what is measured.
        sides: the names of the sides.
        shape: what each side works on.
        rounds: the number of turns of each side.
        module: the worker: it is started with kind, side and shape, and answers as `benchmarks.serve`.
    """
    workers = {side: _start_worker(kind, side, shape, module) for side in sides}
    rates: dict[str, list[float]] = {side: [] for side in sides}
    try:
        for side, worker in workers.items():
            assert worker.stdout is not None
            if worker.stdout.readline().strip() != "ready":
                raise RuntimeError(f"{kind} {side} {shape} did not start")
        for round_index in range(rounds):
            for side in sides if round_index % 2 == 0 else reversed(sides):
                worker = workers[side]
                assert worker.stdin is not None
                assert worker.stdout is not None
                worker.stdin.write("go\n")
                worker.stdin.flush()
                rates[side].append(float(worker.stdout.readline()))
    finally:
        for worker in workers.values():
            worker.kill()
            worker.communicate()
    return {side: Measurement(side, tuple(rates[side])) for side in sides}
