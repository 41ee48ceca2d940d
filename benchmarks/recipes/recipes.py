"""The recipes: options of `gru train`, or of the peer in `pytorch.py`."""

from dataclasses import dataclass, field
from typing import Any, Literal

BASE = "default"
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


_SUBWORD = {"tokenizer": "subword", "vocab": 2048}

RECIPES = {
    BASE: _gru(),
    "char-16": _gru(tokenizer="char", batch=16),
    "subword-512": _gru(**_SUBWORD, hidden=512, embed=192, batch=16, dropout=0.1, lr=0.003),
    "subword-768": _gru(**_SUBWORD, hidden=768, embed=256, batch=24, dropout=0.2, lr=0.003),
    "pytorch": _pytorch(),
    "pytorch-deep": _pytorch(hidden=512, layers=2, dropout=0.5, seq=128, lr=0.003),
    "pytorch-lstm": _pytorch(cell="lstm", hidden=512, dropout=0.3, lr=0.003),
    "pytorch-subword": _pytorch(
        **_SUBWORD, hidden=512, embed=192, tied=True, batch=16, dropout=0.2, embed_dropout=0.1, lr=0.003
    ),
}
"""By name."""
