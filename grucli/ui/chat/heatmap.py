"""A text with a value per part, such as its surprisal, shown as colors, or without colors as marks below it.

The colors are those of the user's theme, text and background together, so that they are readable on a dark and on a
light screen; usual values have none.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from grucli.chat.events import GateValues, TextSurprisal
from grucli.ui.terminal.formatting import show_control_chars
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.terminal.wrapping import truncate, wrap_points

_MARKS, _ASCII_MARKS = " ▂▄▆█", " .-=#"
_SURPRISAL_STYLES = ("dim", "", "black on yellow", "white on red", "bold white on magenta")
_GATE_STYLES = ("black on yellow", "bold", "", "dim", "white on blue")
_RARITY_LEVELS = (2, 10, 100, 1000)
_INFLUENCE_EDGES = (0.02, 0.1, 0.3, 0.7)
_MAX_HARDEST_WORDS, _MAX_WORD_COLUMNS = 3, 20
_MIN_SPAN = 0.05  # smaller differences between gates mean nothing


@dataclass(frozen=True, slots=True)
class Scale:
    """Five levels: `edges` are the four values between them, `labels` what each means."""

    edges: Sequence[float]
    styles: Sequence[str]
    labels: Sequence[str]

    def level(self, value: float) -> int:
        """Return the level of a value, the highest for NaN."""
        return sum(not value < edge for edge in self.edges)


def render_surprisal(console: Console, result: TextSurprisal) -> Iterator[Text]:
    """Yield the text with the surprisal of each part, the most surprising words, and the legend."""
    labels = ["1 in 2 or likelier", *(f"1 in {next_one:,}" for next_one in _RARITY_LEVELS[1:]), "rarer"]
    scale = Scale([math.log2(one_in) for one_in in _RARITY_LEVELS], _SURPRISAL_STYLES, labels)
    yield from _render_text(console, result.pieces, scale)
    yield Text()
    hardest = [
        f'"{truncate(sanitize_line(word), _MAX_WORD_COLUMNS, console.options.ascii_only)}" {bits:.0f}'
        for word, bits in _most_surprising_words(result.pieces)
    ]
    fields = [
        f"{result.bits_per_char:.2f} bits/char",
        *(["hardest: " + ", ".join(hardest) + " bits"] if hardest else []),
    ]
    yield Text(" · ".join(fields))
    yield from _legend(console, scale)


def render_gates(console: Console, result: GateValues, lowest: float = 0.0) -> Iterator[Text]:
    """Yield the text with a gate at each part, the mean, and the legend; the colors span the values that occur.

    lowest: the smallest possible value; 0 for a gate, -1 for a unit. The largest is 1.
    """
    values = [value for _, value in result.pieces] or [0.0]
    low, high = min(values), max(values)
    middle, span = (low + high) / 2, max(high - low, _MIN_SPAN)
    edges = [middle + span * (level / 5 - 0.5) for level in range(6)]
    dash = "-" if console.options.ascii_only else "–"
    labels = [f"{begin:.2f}{dash}{end:.2f}" for begin, end in pairwise(max(lowest, min(1.0, edge)) for edge in edges)]
    scale = Scale(edges[1:-1], _GATE_STYLES, labels)
    yield from _render_text(console, result.pieces, scale)
    yield Text()
    yield Text(sanitize_line(f"{result.label}; here {sum(values) / len(values):.2f} on average"))
    yield from _legend(console, scale)


def render_influence(console: Console, pieces: Sequence[tuple[str, float]]) -> Iterator[Text]:
    """Yield the text with a share of the strongest influence at each part, 0 to 1, and the legend."""
    labels = [f"below {_INFLUENCE_EDGES[0]:.0%} of the strongest", *(f"from {edge:.0%}" for edge in _INFLUENCE_EDGES)]
    scale = Scale(_INFLUENCE_EDGES, _SURPRISAL_STYLES, labels)
    yield from _render_text(console, pieces, scale)
    yield Text()
    yield from _legend(console, scale)


def _render_text(console: Console, pieces: Sequence[tuple[str, float]], scale: Scale) -> Iterator[Text]:
    """Yield the text in lines; without colors each has a line of marks below it, if it has any."""
    text, levels = _levels(pieces, scale, console.options.ascii_only)
    begin = 0
    for end, next_line in [*wrap_points(text, console.width - 1), (len(text), len(text))]:
        line = list(zip(text[begin:end], levels[begin:end], strict=True))
        begin = next_line
        if _has_color(console):
            yield Text.assemble(*((run, scale.styles[level]) for run, level in _runs(line)))
            continue
        yield Text("".join(char for char, _ in line))
        marks = _marks(console)
        if marks_line := "".join(marks[level] * cell_len(char) for char, level in line).rstrip():
            yield Text(marks_line)


def _levels(pieces: Sequence[tuple[str, float]], scale: Scale, ascii_only: bool) -> tuple[str, list[int]]:
    """Return the text with visible control characters, and the level of each of its characters."""
    text: list[str] = []
    levels: list[int] = []
    for piece, value in pieces:
        displayed = "".join(show_control_chars(char, ascii_only) + ("\n" if char == "\n" else "") for char in piece)
        text.append(displayed)
        levels += [scale.level(value)] * len(displayed)
    return "".join(text), levels


def _runs(line: list[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    for level, run in groupby(line, key=lambda each: each[1]):
        yield "".join(char for char, _ in run), level


def _most_surprising_words(pieces: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Return the words with the most bits, the highest first; none if there are only a few words."""
    words: list[tuple[str, float]] = []
    word, bits = "", 0.0
    for piece, value in [*pieces, (" ", 0.0)]:
        if piece[:1].isspace() and word:
            words.append((word, bits))
            word, bits = "", 0.0
        word, bits = word + piece.strip(), bits + value
        if piece[-1:].isspace() and word:
            words.append((word, bits))
            word, bits = "", 0.0
    ranked = sorted(words, key=lambda each: -each[1])
    return ranked[:_MAX_HARDEST_WORDS] if len(words) > _MAX_HARDEST_WORDS else []


def _legend(console: Console, scale: Scale) -> Iterator[Text]:
    gap = Text("  " if console.options.ascii_only else " · ", "dim")
    line = Text()
    for level, (style, label) in enumerate(zip(scale.styles, scale.labels, strict=True)):
        entry = Text(label, style) if _has_color(console) else Text(f"{_marks(console)[level]} {label}".strip())
        if line and line.cell_len + gap.cell_len + entry.cell_len >= console.width:
            yield line
            line = Text.assemble("  ", entry)
        else:
            line = Text.assemble(line, gap if line else "", entry)
    yield line


def _has_color(console: Console) -> bool:
    return console.color_system is not None and not console.no_color


def _marks(console: Console) -> str:
    return _ASCII_MARKS if console.options.ascii_only else _MARKS
