"""Tokenizers: a text becomes ids, the ids the same text again. Learned here, kept in a model's file as JSON."""

from collections.abc import Iterable

from grucli.errors import ModelFileError, UsageError
from grucli.text.tokenizers import char, subword, word
from grucli.text.tokenizers.base import EOS, EOT, NUM_SPECIAL_TOKENS, UNK, Decoder, Tokenizer

__all__ = ["EOS", "EOT", "KINDS", "NUM_SPECIAL_TOKENS", "UNK", "Decoder", "Tokenizer", "from_json", "train"]

KINDS = ("char", "word", "subword")
"""The kinds there are."""

_TRAIN = {"char": char.train, "word": word.train, "subword": subword.train}
_FROM_JSON = {"char": char.from_json, "word": word.from_json, "subword": subword.from_json}


def train(kind: str, texts: Iterable[str], vocab: int | None = None) -> Tokenizer:
    """Learn a tokenizer from a stream of texts, in bounded memory.

    Args:
        kind: "char", "word" or "subword".
        texts: read once. A long text may come in slices that end before white space.
        vocab: V at most, special tokens included; None for the kind's own default.

    Raises:
        UsageError: no such kind, or a vocabulary out of range.
    """
    if kind not in _TRAIN:
        raise UsageError(f"there is no tokenizer '{kind}'", f"choose one of {', '.join(KINDS)}")
    return _TRAIN[kind](texts, vocab)


def from_json(data: object) -> Tokenizer:
    """The tokenizer that `to_json` described: the same ids for every text.

    Raises:
        ModelFileError: `data` is no such description. Nothing in it is trusted.
    """
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(kind, str) or kind not in _FROM_JSON:
        raise ModelFileError(
            "the tokenizer in this file is of no kind known here", "update grucli, or use another model"
        )
    return _FROM_JSON[kind](data)
