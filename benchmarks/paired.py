"""Two or more sides in turn, several rounds, and what their figures say."""

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Side:
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
    least: float
    most: float


def ratio(side: Side, other: Side) -> Ratio:
    """`side` over `other`."""
    ratios = [a / b for a, b in zip(side.rates, other.rates, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def measure(kind: str, sides: Sequence[str], shape: str, rounds: int) -> dict[str, Side]:
    """Start each side, wait until it is ready, and let them take turns, the order reversed every other round."""
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
    workers = {
        side: subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sides", kind, side, shape],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for side in sides
    }
    rates: dict[str, list[float]] = {side: [] for side in sides}
    try:
        for side, worker in workers.items():
            assert worker.stdout is not None
            if worker.stdout.readline().strip() != "ready":
                raise RuntimeError(f"{kind} {side} {shape} did not start")
        for turn in range(rounds):
            for side in sides if turn % 2 == 0 else reversed(sides):
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
    return {side: Side(side, tuple(rates[side])) for side in sides}
