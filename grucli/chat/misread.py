"""What a model does not know of a text that it is given to read."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from grucli.text.tokenizers import UNKNOWN


class Encoder(Protocol):
    """What is needed of a tokenizer here."""

    def encode(self, text: str) -> NDArray[np.int32]:
        """Give the ids of `text`, int32 [N]."""


def unknown_symbols(tokenizer: Encoder, text: str) -> int:
    """How many symbols of `text` the tokenizer has no id for: characters or words, whatever its tokens are."""
    return int(np.count_nonzero(tokenizer.encode(text) == UNKNOWN))


def misread(symbols: int) -> str:
    """What is told of so many unknown symbols."""
    return f"the model does not know {symbols:,} symbol{'' if symbols == 1 else 's'} of what it was given to read"
