"""Tokenizer with one token per character (code point); rare characters are unknown."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from grucli.text.tokenizers.base import (
    NUM_SPECIAL_TOKENS,
    Tokenizer,
    check_vocab_size,
    corrupt_tokenizer_error,
    replace_surrogates,
    validate_pieces,
)

DEFAULT_VOCAB = 512
"""Vocabulary size, special tokens included, that is enough for a text of few scripts."""

COVERAGE = 0.995
"""Fraction of all characters of a text that a vocabulary without a given size covers."""

_MAX_DEFAULT_VOCAB = 8192
_CODE_POINTS = 0x110000
_SLICE_CHARS = 1 << 20
_LONG_TEXT_CHARS = 10_000  # in longer texts, a character that occurs once is unknown, so that UNK is trained


class CharTokenizer(Tokenizer):
    """Tokenizer for the characters of `symbols`, in the order of their ids."""

    kind = "char"

    def __init__(self, symbols: str) -> None:
        super().__init__(symbol.encode() for symbol in symbols)
        self._symbols = symbols
        self._ids = np.zeros(_CODE_POINTS, dtype=np.int32)
        self._ids[_code_points(symbols)] = np.arange(NUM_SPECIAL_TOKENS, self.vocab_size, dtype=np.int32)

    def encode_with_unknown_count(self, text: str) -> tuple[NDArray[np.int32], int]:
        """Return the ids of `text`, int32 [N], and the number of UTF-8 bytes that are unknown."""
        points = _code_points(text)
        ids = self._ids[points]
        return ids, _utf8_length(points[ids == 0])

    def encode_batch(self, texts: Sequence[str], prefix_tokens: Sequence[int]) -> tuple[NDArray[np.int32], int]:
        """Return the ids of many texts, each after its prefix token."""
        if len(texts) != len(prefix_tokens):
            raise ValueError("texts and prefix_tokens differ in length")
        if not texts:
            return np.empty(0, dtype=np.int32), 0
        # One look-up for all: each text has a NUL in front, which its prefix token replaces.
        points = _code_points("\0" + "\0".join(texts))
        ids = self._ids[points]
        lengths = np.fromiter((len(text) + 1 for text in texts), dtype=np.int64, count=len(texts))
        ids[np.cumsum(lengths) - lengths] = prefix_tokens
        return ids, _utf8_length(points[ids == 0])

    def split(self, text: str) -> list[str]:
        """Return the characters of `text`."""
        return list(replace_surrogates(text))

    def to_json(self) -> dict[str, object]:
        """Return {"kind": "char", "symbols": "…"}."""
        return {"kind": self.kind, "symbols": self._symbols}

    def extend(self, texts: Iterable[str]) -> "CharTokenizer":
        """Return this tokenizer with the frequent characters of `texts` added."""
        new = self.missing(train(texts, None)._symbols)
        return CharTokenizer(self._symbols + "".join(new)) if new else self


def train(texts: Iterable[str], vocab: int | None) -> CharTokenizer:
    """Train on the most frequent characters of `texts`; see `from_counts`.

    Raises:
        UsageError: `vocab` is out of range.
    """
    return from_counts(count_characters(texts), vocab)


def count_characters(texts: Iterable[str]) -> NDArray[np.int64]:
    """Return how often each code point occurs in `texts`, int64 [0x110000]."""
    counts = np.zeros(_CODE_POINTS, dtype=np.int64)
    for slice_ in _slices(texts):
        counts += np.bincount(_code_points(slice_), minlength=_CODE_POINTS)
    return counts


def covering_vocab(counts: NDArray[np.int64]) -> int:
    """Return the least vocabulary size, special tokens included, that knows `COVERAGE` of all characters."""
    covered = np.cumsum(np.sort(counts[counts > 0])[::-1])
    return NUM_SPECIAL_TOKENS + int(np.searchsorted(covered, COVERAGE * covered[-1])) + 1 if covered.size else 0


def from_counts(counts: NDArray[np.int64], vocab: int | None) -> CharTokenizer:
    """Return the tokenizer of the most frequent characters, up to `vocab` tokens in all.

    By default these are 512, or as many more as cover 99.5% of the characters, up to 8192.

    Raises:
        UsageError: `vocab` is out of range.
    """
    default = max(DEFAULT_VOCAB, min(covering_vocab(counts), _MAX_DEFAULT_VOCAB))
    check_vocab_size(vocab, NUM_SPECIAL_TOKENS + 1)
    capacity = (default if vocab is None else vocab) - NUM_SPECIAL_TOKENS
    candidates = np.flatnonzero(counts >= (2 if counts.sum() > _LONG_TEXT_CHARS else 1))
    most_frequent = candidates[np.argsort(-counts[candidates], kind="stable")][:capacity]
    return CharTokenizer("".join(map(chr, most_frequent.tolist())))


def from_json(data: dict[str, object]) -> CharTokenizer:
    """Return the tokenizer that `to_json` described.

    Raises:
        ModelFileError: `data` is not a valid description.
    """
    symbols = data.get("symbols")
    if not isinstance(symbols, str):
        raise corrupt_tokenizer_error("symbols are not text")
    return CharTokenizer("".join(validate_pieces(tuple(symbols), "symbols")))


def _slices(texts: Iterable[str]) -> Iterator[str]:
    """The texts joined into slices of about a million characters: counting comments one by one is slow."""
    pending: list[str] = []
    size = 0
    for text in texts:
        pending.append(text)
        size += len(text)
        if size >= _SLICE_CHARS:
            yield "".join(pending)
            pending, size = [], 0
    yield "".join(pending)


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(replace_surrogates(text).encode("utf-32-le"), dtype="<u4")


def _utf8_length(points: NDArray[np.uint32]) -> int:
    return points.size + sum(int(np.count_nonzero(points >= least)) for least in (0x80, 0x800, 0x10000))
