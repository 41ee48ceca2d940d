"""The recipes: options of `gru train`, or of the peer in `pytorch.py`."""

from dataclasses import dataclass, field
from typing import Any, Literal

BASE = "scratch"
"""What the others are compared with."""


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; `options` are those that differ from the defaults of the trainer."""

    trainer: Literal["gru", "pytorch"] = "gru"
    options: dict[str, Any] = field(default_factory=dict)


def _gru(**options: Any) -> Recipe:
    return Recipe("gru", options)


def _pytorch(**options: Any) -> Recipe:
    return Recipe("pytorch", options)


RECIPES = {
    BASE: _gru(start_from="nothing"),
    "adapted": _gru(start_from="chitchat"),
    "char": _gru(start_from="nothing", tokenizer="char"),
    "pytorch": _pytorch(),
    "pytorch-deep": _pytorch(hidden=512, layers=2, dropout=0.5, seq=128, lr=0.003),
    "pytorch-subword": _pytorch(
        tokenizer="subword",
        vocab=2048,
        hidden=512,
        embed=192,
        tied=True,
        batch=16,
        dropout=0.2,
        embed_dropout=0.1,
        lr=0.003,
    ),
}
"""By name."""
