"""One token a word, with the space before it, so that joining the tokens of a text gives the text, spacing and all.

The cut is one pattern: words (letters, digits, inner apostrophes) and punctuation, each with at most one space in
front; runs of the commonest marks, of spaces and of newlines as one token; every other character by itself.
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
    replace_surrogates,
    resolve_vocab_size,
    validate_pieces,
)

DEFAULT_VOCAB = 8000
_MAX_COUNTED_WORDS = 200_000
_TOKEN_PATTERN = re.compile(
    r" ?(?:[^\W_]+(?:['’][^\W_]+)*"  # a word
    r"|\.+|!+|\?+|-+|\*+|_+|[^\w\s])"  # punctuation
    r"| +(?= \S)|\n+| +|\s"  # white space; a run of spaces leaves the last one to the word behind it
)


class WordTokenizer(Tokenizer):
    """Knows `words`, in the order of their ids."""

    kind = "word"
    pieces_are_words = True

    def __init__(self, words: Iterable[str]) -> None:
        self._ids = {word: number for number, word in enumerate(words, NUM_SPECIAL_TOKENS)}
        super().__init__(word.encode() for word in self._ids)

    def encode_with_unknown_count(self, text: str) -> tuple[NDArray[np.int32], int]:
        """The ids of `text`, int32 [N], and how many of its UTF-8 bytes became unknown tokens."""
        words = _TOKEN_PATTERN.findall(replace_surrogates(text))
        ids = self._look_up(words)
        return ids, _unknown_bytes(words, ids)

    def encode_batch(self, texts: Sequence[str], prefix_tokens: Sequence[int]) -> tuple[NDArray[np.int32], int]:
        """As for every tokenizer, in one look-up: each text takes an empty word in front, which its lead replaces."""
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
        """Its words, known or not."""
        return _TOKEN_PATTERN.findall(replace_surrogates(text))

    def to_json(self) -> dict[str, object]:
        """`{"kind": "word", "words": […]}`."""
        return {"kind": self.kind, "words": list(self._ids)}


def train(texts: Iterable[str], vocab: int | None) -> WordTokenizer:
    """Know the most frequent words of `texts`, at most `vocab` tokens in all (by default 8000).

    Raises:
        UsageError: a vocabulary out of range.
    """
    capacity = resolve_vocab_size(vocab, DEFAULT_VOCAB, NUM_SPECIAL_TOKENS + 1) - NUM_SPECIAL_TOKENS
    counts: Counter[str] = Counter()
    for words in _many_words(texts):
        counts.update(words)
        # A language never runs out of new words; those seen least make room, so that memory stays bounded.
        floor = 0
        while len(counts) > max(_MAX_COUNTED_WORDS, 4 * capacity):
            floor += 1
            counts = Counter({word: count for word, count in counts.items() if count > floor})
    known = [word for word in counts if len(word.encode()) <= MAX_PIECE_BYTES]
    return WordTokenizer(sorted(known, key=lambda word: (-counts[word], word))[:capacity])


def _many_words(texts: Iterable[str]) -> Iterator[list[str]]:
    """The words of the texts, many thousands at a time: counting them one comment at a time takes twice as long."""
    words: list[str] = []
    for text in texts:
        words += _TOKEN_PATTERN.findall(replace_surrogates(text))
        if len(words) >= _MAX_COUNTED_WORDS // 4:
            yield words
            words = []
    yield words


def _unknown_bytes(words: list[str], ids: NDArray[np.int32]) -> int:
    return sum(len(words[where].encode()) for where in np.flatnonzero(ids == UNK))


def from_json(data: dict[str, object]) -> WordTokenizer:
    """The tokenizer that `to_json` described.

    Raises:
        ModelFileError: it is no such description.
    """
    return WordTokenizer(validate_pieces(data.get("words"), "words"))
