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
