"""What `gru models` draws: the list of models, and one model in full. Plain text; the console guards it."""

import time
from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.text import Text

from grucli.model.store import Metrics, ModelEntry
from grucli.model.weights import Card, Description
from grucli.training.events import Summary
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import count_of, decimal, duration, short_count
from grucli.ui.terminal.key_values import show_facts
from grucli.ui.terminal.sanitize import safe_line
from grucli.ui.training.curve import ASCII_BLOCKS, BLOCKS, Curve, bars, span

_HEAD = ("MODEL", "CELL", "PARAMS", "TOKENIZER", "BITS/CHAR", "LOSS", "SIZE", "CHANGED")
_NUMBERS = ("PARAMS", "BITS/CHAR", "SIZE")
_LEFT_OUT_FIRST = ("SIZE", "TOKENIZER", "CELL", "PARAMS", "CHANGED", "LOSS", "BITS/CHAR")
_STYLES = {"MODEL": "bold", "LOSS": "magenta"}
_SPARK, _WIDE_SPARK = 8, 32  # columns
_LABEL = 12
_LEAST_NAME = 16


def show_models(terminal: Terminal, entries: Sequence[ModelEntry], metrics: Mapping[str, Sequence[Metrics]]) -> None:
    """Print one line per model on stdout, and for each that cannot be read a warning that says why.

    `metrics` has the evaluations of each model by its name. A terminal that is too narrow gets fewer columns, and names
    that would fill the half of it are shortened.
    """
    if not entries:
        terminal.say("There is no model yet. Make one: gru demo, or gru train CORPUS")
        return
    blocks = ASCII_BLOCKS if terminal.data.options.ascii_only else BLOCKS
    rows = [dict(zip(_HEAD, _row(entry, metrics.get(entry.name, ()), blocks), strict=True)) for entry in entries]
    if terminal.data.is_terminal:
        for row in rows:
            row["MODEL"] = _shortened(row["MODEL"], max(terminal.data.width // 2 - 2, _LEAST_NAME), blocks)
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


def show_model(terminal: Terminal, entry: ModelEntry, summary: Summary | None, metrics: Sequence[Metrics]) -> None:
    """Print what is known about one model on stdout, a line for each fact; of a damaged one that is little.

    `summary` is that of the run that made it, None of a damaged one, and `metrics` are its evaluations.
    """
    show_facts(terminal, _found(entry), _LABEL)
    if entry.description is not None and summary is not None:
        show_facts(terminal, _learnt(entry.description, summary), _LABEL)
        _print_curves(terminal, metrics)
        show_facts(terminal, _ended(entry.description.card, summary, len(metrics)), _LABEL)


def _found(entry: ModelEntry) -> list[tuple[str, str | Text]]:
    """What is known about any model, even a damaged one."""
    return [
        ("model", Text(safe_line(entry.name), "bold")),
        ("path", str(entry.path)),
        ("size", f"{short_count(entry.bytes)}B"),
        ("changed", _when(entry.modified)),
    ]


def _learnt(about: Description, run: Summary) -> list[tuple[str, str | Text]]:
    """What a model is, and how it came to be that; its losses at last."""
    sizes, card = about.sizes, about.card
    return [
        ("cell", f"{sizes.cell}, {count_of(sizes.L, 'layer')} of {count_of(sizes.H, 'unit')}, embedding {sizes.E}"),
        ("parameters", f"{about.parameters:,}"),
        ("tokenizer", f"{about.tokenizer}, {count_of(sizes.V, 'symbol')}"),
        ("learnt", "conversations" if card.conversations else "running text" if card.running_text else "comments"),
        ("training", f"{count_of(run.steps, 'step')}, {count_of(run.tokens, 'token')}, {duration(run.seconds)}"),
        ("speed", f"{run.tokens_per_second:,.0f} tokens/s"),
        ("loss", f"{decimal(run.train_nats)} training, {decimal(run.val_nats)} held out, nats a token"),
    ]


def _ended(best: Card, run: Summary, evaluations: int) -> list[tuple[str, str | Text]]:
    """How well it predicts, and did at its `best`; and what it can be known by."""
    looks = f", after {count_of(evaluations, 'evaluation')}" if evaluations else ""
    facts: list[tuple[str, str | Text]] = [("held out", f"{decimal(run.val_bits_per_char)} bits a character{looks}")]
    if best.steps != run.steps:
        facts.append(("best", f"{decimal(best.val_bits_per_char)} at step {best.steps:,}, kept to write with"))
    facts.append(("sha256", run.parameters_sha256))
    return [*facts, ("note", best.note)] if best.note else facts


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


def _shortened(name: str, room: int, blocks: str) -> str:
    """A name whose middle is left out where it is too long: what tells names apart stands at either end."""
    if cell_len(name) <= room:
        return name
    mark = "…" if blocks is BLOCKS else "..."
    kept = 1
    while cell_len(f"{name[: kept + 1]}{mark}{name[-kept - 1 :]}") <= room:
        kept += 1
    return f"{name[:kept]}{mark}{name[-kept:]}"


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
