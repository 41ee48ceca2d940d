"""Several curves in one plot: braille dots in the color of each curve, or a letter for each without color."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.text import Text

STYLES = ("magenta", "cyan", "yellow", "green", "blue", "red", "white")
MARKS = "abcdefghijklmnopqrstuvwxyz"

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # bits of the dots of a character, by column and row
_BRAILLE = 0x2800
_SKIPPED_SHARE = 0.1  # of the curve: its steep beginning may be clipped

Line = Sequence[tuple[float, float]]
"""Points (x, y) with ascending x."""


@dataclass(frozen=True, slots=True)
class PlotRange:
    """The range of a plot: x from 0 to `x_max`, y from `low` to `high`."""

    x_max: float
    low: float
    high: float


def range_of(curves: Mapping[str, Sequence[Line]], x_max: float) -> PlotRange | None:
    """Return the range that shows all curves but their steep beginnings; None without points."""
    points = [point for lines in curves.values() for line in lines for point in line]
    if not points:
        return None
    start = _SKIPPED_SHARE * max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for x, y in points if x >= start)
    return PlotRange(max(x_max, 1e-9), low, max(high, low + 1e-3))


def render_plot(
    curves: Mapping[str, Sequence[Line]], shown: PlotRange, width: int, rows: int, *, in_color: bool
) -> list[Text]:
    """Return `rows` lines of `width` columns. curves: the lines of each name; the later ones are drawn over.

    `in_color` draws braille dots in the styles of `STYLES`; else each name has a letter of `MARKS`, in their order.
    """
    columns_per_char, rows_per_char = (2, 4) if in_color else (1, 1)
    dots: dict[tuple[int, int], int] = {}
    owners: dict[tuple[int, int], int] = {}
    for index, lines in enumerate(curves.values()):
        for line in lines:
            for column, row in _rasterize(line, shown, width * columns_per_char, rows * rows_per_char):
                cell = column // columns_per_char, row // rows_per_char
                dots[cell] = dots.get(cell, 0) | _DOTS[column % columns_per_char][row % rows_per_char]
                owners[cell] = index
    plot = []
    for row in range(rows):
        line_text = Text()
        for column in range(width):
            owner = owners.get((column, row))
            if owner is None:
                line_text.append(" ")
            elif in_color:
                line_text.append(chr(_BRAILLE + dots[column, row]), STYLES[owner % len(STYLES)])
            else:
                line_text.append(MARKS[owner % len(MARKS)])
        plot.append(line_text)
    return plot


def _rasterize(line: Line, shown: PlotRange, columns: int, rows: int) -> Iterator[tuple[int, int]]:
    """Yield the column and the row, from the top, of each dot of a line; what is outside is clipped to the edge."""

    def place(x: float, y: float) -> tuple[float, float]:
        height = (min(max(y, shown.low), shown.high) - shown.low) / (shown.high - shown.low)
        return min(x / shown.x_max, 1.0) * (columns - 1), (1 - height) * (rows - 1)

    placed = [place(x, y) for x, y in line]
    if len(placed) == 1:
        yield round(placed[0][0]), round(placed[0][1])
    for (x, y), (next_x, next_y) in pairwise(placed):
        dots = max(round(abs(next_x - x)), round(abs(next_y - y)), 1)
        for dot in range(dots + 1):
            yield round(x + (next_x - x) * dot / dots), round(y + (next_y - y) * dot / dots)
