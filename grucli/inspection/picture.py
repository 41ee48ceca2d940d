"""The picture of an inspection as SVG: the text with its surprisal and gates, and the saturation; or the text colored
by a unit; or the reach.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from xml.sax.saxutils import escape

from grucli.inspection.reach import ModelReach
from grucli.inspection.report import InspectedToken, Inspection
from grucli.inspection.saturation import CLOSED, OPEN, Saturation
from grucli.svg import Chart, Line, Series, render_charts

_COLUMNS, _CHAR_WIDTH, _TEXT_HEIGHT, _STRIP_HEIGHT = 90, 9, 20, 6  # characters, pixels
_LEFT, _TOP, _WIDTH = 24, 88, 900
_LEVELS = 8
_MAX_BITS = 10.0
_LEAST_REACH = 1e-8
_PLOT, _PLOT_GAP = 240, 60
# Okabe and Ito 2008, told apart by people who are color-blind.
_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7")
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.mono{font:15px ui-monospace,monospace}.title{font-weight:600}"
    ".frame{fill:none;stroke:#8888}.bits,.low{fill:#d55e00}.high{fill:#56b4e9}"
    + "".join(f".g{index}{{fill:{color}}}" for index, color in enumerate(_COLORS))
    + "".join(f".l{level}{{fill-opacity:{level / (_LEVELS - 1):.2f}}}" for level in range(_LEVELS))
    + "svg{background:#fff}@media(prefers-color-scheme:dark){svg{background:#161616}text{fill:#ddd}"
    ".bits,.low{fill:#a84300}.high{fill:#0072b2}.g0{fill:#56b4e9}}"
)


def render_picture(inspection: Inspection, source: str, reach: Sequence[ModelReach]) -> str:
    """Return an SVG document: of the reach if it was measured, else of a unit if one was asked for, else of all."""
    if reach:
        return render_charts(list(_reach_charts(reach)))
    unit = inspection.unit
    rows = () if unit else inspection.saturation
    parts = list[str]()
    y = float(_TOP)
    for line in _lines(inspection.tokens):
        parts += _render_line(inspection, rows, line, y)
        y += _TEXT_HEIGHT + _STRIP_HEIGHT * len(rows) + 8
    parts += _render_saturation(rows, y + 30)
    height = y + (_PLOT + 110 if rows else 20)
    title = f"{inspection.model}: {inspection.cell}, {inspection.layers} x {inspection.hidden} units, on {source}"
    if unit:
        label = f"unit {unit.layer}:{unit.unit} after each token: blue above 0, orange below, full at 1 and -1"
    else:
        label = f"surprisal of each character, 0 to {_MAX_BITS:g} bits; below it, from 0 to 1: "
        label += ", ".join(f"{each.gate} of layer {each.layer}" for each in rows)
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" role="img"><style>{_STYLE}</style>',
        f'<title>{_text(title)}</title><text class="title" x="{_LEFT}" y="28">{_text(title)}</text>',
        f'<text x="{_LEFT}" y="52">{_text(label)}</text>',
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def _reach_charts(reach: Sequence[ModelReach]) -> Iterator[Chart]:
    series = []
    for model in reach:
        for layer in model.layers:
            name = f"{model.model} {layer.layer}" if len(model.layers) > 1 else model.model
            lower, median, upper = (_log(of) for of in (layer.lower, layer.median, layer.upper))
            series.append(Series(name, median, (lower, upper)))
    title = "Change of a state that is left: log10 of the median and of the quartiles"
    yield Chart(title, "tokens later", series, clips_start=False)


def _log(values: Sequence[float]) -> Line:
    return [(float(lag), math.log10(max(value, _LEAST_REACH))) for lag, value in enumerate(values, 1)]


def _lines(tokens: Sequence[InspectedToken]) -> Iterator[list[tuple[str, int]]]:
    """Yield the characters of each line with the indices of their tokens."""
    line: list[tuple[str, int]] = []
    for index, token in enumerate(tokens):
        for char in token.text:
            line.append((char, index))
            if char == "\n" or len(line) == _COLUMNS:
                yield line
                line = []
    if line:
        yield line


def _render_line(
    inspection: Inspection, rows: Sequence[Saturation], line: list[tuple[str, int]], y: float
) -> Iterator[str]:
    tokens = [inspection.tokens[index] for _, index in line]
    if inspection.unit:
        values = [inspection.unit.values[index] for _, index in line]
        yield from _strip(values, "high", y, _TEXT_HEIGHT)
        yield from _strip([-value for value in values], "low", y, _TEXT_HEIGHT)
    else:
        yield from _strip([token.bits / _MAX_BITS for token in tokens], "bits", y, _TEXT_HEIGHT)
    shown = _text("".join(char for char, _ in line).rstrip("\n").replace("\t", " "))
    yield f'<text class="mono" x="{_LEFT}" y="{y + 15:g}" xml:space="preserve">{shown}</text>'
    for row, each in enumerate(rows):
        values = [token.gates[each.gate][each.layer - 1] for token in tokens]
        color = f"g{list(inspection.gate_labels).index(each.gate) % len(_COLORS)}"
        yield from _strip(values, color, y + _TEXT_HEIGHT + _STRIP_HEIGHT * row, _STRIP_HEIGHT - 1)


def _strip(values: Sequence[float], color: str, y: float, height: int) -> Iterator[str]:
    levels = (min(max(round(value * (_LEVELS - 1)), 0), _LEVELS - 1) for value in values)
    begin = 0
    for level, run in groupby(levels):
        count = len(list(run))
        x, width = _LEFT + begin * _CHAR_WIDTH, count * _CHAR_WIDTH
        begin += count
        if level:
            yield f'<rect class="{color} l{level}" x="{x}" y="{y:g}" width="{width}" height="{height}"/>'


def _render_saturation(saturation: Sequence[Saturation], y: float) -> Iterator[str]:
    for layer in sorted({each.layer for each in saturation}):
        x = _LEFT + 30 + (layer - 1) * (_PLOT + _PLOT_GAP)
        gates = [each for each in saturation if each.layer == layer]
        yield f'<text class="title" x="{x}" y="{y - 8:g}">layer {layer}: how often gates are saturated</text>'
        yield f'<rect class="frame" x="{x}" y="{y:g}" width="{_PLOT}" height="{_PLOT}"/>'
        yield f'<text x="{x}" y="{y + _PLOT + 18:g}">share above {OPEN} →  (↑ share below {CLOSED})</text>'
        for index, each in enumerate(gates):
            yield from _dots(each, f"g{index % len(_COLORS)}", x, y)
            legend_x = x + index * _PLOT / len(gates)
            yield f'<circle class="g{index % len(_COLORS)}" cx="{legend_x + 5:g}" cy="{y + _PLOT + 36:g}" r="5"/>'
            yield f'<text x="{legend_x + 16:g}" y="{y + _PLOT + 40:g}">{_text(each.gate)}</text>'


def _dots(saturation: Saturation, color: str, x: float, y: float) -> Iterator[str]:
    for closed, opened in zip(saturation.closed, saturation.open, strict=True):
        cx, cy = x + opened * _PLOT, y + (1 - closed) * _PLOT
        yield f'<circle class="{color}" fill-opacity=".5" cx="{cx:.1f}" cy="{cy:.1f}" r="3"/>'


def _text(text: str) -> str:
    """Return text for XML, in which other control characters cannot stand."""
    return escape("".join(char if char.isprintable() or char == " " else "·" for char in text))
