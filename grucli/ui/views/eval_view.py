"""The result of `gru eval`."""

from typing import TYPE_CHECKING

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import print_key_values

if TYPE_CHECKING:
    from grucli.generation.evaluation import EvalResult

_LABEL_COLUMNS = 20


def show_scores(terminal: Terminal, scores: "EvalResult") -> None:
    """Print one line per figure on stdout."""
    facts = [
        ("bits per character", f"{scores.bits_per_char:.4f}"),
        ("nats per character", f"{scores.nats_per_char:.4f}"),
        ("nats per token", f"{scores.nats_per_token:.4f}"),
        ("perplexity", f"{scores.perplexity:.3f}"),
        ("tokens", f"{scores.tokens:,}"),
        ("characters", f"{scores.characters:,}"),
    ]
    print_key_values(terminal, facts, _LABEL_COLUMNS)
