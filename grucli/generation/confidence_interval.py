"""The confidence interval of a measured mean."""

import math

import numpy as np
from numpy.typing import NDArray

_Z_95 = 1.959964  # standard errors on each side of the mean in a 95 % interval


def mean_interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the 95 % confidence interval of the mean of values [n] by normal theory, None for fewer than two."""
    if len(values) < 2:
        return None
    mean, half_width = float(values.mean()), _Z_95 * float(values.std(ddof=1)) / math.sqrt(len(values))
    return mean - half_width, mean + half_width


def student_interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the 95 % confidence interval of the mean of values [n] by Student's t, None for fewer than two.

    For few values, whose standard deviation is itself uncertain.
    """
    if len(values) < 2:
        return None
    errors = student_t(0.95, len(values) - 1)
    mean, half_width = float(values.mean()), errors * float(values.std(ddof=1)) / math.sqrt(len(values))
    return mean - half_width, mean + half_width


def student_t(confidence: float, degrees: int) -> float:
    """Return t such that Student's distribution of so many degrees of freedom has `confidence` within ±t.

    By bisection of the angle arctan(t / √degrees), of which the probability is a finite sum
    (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).
    """
    low, high = 0.0, math.pi / 2
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if _share_within(middle, degrees) < confidence else (low, middle)
    return math.sqrt(degrees) * math.tan(low)


def _share_within(angle: float, degrees: int) -> float:
    is_odd = degrees % 2 == 1
    term, total = math.cos(angle) if is_odd else 1.0, 0.0
    for power in range(2 if is_odd else 1, degrees, 2):
        total += term
        term *= math.cos(angle) ** 2 * power / (power + 1)
    share = math.sin(angle) * total
    return 2 / math.pi * (angle + share) if is_odd else share
