"""What `gru eval` found, as a few lines to read."""

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
