"""What a model does not know of a text that it is given to read."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from grucli.text.tokenizers import UNK

_MAX_NAMED = 5
_MAX_SYMBOL_CHARS = 16  # characters of a symbol, which may be a word


class Encoder(Protocol):
    """What is needed of a tokenizer here."""

    def encode(self, text: str) -> NDArray[np.int32]:
        """Give the ids of `text`, int32 [N]."""

    def split(self, text: str) -> Sequence[str]:
        """Give the part of `text` that each of its ids stands for."""


def count_unknown_symbols(tokenizer: Encoder, text: str) -> int:
    """How many symbols of `text` the tokenizer has no id for: characters or words, whatever its tokens are."""
    return int(np.count_nonzero(tokenizer.encode(text) == UNK))


def unknown_symbols(tokenizer: Encoder, text: str) -> list[str]:
    """The symbols of `text` that the tokenizer has no id for, in order, as often as they come."""
    unknown = tokenizer.encode(text) == UNK
    if not unknown.any():
        return []
    return [part for part, odd in zip(tokenizer.split(text), unknown, strict=True) if odd]


def unknown_symbols_message(count: int, distinct: Sequence[str] = ()) -> str:
    """What is told of so many unknown symbols. `which` are distinct ones; a few of them are named."""
    named = ", ".join(repr(part[:_MAX_SYMBOL_CHARS]) for part in distinct[:_MAX_NAMED])
    more = ", …" if len(distinct) > _MAX_NAMED else ""
    plural = "" if count == 1 else "s"
    message = f"the model does not know {count:,} symbol{plural} of what it was given to read"
    return f"{message}: {named}{more}" if named else message
