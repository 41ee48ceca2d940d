"""Tokenizer with one token per word and the space before it, so that the tokens of a text join to the text.

One pattern splits: words (letters, digits, inner apostrophes) and punctuation, each with at most one space in front;
runs of the most common punctuation, of spaces and of newlines are one token; every other character is one.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from grucli.text.tokenizers.base import (
    MAX_PIECE_BYTES,
    NUM_SPECIAL_TOKENS,
    UNK,
    Tokenizer,
    check_vocab_size,
    replace_surrogates,
    validate_pieces,
)

DEFAULT_VOCAB = 8000
_MAX_COUNTED_WORDS = 200_000
_TOKEN_PATTERN = re.compile(
    r" ?(?:[^\W_]+(?:['’][^\W_]+)*"  # a word
    r"|\.+|!+|\?+|-+|\*+|_+|[^\w\s])"  # punctuation
    r"| +(?= \S)|\n+| +|\s"  # white space; the last one of a run of spaces belongs to the next word
)


class WordTokenizer(Tokenizer):
    """Tokenizer for `words`, in the order of their ids."""

    kind = "word"
    pieces_are_words = True

    def __init__(self, words: Iterable[str]) -> None:
        self._ids = {word: number for number, word in enumerate(words, NUM_SPECIAL_TOKENS)}
        super().__init__(word.encode() for word in self._ids)

    def encode_with_unknown_count(self, text: str) -> tuple[NDArray[np.int32], int]:
        """Return the ids of `text`, int32 [N], and the number of UTF-8 bytes that are unknown."""
        words = _TOKEN_PATTERN.findall(replace_surrogates(text))
        ids = self._look_up(words)
        return ids, _unknown_bytes(words, ids)

    def encode_batch(self, texts: Sequence[str], prefix_tokens: Sequence[int]) -> tuple[NDArray[np.int32], int]:
        """Return the ids of many texts, each after its prefix token."""
        # One look-up for all: each text has an empty word in front, which its prefix token replaces.
        words: list[str] = []
        positions = []
        for text, _ in zip(texts, prefix_tokens, strict=True):
            positions.append(len(words))
            words.append("")
            words += _TOKEN_PATTERN.findall(replace_surrogates(text))
        ids = self._look_up(words)
        ids[positions] = prefix_tokens
        return ids, _unknown_bytes(words, ids)

    def _look_up(self, words: list[str]) -> NDArray[np.int32]:
        return np.array(list(map(self._ids.get, words, repeat(UNK))), dtype=np.int32)

    def split(self, text: str) -> list[str]:
        """Return the words of `text`, known or not."""
        return _TOKEN_PATTERN.findall(replace_surrogates(text))

    def to_json(self) -> dict[str, object]:
        """Return {"kind": "word", "words": […]}."""
        return {"kind": self.kind, "words": list(self._ids)}

    def extend(self, texts: Iterable[str]) -> "WordTokenizer":
        """Return this tokenizer with the frequent words of `texts` added."""
        new = self.missing(train(texts, None)._ids)
        return WordTokenizer([*self._ids, *new]) if new else self


def train(texts: Iterable[str], vocab: int | None) -> WordTokenizer:
    """Train on the most frequent words of `texts`, up to `vocab` tokens in all (by default 8000).

    Raises:
        UsageError: `vocab` is out of range.
    """
    check_vocab_size(vocab, NUM_SPECIAL_TOKENS + 1)
    capacity = (DEFAULT_VOCAB if vocab is None else vocab) - NUM_SPECIAL_TOKENS
    counts: Counter[str] = Counter()
    for words in _many_words(texts):
        counts.update(words)
        # The number of different words is not bounded: the rarest ones are dropped to bound memory.
        floor = 0
        while len(counts) > max(_MAX_COUNTED_WORDS, 4 * capacity):
            floor += 1
            counts = Counter({word: count for word, count in counts.items() if count > floor})
    known = [word for word in counts if len(word.encode()) <= MAX_PIECE_BYTES]
    return WordTokenizer(sorted(known, key=lambda word: (-counts[word], word))[:capacity])


def _many_words(texts: Iterable[str]) -> Iterator[list[str]]:
    """The words of the texts, many thousands at a time: counting them per comment takes twice as long."""
    words: list[str] = []
    for text in texts:
        words += _TOKEN_PATTERN.findall(replace_surrogates(text))
        if len(words) >= _MAX_COUNTED_WORDS // 4:
            yield words
            words = []
    yield words


def _unknown_bytes(words: list[str], ids: NDArray[np.int32]) -> int:
    return sum(len(words[index].encode()) for index in np.flatnonzero(ids == UNK))


def from_json(data: dict[str, object]) -> WordTokenizer:
    """Return the tokenizer that `to_json` described.

    Raises:
        ModelFileError: `data` is not a valid description.
    """
    return WordTokenizer(validate_pieces(data.get("words"), "words"))
