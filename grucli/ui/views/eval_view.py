"""The figures of `gru eval`: one per line for one model, a table for several."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from grucli.errors import pluralize
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import format_float, print_key_values
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.views.facts_view import describe_context_gain

if TYPE_CHECKING:
    from grucli.generation.bootstrap import Interval
    from grucli.generation.dynamic_evaluation import DynamicGain
    from grucli.generation.evaluation import EvalResult

_LABEL_COLUMNS = 20
_MODEL, _PERPLEXITY = "MODEL", "PERPLEXITY/WORD (95%)"


def show_scores(terminal: Terminal, scores: "Sequence[EvalResult]") -> None:
    """Print one figure per line on stdout; of several models a table, and how they differ from the first."""
    if len(scores) == 1:
        print_key_values(terminal, list(_facts(scores[0])), _LABEL_COLUMNS)
        return
    _print_table(terminal, [dict(_cells(each)) for each in scores])
    text = scores[0]
    words, documents = pluralize(text.words, "word"), f"{text.documents:,} {text.document_kind}"
    terminal.print_line(f"{pluralize(text.characters, 'character')}, {words}, {documents}")
    for each in scores:
        if each.difference is not None:
            terminal.print_line(each.difference.verdict)


def _facts(result: "EvalResult") -> Iterator[tuple[str, str]]:
    yield "bits per character", f"{result.bits_per_char:.4f}{_spread(result.bits_per_char_interval, 4, '95%: ')}"
    yield "nats per character", f"{result.nats_per_char:.4f}"
    yield "nats per token", f"{result.nats_per_token:.4f}"
    yield "perplexity", f"{result.perplexity:.3f}"
    if result.perplexity_per_word is not None:
        yield "perplexity per word", _perplexity_per_word(result, "95%: ")
    yield "tokens", f"{result.tokens:,}"
    yield "characters", f"{result.characters:,}"
    if result.documents:
        yield "words", f"{result.words:,}"
        yield result.document_kind, f"{result.documents:,}"
    yield "unknown characters", f"{result.unknown_share:.2%}"
    if result.context is not None:
        yield from zip(("context gain", "right context"), describe_context_gain(result.context), strict=True)
    if result.dynamic is not None:
        yield from _dynamic_facts(result.dynamic)


def _cells(result: "EvalResult") -> Iterator[tuple[str, str]]:
    """The cells of a row of the table, by the name of the column."""
    yield _MODEL, result.model
    yield "BITS/CHAR (95%)", f"{result.bits_per_char:.4f}{_spread(result.bits_per_char_interval, 4)}"
    yield _PERPLEXITY, _perplexity_per_word(result)
    difference, context, dynamic = result.difference, result.context, result.dynamic
    # The first model has no difference, but the column is in its place.
    yield (
        "DIFFERENCE (95%)",
        (
            ""
            if difference is None
            else f"{difference.difference_bits_per_char:+.4f}{_spread(difference.difference_interval, 4)}"
        ),
    )
    if context is not None:
        yield (
            "CONTEXT GAIN (95%)",
            (f"{format_float(context.context_gain_bits, 2)}{_spread(context.context_gain_interval, 2)}"),
        )
    if dynamic is not None:
        yield "LEARNING GAIN (95%)", f"{dynamic.dynamic_gain_bits:,.1f}{_spread(dynamic.dynamic_gain_interval, 1)}"


def _print_table(terminal: Terminal, rows: Sequence[dict[str, str]]) -> None:
    columns = dict(zip(rows[0], rows[0], strict=True))
    table = [{name: sanitize_line(text) for name, text in row.items()} for row in (columns, *rows)]
    widths = {name: max(cell_len(row[name]) for row in table) for name in columns}
    if terminal.data.is_terminal and sum(widths.values()) + 2 * len(widths) > terminal.data.width:
        del widths[_PERPLEXITY]
    for row in table:
        cells = (row[name] + " " * (width - cell_len(row[name])) for name, width in widths.items())
        terminal.print_line("  ".join(cells).rstrip())


def _perplexity_per_word(result: "EvalResult", label: str = "") -> str:
    perplexity, interval = result.perplexity_per_word, result.perplexity_per_word_interval
    return f"{_format_large(perplexity)}{_spread(interval, 1, label)}"


def _spread(interval: "Interval | None", decimals: int, label: str = "") -> str:
    if interval is None:
        return ""
    low, high = (_format_large(each, decimals) for each in interval)
    return f" ({label}{low} to {high})"


def _format_large(value: float | None, decimals: int = 1) -> str:
    """Return a value with separators, one of many digits in scientific notation."""
    return f"{value:,.{decimals}f}" if value is not None and abs(value) < 1e6 else format_float(value, decimals)


def _dynamic_facts(gain: "DynamicGain") -> Iterator[tuple[str, str]]:
    interval = gain.dynamic_gain_interval
    spread = "not enough text for an interval"
    if interval is not None:
        spread = f"95%: {interval[0]:,.1f} to {interval[1]:,.1f}"
    turns = pluralize(gain.dynamic_turns, "turn")
    yield "gain of learning", f"{gain.dynamic_gain_bits:,.1f} bits in {turns} ({spread})"
    for bucket in gain.dynamic_curve:
        yield f"turns {bucket.first_turn} to {bucket.last_turn}", f"gain of {bucket.gain_bits:.2f} bits per turn"
    yield "with learning", f"{gain.dynamic_bits_per_char:.4f} bits per character"
    yield "without", f"{gain.static_bits_per_char:.4f} bits per character"
    yield "cost", f"{gain.dynamic_ms_per_turn:.1f} ms per turn"
