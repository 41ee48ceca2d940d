"""Tokenizers: convert text to ids and back, are trained on a corpus, and are stored as JSON in weights files."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from grucli.errors import ModelFileError, UsageError
from grucli.text.tokenizers import char, subword, word
from grucli.text.tokenizers.base import EOS, EOT, NUM_SPECIAL_TOKENS, UNK, IncrementalDecoder, Tokenizer

__all__ = [
    "EOS",
    "EOT",
    "KINDS",
    "NUM_SPECIAL_TOKENS",
    "UNK",
    "IncrementalDecoder",
    "Tokenizer",
    "from_json",
    "train",
    "train_default",
]

KINDS = ("char", "word", "subword")

MAX_CHAR_VOCAB = 2048
"""Vocabulary size up to which characters are the default. An alphabet or syllabary is below it, Chinese above."""

MIN_SUBWORD_CHARACTERS = 500_000
"""Length of a text of comments from which subwords learn more per minute than characters (`docs/recipes.md`)."""

_TRAIN = {"char": char.train, "word": word.train, "subword": subword.train}
_FROM_JSON = {"char": char.from_json, "word": word.from_json, "subword": subword.from_json}


def train(kind: str, texts: Iterable[str], vocab: int | None = None) -> Tokenizer:
    """Train a tokenizer on a stream of texts, in bounded memory.

    Args:
        kind: "char", "word" or "subword".
        texts: read once. A long text may come in slices that end before white space.
        vocab: limit on the vocabulary size, special tokens included; None for the default of the kind.

    Raises:
        UsageError: the kind is unknown, or the vocabulary size is out of range.
    """
    if kind not in _TRAIN:
        raise UsageError(f"tokenizer not found: '{kind}'", f"use one of {', '.join(KINDS)}")
    return _TRAIN[kind](texts, vocab)


def train_default(
    open_texts: Callable[[], Iterable[str]], counts: NDArray[np.int64], *, running_text: bool
) -> Tokenizer:
    """Train a tokenizer of the kind that suits a text: subwords if it is long or has many different characters.

    Args:
        open_texts: returns the texts from their beginning; called at most once.
        counts: how often each character occurs in them, of `char.count_characters`.
        running_text: the text is not made of comments; its length does not matter.
    """
    is_long = counts.sum() >= MIN_SUBWORD_CHARACTERS and not running_text
    if is_long or char.covering_vocab(counts) > MAX_CHAR_VOCAB:
        return subword.train(open_texts(), None)
    return char.from_counts(counts, None)


def from_json(data: object) -> Tokenizer:
    """Return the tokenizer that `to_json` described. `data` is not trusted.

    Raises:
        ModelFileError: `data` is not a valid description.
    """
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(kind, str) or kind not in _FROM_JSON:
        raise ModelFileError("unknown kind of tokenizer in this file", "update gru, or use another model")
    return _FROM_JSON[kind](data)
