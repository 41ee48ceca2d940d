"""A text whose parts have values, such as how surprising each was: in colours, or with marks under it without them.

The colours are those of the user's own theme, text and background named together, so they can be read on a dark
screen and on a light one; what is usual has none.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from grucli.chat.events import Gated, Scored
from grucli.ui.terminal.sanitize import safe_line
from grucli.ui.terminal.token_display import visible
from grucli.ui.terminal.wrapping import clipped, line_ends

_MARKS, _ASCII_MARKS = " ▂▄▆█", " .-=#"
_SURPRISE = ("dim", "", "black on yellow", "white on red", "bold white on magenta")
_MEMORY = ("black on yellow", "bold", "", "dim", "white on blue")
_ONE_IN = (2, 10, 100, 1000)
_HARDEST, _LONGEST_WORD = 3, 20
_LEAST_SPAN = 0.05
"""Gates closer to each other than this are not told apart: their differences mean nothing."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Five levels: `edges` are the values where the next one begins, `words` what each means."""

    edges: Sequence[float]
    styles: Sequence[str]
    words: Sequence[str]

    def level(self, value: float) -> int:
        """The level of a value; what is no number is on the highest."""
        return sum(not value < edge for edge in self.edges)


def draw_scored(console: Console, scored: Scored) -> Iterator[Text]:
    """The text with how surprising each part of it is, what is hardest in it, and what the colours mean."""
    words = ["1 in 2 or likelier", *(f"1 in {next_one:,}" for next_one in _ONE_IN[1:]), "rarer"]
    scale = Scale([math.log2(one_in) for one_in in _ONE_IN], _SURPRISE, words)
    yield from _draw_text(console, scored.pieces, scale)
    yield Text()
    hardest = [
        f'"{clipped(safe_line(word), _LONGEST_WORD, _plain(console))}" {bits:.0f}'
        for word, bits in _hardest_words(scored.pieces)
    ]
    facts = [
        f"{scored.bits_per_char:.2f} bits/char",
        *(["hardest: " + ", ".join(hardest) + " bits"] if hardest else []),
    ]
    yield Text(" · ".join(facts))
    yield from _legend(console, scale)


def draw_gated(console: Console, gated: Gated) -> Iterator[Text]:
    """The text with what a gate did at each part of it; the colours are spread over the values there are."""
    values = [value for _, value in gated.pieces] or [0.0]
    low, high = min(values), max(values)
    middle, span = (low + high) / 2, max(high - low, _LEAST_SPAN)
    edges = [middle + span * (level / 5 - 0.5) for level in range(6)]
    dash = "-" if _plain(console) else "–"
    words = [f"{begin:.2f}{dash}{end:.2f}" for begin, end in pairwise(max(0.0, min(1.0, edge)) for edge in edges)]
    scale = Scale(edges[1:-1], _MEMORY, words)
    yield from _draw_text(console, gated.pieces, scale)
    yield Text()
    yield Text(safe_line(f"{gated.of}; here {sum(values) / len(values):.2f} on average"))
    yield from _legend(console, scale)


def _draw_text(console: Console, pieces: Sequence[tuple[str, float]], scale: Scale) -> Iterator[Text]:
    """The text in lines; without colours each has a line of marks under it, if it has any."""
    text, levels = _levels(pieces, scale, _plain(console))
    begin = 0
    for end, next_line in [*line_ends(text, console.width - 1), (len(text), len(text))]:
        line = list(zip(text[begin:end], levels[begin:end], strict=True))
        begin = next_line
        if _coloured(console):
            yield Text.assemble(*((run, scale.styles[level]) for run, level in _runs(line)))
            continue
        yield Text("".join(sign for sign, _ in line))
        marks = _marks(console)
        if under := "".join(marks[level] * cell_len(sign) for sign, level in line).rstrip():
            yield Text(under)


def _levels(pieces: Sequence[tuple[str, float]], scale: Scale, ascii_only: bool) -> tuple[str, list[int]]:
    """The text as it is shown, its line ends marked, and the level of each of its characters."""
    text: list[str] = []
    levels: list[int] = []
    for piece, value in pieces:
        shown = "".join(visible(sign, ascii_only) + ("\n" if sign == "\n" else "") for sign in piece)
        text.append(shown)
        levels += [scale.level(value)] * len(shown)
    return "".join(text), levels


def _runs(line: list[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Neighbours of one level together."""
    for level, run in groupby(line, key=lambda each: each[1]):
        yield "".join(sign for sign, _ in run), level


def _hardest_words(pieces: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """The words that were the most surprising, with their bits, the hardest first; none where there are only a few."""
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
    return ranked[:_HARDEST] if len(words) > _HARDEST else []


def _legend(console: Console, scale: Scale) -> Iterator[Text]:
    """What each level looks like, and means; none is broken at the end of a line, and further lines hang."""
    gap = Text("  " if _plain(console) else " · ", "dim")
    line = Text()
    for level, (style, words) in enumerate(zip(scale.styles, scale.words, strict=True)):
        entry = Text(words, style) if _coloured(console) else Text(f"{_marks(console)[level]} {words}".strip())
        if line and line.cell_len + gap.cell_len + entry.cell_len >= console.width:
            yield line
            line = Text.assemble("  ", entry)
        else:
            line = Text.assemble(line, gap if line else "", entry)
    yield line


def _coloured(console: Console) -> bool:
    return console.color_system is not None and not console.no_color


def _plain(console: Console) -> bool:
    return console.options.ascii_only


def _marks(console: Console) -> str:
    return _ASCII_MARKS if _plain(console) else _MARKS
