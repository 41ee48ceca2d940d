"""What `gru models` draws: the list of models, and one model in full. Plain text; the console guards it."""

import textwrap
import time
from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.text import Text

from grucli.model.store import Metrics, ModelEntry
from grucli.ui.console import Terminal
from grucli.ui.curve import ASCII_BLOCKS, BLOCKS, Curve, bars, span
from grucli.ui.figures import count_of, decimal, duration, short_count
from grucli.ui.safe import safe_line

_HEAD = ("MODEL", "CELL", "PARAMS", "TOKENIZER", "BITS/CHAR", "LOSS", "SIZE", "CHANGED")
_NUMBERS = ("PARAMS", "BITS/CHAR", "SIZE")
_LEFT_OUT_FIRST = ("SIZE", "TOKENIZER", "CELL", "PARAMS", "LOSS", "CHANGED", "BITS/CHAR")
_STYLES = {"MODEL": "bold", "LOSS": "magenta"}
_SPARK, _WIDE_SPARK = 8, 32  # columns
_LABEL = 12


def show_models(terminal: Terminal, entries: Sequence[ModelEntry], metrics: Mapping[str, Sequence[Metrics]]) -> None:
    """Print one line per model on stdout, and for each that cannot be read a warning that says why.

    `metrics` has the evaluations of each model by its name. A terminal that is too narrow gets fewer columns.
    """
    if not entries:
        terminal.say("There is no model yet. Make one: gru demo, or gru train CORPUS")
        return
    blocks = ASCII_BLOCKS if terminal.data.options.ascii_only else BLOCKS
    rows = [dict(zip(_HEAD, _row(entry, metrics.get(entry.name, ()), blocks), strict=True)) for entry in entries]
    widths = {name: max(cell_len(row[name]) for row in (dict(zip(_HEAD, _HEAD, strict=True)), *rows)) for name in _HEAD}
    for name in _LEFT_OUT_FIRST:
        if terminal.data.is_terminal and sum(widths.values()) + 2 * (len(widths) - 1) >= terminal.data.width:
            del widths[name]
    _print(terminal, _line({name: name for name in _HEAD}, widths, dict.fromkeys(_HEAD, "dim")))
    for entry, row in zip(entries, rows, strict=True):
        _print(terminal, _line(row, widths, _STYLES if entry.problem is None else dict.fromkeys(_HEAD, "red")))
    for entry in entries:
        if entry.problem is not None:
            terminal.warn(f"'{entry.name}' is damaged: {entry.problem}")


def show_model(terminal: Terminal, entry: ModelEntry, metrics: Sequence[Metrics]) -> None:
    """Print what is known about one model on stdout, a line for each fact; of a damaged one that is little.

    `metrics` are its evaluations.
    """
    facts = [("model", entry.name), ("path", str(entry.path)), ("size", f"{short_count(entry.bytes)}B")]
    facts.append(("changed", _when(entry.modified)))
    if entry.description is not None:
        sizes, card = entry.description.sizes, entry.description.card
        looks = f", after {count_of(len(metrics), 'evaluation')}" if metrics else ""
        facts += [
            ("cell", f"{sizes.cell}, {count_of(sizes.L, 'layer')} of {count_of(sizes.H, 'unit')}, embedding {sizes.E}"),
            ("parameters", f"{entry.description.parameters:,}"),
            ("tokenizer", f"{entry.description.tokenizer}, {count_of(sizes.V, 'symbol')}"),
            ("learnt", "conversations" if card.conversations else "running text" if card.running_text else "comments"),
            ("training", f"{count_of(card.steps, 'step')}, {count_of(card.tokens, 'token')}, {duration(card.seconds)}"),
            ("speed", f"{card.tokens_per_second:,.0f} tokens/s"),
            ("loss", f"{decimal(card.train_nats)} training, {decimal(card.val_nats)} held out, nats a token"),
            ("held out", f"{decimal(card.val_bits_per_char)} bits a character{looks}"),
            ("sha256", entry.description.parameters_sha256),
        ]
        if card.note:
            facts.append(("note", card.note))
    for name, fact in facts:
        _print_fact(terminal, name, safe_line(fact))
        if name == "loss":
            _print_curves(terminal, metrics)


def _print_fact(terminal: Terminal, name: str, fact: str) -> None:
    """Print a fact; on a terminal its further lines stand under it, but what may be copied is never broken."""
    room = max(terminal.data.width - 1 - _LABEL, 10)
    breaks = terminal.data.is_terminal and name not in ("path", "sha256")
    lines = textwrap.wrap(fact, room) if breaks else [fact]
    for index, line in enumerate(lines):
        label = "" if index else name
        _print(terminal, Text.assemble((f"{label:<{_LABEL}}", "dim"), (line, "bold" if name == "model" else "")))


def _print_curves(terminal: Terminal, metrics: Sequence[Metrics]) -> None:
    """Print both losses over the evaluations, on one scale."""
    ascii_only = terminal.data.options.ascii_only
    series = [
        ("training", _points(metrics, "train_nats"), "cyan"),
        ("held out", _points(metrics, "val_nats"), "magenta"),
    ]
    scale = [value for _, points, _ in series for _, value in points]
    room = min(_WIDE_SPARK, terminal.data.width - 1 - _LABEL - 10) if terminal.data.is_terminal else _WIDE_SPARK
    for name, points, style in series:
        if len(points) > 1 and room > 0:
            drawn = sparkline(points, room, ASCII_BLOCKS if ascii_only else BLOCKS, (min(scale), max(scale)))
            _print(terminal, Text.assemble(" " * _LABEL, (f"{name}  ", "dim"), (drawn, style)))


def sparkline(
    points: Sequence[tuple[int, float]], width: int, blocks: str = BLOCKS, scale: tuple[float, float] | None = None
) -> str:
    """Draw a loss over its steps in one row of `width` columns; nothing where there is nothing to draw.

    `scale` is the lowest and the highest value, those of the points themselves unless given.
    """
    curve = Curve()
    for step, value in points:
        curve.add(step, value)
    columns = curve.columns(width, points[0][0], points[-1][0], stretch=True) if points else []
    low, high = span(columns) if scale is None else scale
    return bars(columns, low, high, 1, blocks)[0] if columns else ""


def _points(metrics: Sequence[Metrics], loss: str) -> list[tuple[int, float]]:
    found = ((one.step, getattr(one, loss)) for one in metrics)
    return [(step, value) for step, value in found if value is not None]


def _row(entry: ModelEntry, metrics: Sequence[Metrics], blocks: str) -> tuple[str, ...]:
    name, size, changed = safe_line(entry.name), f"{short_count(entry.bytes)}B", _when(entry.modified)
    if entry.description is None:
        return name, "damaged", "-", "-", "-", "-", size, changed
    about = entry.description
    curve = sparkline(_points(metrics, "val_nats") or _points(metrics, "train_nats"), _SPARK, blocks)
    return (
        name,
        about.sizes.cell,
        short_count(about.parameters),
        safe_line(about.tokenizer),
        decimal(about.card.val_bits_per_char),
        curve or "-",
        size,
        changed,
    )


def _line(row: Mapping[str, str], widths: Mapping[str, int], styles: Mapping[str, str]) -> Text:
    """The cells of a row beside each other, numbers at the right of their columns."""
    cells = []
    for name, width in widths.items():
        gap = " " * (width - cell_len(row[name]))
        cell = f"{gap}{row[name]}" if name in _NUMBERS else f"{row[name]}{gap}"
        cells.append(Text(cell, styles.get(name, "")))
    line = Text("  ").join(cells)
    line.rstrip()
    return line


def _print(terminal: Terminal, line: Text) -> None:
    """Print a line that is never broken."""
    terminal.data.print(line, soft_wrap=True)


def _when(modified: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(modified))
