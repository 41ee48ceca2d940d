"""The learning rate of a step, and how many steps a run of so many minutes has.

Warm-up and cosine decay (Loshchilov and Hutter 2017, arXiv:1608.03983). Both are functions of the step and of a
horizon in steps: a run that is stopped and resumed sees the same rates. A run that is limited by minutes has no
horizon until its first steps have been timed; from then on it is a number like any other, kept in the checkpoint.
"""

import math
import statistics

WARMUP_STEPS = 100
"""Steps in which the rate rises, in a run long enough for them."""

MIN_LR_RATIO = 0.02
"""The share of the full rate that is left at the end."""


MIN_DROPOUT, MAX_DROPOUT, DROPOUT_PER_EPOCH = 0.05, 0.5, 0.05


def learning_rate_at(step: int, total_steps: int | None, peak_lr: float) -> float:
    """The learning rate of `step` (from 0) in a run of `horizon` steps, or of a length not yet known."""
    warmup = WARMUP_STEPS if total_steps is None else max(1, min(WARMUP_STEPS, total_steps // 10))
    if step < warmup:
        return peak_lr * (step + 1) / warmup
    if total_steps is None:
        return peak_lr
    progress = min(1.0, (step - warmup) / max(1, total_steps - warmup))
    return peak_lr * (MIN_LR_RATIO + (1 - MIN_LR_RATIO) * 0.5 * (1 + math.cos(math.pi * progress)))


def default_dropout(epochs: float) -> float:
    """The share to drop in a run that sees its corpus so many times.

    Text that is seen once or twice cannot be learned by heart, and dropping then only slows learning down; after ten
    times most of what is learned is the corpus itself. The line between was found on held-out text.
    """
    return min(MAX_DROPOUT, max(MIN_DROPOUT, DROPOUT_PER_EPOCH * epochs))


class StepTimer:
    """Times the first steps of a run, until they say how many more fit into `budget` seconds.

    What is measured is a share of the budget, a few seconds at most. The first steps find caches cold and do not count.
    """

    _SKIPPED_STEPS, _MIN_STEPS, _BUDGET_FRACTION, _MAX_SECONDS = 3, 8, 0.03, 5.0

    def __init__(self, budget_seconds: float) -> None:
        self._budget_seconds = budget_seconds
        self._times: list[float] = []

    def remaining_steps(self, seconds: float) -> int | None:
        """Note a step of so many seconds; the steps that are left, once that can be told."""
        self._times.append(seconds)
        spent = sum(self._times)
        warm = self._times[self._SKIPPED_STEPS :]
        enough = len(warm) >= self._MIN_STEPS and spent >= min(
            self._MAX_SECONDS, self._BUDGET_FRACTION * self._budget_seconds
        )
        if not enough and spent < self._budget_seconds:
            return None
        median_seconds = statistics.median(warm or self._times)
        return max(0, int((self._budget_seconds - spent) / median_seconds))
