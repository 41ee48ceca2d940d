"""The schedule of the learning rate, and how many steps fit into a time budget.

Linear warm-up and cosine decay (Loshchilov and Hutter 2017, arXiv:1608.03983), functions of the step and of the total
number of steps, so that a resumed run sees the same rates. A run limited by minutes has no such number until its first
steps have been timed; from then on it is kept in the checkpoint.
"""

import math
import statistics

WARMUP_STEPS = 100
"""Steps of warm-up in a run of at least ten times as many."""

MIN_LR_RATIO = 0.02
"""Final learning rate, as a fraction of the peak."""

MIN_DROPOUT, MAX_DROPOUT, DROPOUT_PER_EPOCH, DROPOUT_PER_STEP = 0.05, 0.5, 0.05, 0.0002
ADAPTED_MIN_DROPOUT, ADAPTED_DROPOUT_PER_EPOCH = 0.1, 0.1
DROPOUT_WITHOUT_EMBED, EMBED_DROPOUT_SLOPE = 0.25, 0.4


def learning_rate_at(step: int, total_steps: int | None, peak_lr: float) -> float:
    """Return the learning rate of `step` (from 0); `total_steps` is None while the length of the run is unknown."""
    warmup = WARMUP_STEPS if total_steps is None else max(1, min(WARMUP_STEPS, total_steps // 10))
    if step < warmup:
        return peak_lr * (step + 1) / warmup
    if total_steps is None:
        return peak_lr
    progress = min(1.0, (step - warmup) / max(1, total_steps - warmup))
    return peak_lr * (MIN_LR_RATIO + (1 - MIN_LR_RATIO) * 0.5 * (1 + math.cos(math.pi * progress)))


def default_dropout(epochs: float, steps: int, *, is_adapted: bool) -> float:
    """Return the dropout probability of a run of `epochs` epochs in `steps` steps, from scratch or from another model.

    Text seen once or twice cannot be memorized, and dropout then only slows learning down; with ten epochs most of what
    is learned is the corpus itself, unless they are so short that little is learned at all. A trained model memorizes a
    text sooner. The slopes were chosen on validation loss (`docs/recipes.md`).
    """
    if is_adapted:
        return min(MAX_DROPOUT, ADAPTED_MIN_DROPOUT + ADAPTED_DROPOUT_PER_EPOCH * epochs)
    return max(MIN_DROPOUT, min(MAX_DROPOUT, DROPOUT_PER_EPOCH * epochs, DROPOUT_PER_STEP * steps))


def default_embed_dropout(dropout: float, tokenizer: str) -> float:
    """Return the dropout probability of the embedding, for the probability of the layers' outputs.

    Characters gain from it after ten epochs, but not after five, and subwords not at all (`docs/recipes.md`).
    """
    return max(0.0, EMBED_DROPOUT_SLOPE * (dropout - DROPOUT_WITHOUT_EMBED)) if tokenizer == "char" else 0.0


class StepTimer:
    """Times the first steps of a run until it can tell how many fit into `budget_seconds`.

    Timing takes a fraction of the budget, a few seconds at most. The first steps run with cold caches and are skipped.
    """

    _SKIPPED_STEPS, _MIN_STEPS, _BUDGET_FRACTION, _MAX_SECONDS = 3, 8, 0.03, 5.0

    def __init__(self, budget_seconds: float) -> None:
        self._budget_seconds = budget_seconds
        self._times: list[float] = []

    def remaining_steps(self, seconds: float) -> int | None:
        """Record a step of `seconds`; return the number of steps that remain, or None while it is not known."""
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
