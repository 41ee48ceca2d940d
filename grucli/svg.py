"""Line charts as SVG, one below the other, readable on light and dark backgrounds. Imports no other module."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

Line = Sequence[tuple[float, float]]
"""Points (x, y) with ascending x."""

_WIDTH, _HEIGHT = 720, 380  # pixels of one chart
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 100, 36, 46  # its margins; the labels of the lines are on the right
_TICKS = 8
_LABEL_HEIGHT = 16
_CLIPPED_SHARE = 0.1  # of the x axis: a steep beginning may be clipped
# Okabe and Ito 2008, told apart by people who are color-blind; light and dark.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#5f5f5f")
_DARK_COLORS = ("#56b4e9", "#ff8c42", "#2fc99a", "#e59cc4", "#f0e442", "#8ecdf2", "#b0b0b0")


@dataclass(frozen=True, slots=True)
class Series:
    """Lines of one color: thin ones, and a `mean` that is drawn over them and labeled."""

    label: str
    mean: Line
    lines: Sequence[Line] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart; series without points are not drawn. `clips_start`: a steep beginning may be cut off."""

    title: str
    x_label: str
    series: Sequence[Series]
    clips_start: bool = True


def render_charts(charts: Sequence[Chart]) -> str:
    """Return an SVG document."""
    height = _HEIGHT * len(charts)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">', _style()]
    for index, chart in enumerate(charts):
        parts += [f'<g transform="translate(0 {index * _HEIGHT})">', *_render(chart), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _style() -> str:
    def rules(colors: Sequence[str], ink: str, paper: str) -> str:
        lines = "".join(f".s{n}{{stroke:{color};fill:{color}}}" for n, color in enumerate(colors))
        return f"svg{{background:{paper}}}text{{fill:{ink}}}.grid{{stroke:{ink};stroke-opacity:.15}}{lines}"

    return (
        "<style>text{font:13px system-ui,sans-serif}.title{font-weight:600}polyline{fill:none!important;"
        "stroke-width:2.5;stroke-linejoin:round}.thin{stroke-width:1;stroke-opacity:.45}.label{stroke:none}"
        f"{rules(_COLORS, '#222', '#fff')}@media(prefers-color-scheme:dark){{{rules(_DARK_COLORS, '#ddd', '#161616')}}}"
        "</style>"
    )


def _render(chart: Chart) -> Iterator[str]:
    yield f'<text class="title" x="{_LEFT}" y="20">{escape(chart.title)}</text>'
    drawn = [(index, series) for index, series in enumerate(chart.series) if series.mean]
    if not drawn:
        return
    axes = _Axes([line for _, series in drawn for line in (series.mean, *series.lines)], chart.clips_start)
    yield from axes.grid(chart.x_label)
    for index, series in drawn:
        color = f"s{index % len(_COLORS)}"
        for line in series.lines:
            yield axes.polyline(line, f"thin {color}")
        yield axes.polyline(series.mean, color)
    yield from _labels(drawn, axes)


def _labels(drawn: Sequence[tuple[int, Series]], axes: "_Axes") -> Iterator[str]:
    """Yield the label of each series at the end of its mean, moved down where it would cover another one."""
    y = 0.0
    for index, series in sorted(drawn, key=lambda each: -each[1].mean[-1][1]):
        y = max(y + _LABEL_HEIGHT, axes.y(series.mean[-1][1]) + 4)
        label = escape(series.label)
        yield f'<text class="label s{index % len(_COLORS)}" x="{_WIDTH - _RIGHT + 8}" y="{y:.1f}">{label}</text>'


class _Axes:
    """Places the points of a chart."""

    def __init__(self, lines: Sequence[Line], clips_start: bool) -> None:
        points = [point for line in lines for point in line]
        last = max(x for x, _ in points)
        self._x_max = max(last, 1e-9)
        self._low = min(y for _, y in points)
        self._high = max(y for x, y in points if not clips_start or x >= _CLIPPED_SHARE * last)
        if self._high - self._low < 1e-9:
            self._high = self._low + 1

    def x(self, value: float) -> float:
        return _LEFT + value / self._x_max * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (min(max(value, self._low), self._high) - self._low) / (self._high - self._low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def polyline(self, line: Line, css_class: str) -> str:
        points = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in line)
        return f'<polyline class="{css_class}" points="{points}"/>'

    def grid(self, x_label: str) -> Iterator[str]:
        left, right, bottom = _LEFT, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        for value in _ticks(self._low, self._high):
            y = self.y(value)
            yield f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        for value in _ticks(0, self._x_max):
            x = self.x(value)
            yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>'
            yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{value:,g}</text>'
        yield f'<text x="{(left + right) / 2}" y="{bottom + 38}" text-anchor="middle">{escape(x_label)}</text>'


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers from `low` to `high`, at most `_TICKS` or so of them."""
    raw = (high - low) / _TICKS
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 12) for index in range(first, math.floor(high / step + 1e-9) + 1)]
