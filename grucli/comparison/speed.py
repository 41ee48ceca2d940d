"""How many steps fit into a time: the cells are timed in turns, before the comparison."""

from collections.abc import Sequence

from grucli.training.schedule import StepTimer
from grucli.training.trainer import Trainer


def measure_steps(trainers: Sequence[Trainer], minutes: float) -> int:
    """Return how many steps the slowest of several networks does in `minutes`; they are trained a little for that.

    Raises:
        DivergedError: a loss is not finite.
    """
    timers, totals = [StepTimer(60 * minutes) for _ in trainers], [0] * len(trainers)
    taken = 0
    while not all(totals):
        taken += 1
        for index, trainer in enumerate(trainers):
            remaining = timers[index].remaining_steps(trainer.step().seconds)
            if remaining is not None and not totals[index]:
                totals[index] = taken + remaining
    return min(totals)
