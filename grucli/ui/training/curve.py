"""Loss curves in block characters of eight levels.

Steps are binned by a power of two; when all bins are used, neighbors merge. A column only changes when they do, and
memory does not grow with the length of the run.
"""

import itertools
import math
from collections.abc import Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII_BLOCKS = " ..::-=+#"
_MAX_BINS = 512


class Curve:
    """The mean of a quantity over intervals of equal length, from the first step that was added."""

    def __init__(self) -> None:
        self.first: int | None = None
        """The first step that was added."""
        self._stride = 1
        self._sums: list[float] = []
        self._counts: list[int] = []

    def add(self, step: int, value: float) -> None:
        """Add the value at `step`; steps come in order. Values that are not finite are ignored."""
        if not math.isfinite(value):
            return
        if self.first is None:
            self.first = step
        while (step - self.first) // self._stride >= _MAX_BINS:
            self._downsample()
        index = (step - self.first) // self._stride
        missing = index + 1 - len(self._sums)
        self._sums += [0.0] * missing
        self._counts += [0] * missing
        self._sums[index] += value
        self._counts[index] += 1

    def columns(self, width: int, first: int, last: int, stretch: bool = False) -> list[float | None]:
        """Return the values of at most `width` columns for the steps `first` to `last`.

        Gaps are interpolated, columns before the first value are None, those after the last are omitted. `stretch`
        fills the whole width, for a curve that is complete: its columns change with `last`.
        """
        if self.first is None or width < 1:
            return []
        stride = max((last - first + 1) / width, 1.0) if stretch else _steps_per_column(width, last - first)
        sums = [0.0] * width
        counts = [0] * width
        for index, count in enumerate(self._counts):
            column = int((self.first + index * self._stride - first) // stride)
            if count and 0 <= column < width:
                sums[column] += self._sums[index]
                counts[column] += count
        return _interpolate({column: sums[column] / count for column, count in enumerate(counts) if count})

    def _downsample(self) -> None:
        self._sums = [sum(self._sums[i : i + 2]) for i in range(0, len(self._sums), 2)]
        self._counts = [sum(self._counts[i : i + 2]) for i in range(0, len(self._counts), 2)]
        self._stride *= 2


def render_columns(
    values: Sequence[float | None], low: float, high: float, rows: int, blocks: str = BLOCKS
) -> list[str]:
    """Return `rows` lines, top first, with a column per value: full height at `high`, one level at `low`.

    Values outside are clipped; None is an empty column.
    """
    levels = len(blocks) - 1
    top, span = rows * levels - 1, high - low if high > low else math.inf  # one divided by the span may be infinite
    heights = [0 if value is None else 1 + round((min(max(value, low), high) - low) / span * top) for value in values]
    return [
        "".join(blocks[min(max(height - row * levels, 0), levels)] for height in heights)
        for row in reversed(range(rows))
    ]


def y_range(*series: Sequence[float | None]) -> tuple[float, float]:
    """Return the range to show; the steep drop of the first columns may be clipped."""
    known = [values for each in series if (values := [value for value in each if value is not None])]
    if not known:
        return 0.0, 0.0
    return min(map(min, known)), max(max(values[min(len(values) // 12, 4) :]) for values in known)


def _steps_per_column(width: int, steps: int) -> int:
    """Return the smallest power of two of steps per column with which `steps` fit into `width` columns."""
    stride = 1
    while steps // stride >= width:
        stride *= 2
    return stride


def _interpolate(known: dict[int, float]) -> list[float | None]:
    columns = sorted(known)
    if not columns:
        return []
    values: list[float | None] = [None] * columns[0] + [known[columns[0]]]
    for before, after in itertools.pairwise(columns):
        slope = (known[after] - known[before]) / (after - before)
        values += [known[before] + slope * distance for distance in range(1, after - before)]
        values.append(known[after])
    return values
