"""The learning rate of a step, and how many steps a run of so many minutes has.

Warm-up and cosine decay (Loshchilov and Hutter 2017, arXiv:1608.03983). Both are functions of the step and of a
horizon in steps: a run that is stopped and resumed sees the same rates. A run that is limited by minutes has no
horizon until its first steps have been timed; from then on it is a number like any other, kept in the checkpoint.
"""

import math
import statistics

WARM_UP = 100
"""Steps in which the rate rises, in a run long enough for them."""

FLOOR = 0.02
"""The share of the full rate that is left at the end."""


LEAST_DROPOUT, MOST_DROPOUT, DROPOUT_AN_EPOCH = 0.05, 0.5, 0.05


def rate(step: int, horizon: int | None, peak: float) -> float:
    """The learning rate of `step` (from 0) in a run of `horizon` steps, or of a length not yet known."""
    warm_up = WARM_UP if horizon is None else max(1, min(WARM_UP, horizon // 10))
    if step < warm_up:
        return peak * (step + 1) / warm_up
    if horizon is None:
        return peak
    progress = min(1.0, (step - warm_up) / max(1, horizon - warm_up))
    return peak * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * progress)))


def dropout_for(epochs: float) -> float:
    """The share to drop in a run that sees its corpus so many times.

    Text that is seen once or twice cannot be learned by heart, and dropping then only slows learning down; after ten
    times most of what is learned is the corpus itself. The line between was found on held-out text.
    """
    return min(MOST_DROPOUT, max(LEAST_DROPOUT, DROPOUT_AN_EPOCH * epochs))


class Stopwatch:
    """Times the first steps of a run, until they say how many more fit into `budget` seconds.

    What is measured is a share of the budget, a few seconds at most. The first steps find caches cold and do not count.
    """

    _COLD, _LEAST, _SHARE, _LONGEST = 3, 8, 0.03, 5.0

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._times: list[float] = []

    def more_steps(self, seconds: float) -> int | None:
        """Note a step of so many seconds; the steps that are left, once that can be told."""
        self._times.append(seconds)
        spent = sum(self._times)
        warm = self._times[self._COLD :]
        enough = len(warm) >= self._LEAST and spent >= min(self._LONGEST, self._SHARE * self._budget)
        if not enough and spent < self._budget:
            return None
        typical = statistics.median(warm or self._times)
        return max(0, int((self._budget - spent) / typical))
