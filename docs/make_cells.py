"""Draws each cell as docs/cells/NAME.svg, from the equations in the docstring of its module.

    python docs/make_cells.py

Boxes are what an equation defines, with its function; a thick line is a product with a matrix, a thin one goes unit by
unit. Biases are left out. The nodes are in layers, ordered to cross few lines (Sugiyama 1981, doi:10.1109/TSMC.1981.
4308636).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from importlib import import_module
from itertools import pairwise, permutations
from pathlib import Path
from statistics import fmean

from grucli.model.cells import CELLS

FOLDER = Path(__file__).parent / "cells"
STEP_X, STEP_Y, MARGIN = 116, 54, 48
BOX_WIDTH, BOX_HEIGHT, RADIUS = 78, 34, 15
SWEEPS = 40

_EQUATION = re.compile(r"^ *([a-z]_t) = (.+?)(?: {3,}.*)?$", re.MULTILINE)
_TOKEN = re.compile(r"[a-z]_\{t-1\}|[a-z]_t|[UW]_[a-z]|[UWbc](?:_[a-z])?(?![a-z])|tanh|[σ∘+()-]|\d")
_STYLE = """\
text{font:15px system-ui,sans-serif;text-anchor:middle;dominant-baseline:central;fill:#1c1c1c}
.name{font-style:italic}.small{font-size:12px}svg{background:#fff}
.box,.dot{fill:#fff;stroke:#1c1c1c;stroke-width:1.5}.gate{fill:#fbe3d4}.tanh{fill:#d9ebf7}.end{fill:#eee}
path{fill:none;stroke:#777;stroke-width:1.4}.matrix{stroke-width:3.6}
.x{stroke:#0072b2}.s{stroke:#d55e00}.c{stroke:#009e73}
@media(prefers-color-scheme:dark){svg{background:#161616}text{fill:#e6e6e6}.box,.dot{fill:#161616;stroke:#e6e6e6}
.gate{fill:#5a3320}.tanh{fill:#123c55}.end{fill:#333}path{stroke:#999}
.x{stroke:#56b4e9}.s{stroke:#ff8c42}.c{stroke:#2fc99a}}"""


@dataclass(slots=True)
class Edge:
    """A line from node `source`. has_matrix: a product with a matrix; complement: 1 minus it."""

    source: str
    has_matrix: bool = False
    complement: bool = False


@dataclass(slots=True)
class Node:
    """`name`: what an equation defines, or an input, "" for a step within one; `function`: what it computes."""

    name: str
    function: str
    inputs: list[Edge] = field(default_factory=list)


class Graph:
    """The nodes of a cell in the order in which they are computed; those without a name have a number."""

    def __init__(self, docstring: str) -> None:
        self.nodes: dict[str, Node] = {}
        self._tokens: list[str] = []
        for name, expression in _EQUATION.findall(docstring):
            self._tokens = _TOKEN.findall(expression)
            terms = self._sum()
            if len(terms) == 1 and not terms[0].has_matrix:  # a function of all: the node that computes it
                node = self.nodes.pop(terms[0].source)
                self.nodes[name] = Node(name, node.function, node.inputs)
            else:
                self.nodes[name] = Node(name, "+" if len(terms) > 1 else "", terms)

    def _next(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def _new(self, function: str, inputs: list[Edge]) -> Edge:
        name = f"#{len(self.nodes)}{function}"
        self.nodes[name] = Node("", function, inputs)
        return Edge(name)

    def _sum(self) -> list[Edge]:
        """The terms of a sum without its biases."""
        terms = [self._product()]
        while self._next() == "+":
            del self._tokens[0]
            terms.append(self._product())
        return [term for term in terms if term is not None]

    def _product(self) -> Edge | None:
        factors = [self._factor()]
        while self._next() == "∘":
            del self._tokens[0]
            factors.append(self._factor())
        if len(factors) == 1:
            return factors[0]
        return self._new("×", [factor for factor in factors if factor is not None])

    def _factor(self) -> Edge | None:
        token = self._tokens.pop(0)
        if token in ("σ", "tanh"):
            del self._tokens[0]
            edge = self._new(token, self._sum())
            del self._tokens[0]
        elif token == "(" and self._next() == "1":
            edge = Edge(self._tokens[2], complement=True)
            del self._tokens[:4]
        elif token == "(":
            (edge,) = self._sum()
            del self._tokens[0]
        elif token[0] in "Ub" or token == "c":
            return None  # a bias
        else:
            self.nodes.setdefault(token, Node(token, ""))
            edge = Edge(token)
        if re.match("[UW]", self._next()):
            del self._tokens[0]
            return Edge(edge.source, has_matrix=True, complement=edge.complement)
        return edge


def place(nodes: dict[str, Node]) -> tuple[dict[str, tuple[float, float]], dict[tuple[str, str], list[str]]]:
    """Return the column and row of each node and of each bend, and the bends of each edge (source, target)."""
    column = dict.fromkeys(nodes, 0)
    for _ in nodes:
        for name, node in nodes.items():
            column[name] = max([column[name], *(column[edge.source] + 1 for edge in node.inputs)])
    bends: dict[tuple[str, str], list[str]] = {}
    for name, node in nodes.items():
        for edge in node.inputs:
            between = range(column[edge.source] + 1, column[name])
            bends[edge.source, name] = [f"{edge.source}>{name}@{position}" for position in between]
            column.update(zip(bends[edge.source, name], between, strict=True))
    neighbors: dict[str, list[str]] = {name: [] for name in column}
    for (source, target), path in bends.items():
        for left, right in pairwise([source, *path, target]):
            neighbors[left].append(right)
            neighbors[right].append(left)
    layers = [[name for name in column if column[name] == position] for position in range(max(column.values()) + 1)]
    orders = [_order([list(first), *map(list, layers[1:])], neighbors) for first in permutations(layers[0])]
    rows = min(orders, key=lambda each: sum((each[a] - each[b]) ** 2 for a in neighbors for b in neighbors[a]))
    return {name: (column[name], rows[name]) for name in column}, bends


def _order(layers: list[list[str]], neighbors: dict[str, list[str]]) -> dict[str, float]:
    rows = {name: index - (len(layer) - 1) / 2 for layer in layers for index, name in enumerate(layer)}
    for sweep in range(SWEEPS):
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            wanted = {name: fmean(rows[other] for other in neighbors[name]) for name in layer}
            layer.sort(key=wanted.__getitem__)
            # As near as possible to where each wants to be, a row apart.
            position = -1e9
            for name in layer:
                position = rows[name] = max(wanted[name], position + 1)
            shift = fmean(rows[name] - wanted[name] for name in layer)
            rows.update({name: rows[name] - shift for name in layer})
    return rows


def draw(title: str, nodes: dict[str, Node]) -> str:
    """Return the drawing as an SVG document."""
    places, bends = place(nodes)
    top = min(row for _, row in places.values())
    points = {name: (MARGIN + STEP_X * x, MARGIN + STEP_Y * (y - top)) for name, (x, y) in places.items()}
    width, height = (max(point[axis] for point in points.values()) + MARGIN for axis in (0, 1))
    lines = [line for name, node in nodes.items() for line in _lines(name, node, points, bends)]
    shapes = [shape for name, node in nodes.items() for shape in _shapes(node, *points[name])]
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return "\n".join(
        [head, f"<title>{escape(title)}</title>", f"<style>{_STYLE}</style>", *lines, *shapes, "</svg>", ""]
    )


def _lines(
    name: str,
    node: Node,
    points: dict[str, tuple[float, float]],
    bends: dict[tuple[str, str], list[str]],
) -> Iterator[str]:
    for edge in node.inputs:
        path = [points[edge.source], *(points[bend] for bend in bends[edge.source, name]), points[name]]
        curve = f"M{path[0][0]:.0f} {path[0][1]:.0f}"
        for (x, y), (next_x, next_y) in pairwise(path):
            middle = (x + next_x) / 2
            curve += f"C{middle:.0f} {y:.0f} {middle:.0f} {next_y:.0f} {next_x:.0f} {next_y:.0f}"
        kind = edge.source[0] if edge.source[0] in "xsc" and edge.source != "s_t" else ""
        yield f'<path class="{kind}{" matrix" if edge.has_matrix else ""}" d="{curve}"/>'
        if edge.complement:
            (x, y), (next_x, next_y) = path[-2:]
            yield f'<text class="small" x="{(x + next_x) / 2:.0f}" y="{(y + next_y) / 2 - 9:.0f}">1 −</text>'


def _shapes(node: Node, x: float, y: float) -> Iterator[str]:
    if not node.name:
        if node.function == "tanh":
            yield from _box("tanh", "tanh", x, y)
        else:
            yield f'<circle class="dot" cx="{x:.0f}" cy="{y:.0f}" r="{RADIUS}"/>'
            yield f'<text x="{x:.0f}" y="{y:.0f}">{node.function}</text>'
        return
    css = {"σ": "gate", "tanh": "tanh"}.get(node.function, "end")
    letter, _, time = node.name.partition("_")
    subscript = f'<tspan class="small" dy="4">{escape(time.strip("{}").replace("-", "−"))}</tspan>'
    function = f'<tspan dy="-4">{" = " + node.function if node.function else ""}</tspan>'
    yield from _box(f'<tspan class="name">{letter}</tspan>{subscript}{function}', css, x, y)


def _box(text: str, css: str, x: float, y: float) -> Iterator[str]:
    left, top = x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2
    yield (
        f'<rect class="box {css}" x="{left:.0f}" y="{top:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
        f'<text x="{x:.0f}" y="{y:.0f}">{text}</text>'
    )


def draw_cell(name: str) -> str:
    """Return the drawing of a cell as an SVG document."""
    module = import_module(f"grucli.model.cells.{name.replace('-', '_')}")
    return draw(name, Graph(module.__doc__ or "").nodes)


def main() -> None:
    """Draw every cell."""
    FOLDER.mkdir(exist_ok=True)
    for name in CELLS:
        (FOLDER / f"{name}.svg").write_text(draw_cell(name), "utf-8")


if __name__ == "__main__":
    main()
