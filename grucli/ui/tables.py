"""What `gru models` draws: the list of models, and one model in full. Plain text; the console guards it."""

import time
from collections.abc import Sequence

from grucli.model.store import ModelEntry
from grucli.ui.console import Terminal
from grucli.ui.figures import decimal, duration, short_count
from grucli.ui.safe import safe_line


def show_models(terminal: Terminal, entries: Sequence[ModelEntry]) -> None:
    """Print one line per model on stdout, and for each that cannot be read a warning that says why."""
    if not entries:
        terminal.say("There is no model yet. Make one: gru demo, or gru train CORPUS")
        return
    rows: list[tuple[str, ...]] = [("MODEL", "CELL", "PARAMETERS", "TOKENIZER", "BITS/CHAR", "SIZE", "CHANGED")]
    rows += [_row(entry) for entry in entries]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        terminal.print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for entry in entries:
        if entry.problem is not None:
            terminal.warn(f"'{entry.name}' is damaged: {entry.problem}")


def show_model(terminal: Terminal, entry: ModelEntry, evaluations: int) -> None:
    """Print what is known about one model on stdout, a line for each fact; of a damaged one that is little."""
    facts = [("model", entry.name), ("path", str(entry.path)), ("size", f"{short_count(entry.bytes)}B")]
    facts.append(("changed", _when(entry.modified)))
    if entry.description is not None:
        sizes, card = entry.description.sizes, entry.description.card
        looks = f", after {evaluations} evaluation{'' if evaluations == 1 else 's'}" if evaluations else ""
        facts += [
            ("cell", f"{sizes.cell}, {_layers(sizes.L)} of {sizes.H} units, embedding {sizes.E}"),
            ("parameters", f"{entry.description.parameters:,}"),
            ("tokenizer", f"{entry.description.tokenizer}, {sizes.V:,} symbols"),
            ("learnt", "conversations" if card.conversations else "running text" if card.running_text else "comments"),
            ("training", f"{card.steps:,} steps, {card.tokens:,} tokens, {duration(card.seconds)}"),
            ("speed", f"{card.tokens_per_second:,.0f} tokens/s"),
            ("loss", f"{decimal(card.train_nats)} training, {decimal(card.val_nats)} held out, nats a token"),
            ("held out", f"{decimal(card.val_bits_per_char)} bits a character{looks}"),
            ("sha256", entry.description.parameters_sha256),
        ]
        if card.note:
            facts.append(("note", card.note))
    for name, fact in facts:
        terminal.print(f"{name:<12}{safe_line(fact)}")


def _row(entry: ModelEntry) -> tuple[str, ...]:
    name, size, changed = safe_line(entry.name), f"{short_count(entry.bytes)}B", _when(entry.modified)
    if entry.description is None:
        return name, "damaged", "-", "-", "-", size, changed
    about = entry.description
    return (
        name,
        about.sizes.cell,
        short_count(about.parameters),
        safe_line(about.tokenizer),
        decimal(about.card.val_bits_per_char),
        size,
        changed,
    )


def _layers(count: int) -> str:
    return "1 layer" if count == 1 else f"{count} layers"


def _when(modified: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(modified))
