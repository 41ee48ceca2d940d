"""What `gru eval` found, as a few lines to read."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from grucli.ui.console import Terminal

if TYPE_CHECKING:
    from grucli.model.scoring import Scores


def show_scores(terminal: Terminal, scores: "Scores") -> None:
    """Print each figure on a line of stdout."""
    terminal.print(f"bits per character  {scores.bits_per_char:.4f}")
    terminal.print(f"nats per character  {scores.nats_per_char:.4f}")
    terminal.print(f"nats per token      {scores.nats_per_token:.4f}")
    terminal.print(f"perplexity          {scores.perplexity:.3f}")
    terminal.print(f"tokens              {scores.tokens:,}")
    terminal.print(f"characters          {scores.characters:,}")


def warn_of_skipped(terminal: Terminal, skipped: Mapping[str, int]) -> None:
    """Say on stderr how many rows of a corpus could not be used, and why."""
    for reason, count in skipped.items():
        terminal.warn(f"{count:,} row{'' if count == 1 else 's'} skipped: {reason}")
