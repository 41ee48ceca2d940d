"""Checks of what a session is given: its pace, and symbols that the model does not know."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from grucli.errors import UsageError
from grucli.text.tokenizers import UNK

_MAX_NAMED_SYMBOLS = 5
_MAX_SYMBOL_CHARS = 16  # a symbol may be a word


def validate_pace(pace: float) -> float:
    """Return `pace`, characters per second with 0 for no limit.

    Raises:
        UsageError: not a finite number from 0 up.
    """
    if not math.isfinite(pace) or pace < 0:
        hint = "{pace} takes characters per second, such as 150, or 0 for no limit"
        raise UsageError(f"{{pace}} is {pace:g}", hint, ["pace"])
    return pace


class Encoder(Protocol):
    """What a chat needs of a tokenizer: its kind, and the methods that find unknown symbols."""

    @property
    def kind(self) -> str:
        """The value of --tokenizer."""

    def encode(self, text: str) -> NDArray[np.int32]:
        """Return the token ids of `text`, int32 [N]."""

    def split(self, text: str) -> Sequence[str]:
        """Return the part of `text` that each of its N ids stands for."""


def unknown_symbols(tokenizer: Encoder, text: str) -> list[str]:
    """Return the symbols of `text`, characters or words, that are not in the vocabulary, in order, with repetitions."""
    unknown = tokenizer.encode(text) == UNK
    if not unknown.any():
        return []
    return [part for part, is_unknown in zip(tokenizer.split(text), unknown, strict=True) if is_unknown]


def unknown_symbols_message(count: int, distinct: Sequence[str] = ()) -> str:
    """Return the warning about `count` unknown symbols, which names a few of the `distinct` ones."""
    named = ", ".join(repr(part[:_MAX_SYMBOL_CHARS]) for part in distinct[:_MAX_NAMED_SYMBOLS])
    more = ", …" if len(distinct) > _MAX_NAMED_SYMBOLS else ""
    verb = "symbol is" if count == 1 else "symbols are"
    message = f"{count:,} {verb} not in the model's vocabulary"
    return f"{message}: {named}{more}" if named else message
