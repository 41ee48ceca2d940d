"""The list of models, and one model in full."""

import time
from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len
from rich.text import Text

from grucli.comparison.store import StoredComparison
from grucli.errors import pluralize
from grucli.model.store import Metrics, ModelEntry
from grucli.model.weights import ModelCard, ModelInfo, ModelOrigin
from grucli.text.token_file import text_kind
from grucli.training.events import TrainSummary
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import format_duration, format_float, format_si, print_key_values
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.training.curve import ASCII_BLOCKS, BLOCKS, Curve, render_columns, y_range
from grucli.ui.views.facts_view import describe_context_gain

_COLUMNS = ("MODEL", "CELL", "PARAMS", "TOKENIZER", "BITS/CHAR", "LOSS", "SIZE", "CHANGED")
_NUMERIC_COLUMNS = ("PARAMS", "BITS/CHAR", "SIZE")
_DROP_ORDER = ("SIZE", "TOKENIZER", "CELL", "PARAMS", "CHANGED", "LOSS", "BITS/CHAR")
_STYLES = {"MODEL": "bold", "LOSS": "magenta"}
_SPARKLINE_WIDTH, _WIDE_SPARKLINE_WIDTH = 8, 32  # columns
_LABEL_COLUMNS = 12
_MIN_NAME_COLUMNS = 16


def show_models(terminal: Terminal, entries: Sequence[ModelEntry], metrics: Mapping[str, Sequence[Metrics]]) -> None:
    """Print one line per model on stdout, and a warning for each that cannot be read.

    `metrics` holds the evaluations of each model by its name. A narrow terminal gets fewer columns and shorter names.
    """
    if not entries:
        terminal.info("no model yet; train one with: gru demo, or gru train CORPUS")
        return
    blocks = ASCII_BLOCKS if terminal.data.options.ascii_only else BLOCKS
    rows = [dict(zip(_COLUMNS, _row(entry, metrics.get(entry.name, ()), blocks), strict=True)) for entry in entries]
    if terminal.data.is_terminal:
        for row in rows:
            row["MODEL"] = _truncate_middle(row["MODEL"], max(terminal.data.width // 2 - 2, _MIN_NAME_COLUMNS), blocks)
    widths = {
        name: max(cell_len(row[name]) for row in (dict(zip(_COLUMNS, _COLUMNS, strict=True)), *rows))
        for name in _COLUMNS
    }
    for name in _DROP_ORDER:
        if terminal.data.is_terminal and sum(widths.values()) + 2 * (len(widths) - 1) >= terminal.data.width:
            del widths[name]
    _print_row(terminal, _line({name: name for name in _COLUMNS}, widths, dict.fromkeys(_COLUMNS, "dim")))
    for entry, row in zip(entries, rows, strict=True):
        _print_row(terminal, _line(row, widths, _STYLES if entry.problem is None else dict.fromkeys(_COLUMNS, "red")))
    for entry in entries:
        if entry.problem is not None:
            terminal.warn(f"'{entry.name}' is corrupt: {entry.problem}")


def show_comparisons(terminal: Terminal, comparisons: Sequence[StoredComparison]) -> None:
    """Say which comparisons there are, with a warning for each that cannot be read."""
    for comparison in comparisons:
        if comparison.problem is None:
            terminal.info(describe_comparison(comparison))
        else:
            terminal.warn(f"comparison '{comparison.name}' cannot be read: {comparison.problem}")


def describe_comparison(comparison: StoredComparison) -> str:
    """Return a comparison with the names of its models."""
    models = f": models {', '.join(comparison.models)}" if comparison.models else ""
    return f"comparison '{comparison.name}'{models}"


def show_model(terminal: Terminal, entry: ModelEntry, summary: TrainSummary | None, metrics: Sequence[Metrics]) -> None:
    """Print one line per fact about a model on stdout.

    `summary` is that of its training run, None for a corrupt model, and `metrics` are its evaluations.
    """
    print_key_values(terminal, _file_facts(entry), _LABEL_COLUMNS)
    if entry.info is not None and summary is not None:
        print_key_values(terminal, _training_facts(entry.info, summary), _LABEL_COLUMNS)
        _print_curves(terminal, metrics)
        print_key_values(terminal, _result_facts(entry.info.card, summary, len(metrics)), _LABEL_COLUMNS)


def _file_facts(entry: ModelEntry) -> list[tuple[str, str | Text]]:
    quantized = entry.info is not None and entry.info.quantized
    return [
        ("model", Text(sanitize_line(entry.name), "bold")),
        ("path", str(entry.path)),
        ("size", f"{format_si(entry.bytes)}B{', int8' if quantized else ''}"),
        ("packaged", "part of gru; a model of your own is used first")
        if entry.is_packaged
        else ("changed", _format_time(entry.modified)),
    ]


def _training_facts(info: ModelInfo, run: TrainSummary) -> list[tuple[str, str | Text]]:
    sizes, card = info.sizes, info.card
    return [
        ("cell", f"{sizes.cell}, {pluralize(sizes.L, 'layer')} of {pluralize(sizes.H, 'unit')}, embedding {sizes.E}"),
        ("parameters", f"{info.parameters:,}"),
        ("tokenizer", f"{info.tokenizer}, {pluralize(sizes.V, 'symbol')}"),
        ("trained on", text_kind(conversations=card.conversations, running_text=card.running_text)),
        *(_origin_facts(card.origin) if card.origin is not None else []),
        *(_run_facts(run) if run.steps else []),
        *([("diverged", "worse than an untrained network; start again with a lower --lr")] if run.diverged else []),
    ]


def _origin_facts(origin: ModelOrigin) -> Iterator[tuple[str, str | Text]]:
    yield "adapted", f"from '{sanitize_line(origin.model)}'"
    for subject, text in (("its data", origin.data), ("its license", origin.license)):
        if text:
            yield "", Text.assemble((f"{subject}: ", "dim"), sanitize_line(text))


def _run_facts(run: TrainSummary) -> list[tuple[str, str]]:
    return [
        (
            "training",
            f"{pluralize(run.steps, 'step')}, {pluralize(run.tokens, 'token')}, {format_duration(run.seconds)}",
        ),
        ("speed", f"{run.tokens_per_second:,.0f} tokens/s"),
        ("loss", f"{format_float(run.train_nats)} training, {format_float(run.val_nats)} validation, nats per token"),
    ]


def _result_facts(best: ModelCard, run: TrainSummary, evaluations: int) -> list[tuple[str, str | Text]]:
    after_evaluations = f", after {pluralize(evaluations, 'evaluation')}" if evaluations else ""
    facts: list[tuple[str, str | Text]] = []
    if run.val_bits_per_char is not None:
        facts.append(("validation", f"{format_float(run.val_bits_per_char)} bits per character{after_evaluations}"))
    if context := describe_context_gain(run):
        facts.append(("context", f"gains {', '.join(context)}"))
    if best.steps != run.steps:
        facts.append(
            ("best", f"{format_float(best.val_bits_per_char)} at step {best.steps:,}, used by sample and chat")
        )
    facts.append(("sha256", run.parameters_sha256))
    facts += [("note", best.note)] if best.note else []
    return [*facts, *_description_facts(best.description)]


def _description_facts(description: Mapping[str, str]) -> Iterator[tuple[str, Text]]:
    """Yield what the maker of the model says under one label: a subject might have the name of a fact."""
    for index, (subject, text) in enumerate(description.items()):
        words = Text.assemble((f"{sanitize_line(subject)}: ", "dim"), sanitize_line(text))
        yield "" if index else "description", words


def _print_curves(terminal: Terminal, metrics: Sequence[Metrics]) -> None:
    """Print both losses over the evaluations on one scale."""
    ascii_only = terminal.data.options.ascii_only
    series = [
        ("training", _points(metrics, "train_nats"), "cyan"),
        ("validation", _points(metrics, "val_nats"), "magenta"),
    ]
    scale = [value for _, points, _ in series for _, value in points]
    width = (
        min(_WIDE_SPARKLINE_WIDTH, terminal.data.width - 1 - _LABEL_COLUMNS - 12)
        if terminal.data.is_terminal
        else _WIDE_SPARKLINE_WIDTH
    )
    for name, points, style in series:
        if len(points) > 1 and width > 0:
            curve = sparkline(points, width, ASCII_BLOCKS if ascii_only else BLOCKS, (min(scale), max(scale)))
            _print_row(terminal, Text.assemble(" " * _LABEL_COLUMNS, (f"{name:<12}", "dim"), (curve, style)))


def sparkline(
    points: Sequence[tuple[int, float]], width: int, blocks: str = BLOCKS, scale: tuple[float, float] | None = None
) -> str:
    """Return a loss over its steps as one row of `width` columns, empty without points.

    `scale` is the lowest and the highest value, by default those of the points.
    """
    curve = Curve()
    for step, value in points:
        curve.add(step, value)
    columns = curve.columns(width, points[0][0], points[-1][0], stretch=True) if points else []
    low, high = y_range(columns) if scale is None else scale
    return render_columns(columns, low, high, 1, blocks)[0] if columns else ""


def _points(metrics: Sequence[Metrics], loss: str) -> list[tuple[int, float]]:
    values = ((one.step, getattr(one, loss)) for one in metrics)
    return [(step, value) for step, value in values if value is not None]


def _row(entry: ModelEntry, metrics: Sequence[Metrics], blocks: str) -> tuple[str, ...]:
    name, size = sanitize_line(entry.name), f"{format_si(entry.bytes)}B"
    changed = "packaged" if entry.is_packaged else _format_time(entry.modified)
    if entry.info is None:
        return name, "corrupt", "-", "-", "-", "-", size, changed
    info = entry.info
    curve = sparkline(_points(metrics, "val_nats") or _points(metrics, "train_nats"), _SPARKLINE_WIDTH, blocks)
    return (
        name,
        info.sizes.cell,
        format_si(info.parameters),
        sanitize_line(info.tokenizer),
        format_float(info.card.val_bits_per_char),
        curve or "-",
        size,
        changed,
    )


def _truncate_middle(name: str, width: int, blocks: str) -> str:
    """Shorten a name in the middle: names mostly differ at their ends."""
    if cell_len(name) <= width:
        return name
    ellipsis = "…" if blocks is BLOCKS else "..."
    side_chars = 1
    while cell_len(f"{name[: side_chars + 1]}{ellipsis}{name[-side_chars - 1 :]}") <= width:
        side_chars += 1
    return f"{name[:side_chars]}{ellipsis}{name[-side_chars:]}"


def _line(row: Mapping[str, str], widths: Mapping[str, int], styles: Mapping[str, str]) -> Text:
    cells = []
    for name, width in widths.items():
        gap = " " * (width - cell_len(row[name]))
        cell = f"{gap}{row[name]}" if name in _NUMERIC_COLUMNS else f"{row[name]}{gap}"
        cells.append(Text(cell, styles.get(name, "")))
    line = Text("  ").join(cells)
    line.rstrip()
    return line


def _print_row(terminal: Terminal, line: Text) -> None:
    terminal.data.print(line, soft_wrap=True)


def _format_time(modified: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(modified))
