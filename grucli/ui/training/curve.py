"""A loss curve of any length in a chart of any width, drawn in block characters of eight levels.

The steps lie in bins of a power of two; when a chart is full, neighbours merge and the curve fills its right half
anew. So a column never changes between two merges, and an hour's run needs no more memory than a minute's.
"""

import itertools
import math
from collections.abc import Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII_BLOCKS = " ..::-=+#"
_MAX_BINS = 512


class Curve:
    """The mean of a quantity over equal stretches of steps, counted from the first step that was added."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._stride = 1
        self._sums: list[float] = []
        self._counts: list[int] = []

    def add(self, step: int, value: float) -> None:
        """Take the value seen at `step`; steps come in order. What is not finite is left out."""
        if not math.isfinite(value):
            return
        if self._first is None:
            self._first = step
        while (step - self._first) // self._stride >= _MAX_BINS:
            self._downsample()
        index = (step - self._first) // self._stride
        missing = index + 1 - len(self._sums)
        self._sums += [0.0] * missing
        self._counts += [0] * missing
        self._sums[index] += value
        self._counts[index] += 1

    @property
    def first(self) -> int | None:
        """The first step that was added."""
        return self._first

    def columns(self, width: int, first: int, last: int, stretch: bool = False) -> list[float | None]:
        """Give the values of at most `width` columns that span the steps `first` to `last`.

        Gaps are bridged by a straight line, columns before the first value are None, those after the last are left out.
        `stretch` fills the whole width, which is for a curve that grows no more: its columns change with `last`.
        """
        if self._first is None or width < 1:
            return []
        stride = max((last - first + 1) / width, 1.0) if stretch else _steps_per_column(width, last - first)
        sums = [0.0] * width
        counts = [0] * width
        for index, count in enumerate(self._counts):
            column = int((self._first + index * self._stride - first) // stride)
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
    """Draw each value as a column that stands `rows` characters high at `high` and a sliver at `low`, top row first.

    What lies outside is drawn at the edge it passed; None is an empty column.
    """
    levels = len(blocks) - 1
    scale = (rows * levels - 1) / (high - low) if high > low else 0.0
    heights = [0 if value is None else 1 + round((min(max(value, low), high) - low) * scale) for value in values]
    return [
        "".join(blocks[min(max(height - row * levels, 0), levels)] for height in heights)
        for row in reversed(range(rows))
    ]


def y_range(*series: Sequence[float | None]) -> tuple[float, float]:
    """Give the lowest value and the highest one worth showing: the plunge of the first columns may leave the chart."""
    known = [values for each in series if (values := [value for value in each if value is not None])]
    if not known:
        return 0.0, 0.0
    return min(map(min, known)), max(max(values[min(len(values) // 12, 4) :]) for values in known)


def _steps_per_column(width: int, steps: int) -> int:
    """Give the smallest power of two of steps a column must stand for, so that `steps` fit into `width` columns."""
    stride = 1
    while steps // stride >= width:
        stride *= 2
    return stride


def _interpolate(known: dict[int, float]) -> list[float | None]:
    """Draw straight lines between the columns that are known."""
    columns = sorted(known)
    if not columns:
        return []
    values: list[float | None] = [None] * columns[0] + [known[columns[0]]]
    for before, after in itertools.pairwise(columns):
        slope = (known[after] - known[before]) / (after - before)
        values += [known[before] + slope * distance for distance in range(1, after - before)]
        values.append(known[after])
    return values
