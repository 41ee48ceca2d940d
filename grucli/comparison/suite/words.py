"""The words of a file, as the task of the Penn Treebank: rare ones are the same word, and a line ends with a word.

In a text of many words each word is one character, so that losses per character are losses per word, whatever is
in it. A run of `FULL_MINUTES` has the 929,000 words, the vocabulary and the 5 million parameters of the paper; in less
time words and parameters are both as much fewer as lets the text be read about as often.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from grucli.comparison.sizes import can_match
from grucli.comparison.suite.tasks import WORD_CELLS
from grucli.errors import EmptyInputError
from grucli.model.config import ModelConfig, num_parameters
from grucli.paths import cache_dir
from grucli.progress import Progress
from grucli.read.schema import ReadOptions
from grucli.text.dataset import CONTINUATION, open_source, read_split
from grucli.text.tokenizers.base import NUM_SPECIAL_TOKENS

FULL_MINUTES = 1600.0
MIN_WORDS = 10_000
_FULL_WORDS, _FULL_VOCAB, _FULL_PARAMETERS = 929_000, 10_000, 5_000_000
_VAL_FRACTION = 0.1
_UNKNOWN, _TREEBANK_UNKNOWN, _LINE_END = "unk", "<unk>", "\n"
_FIRST_CHARACTER = 0x4E00
"""Words are written as Chinese characters, from this one on: none is white space or a special token."""


@dataclass(frozen=True)
class WordText:
    """A text with one character per word and a line break after each line, and the size of the gru to train on it."""

    train: str
    val: str
    hidden: int
    vocab: int

    @property
    def digest(self) -> str:
        """What tells it from another one."""
        return hashlib.sha256(f"{self.hidden} {self.train}\0{self.val}".encode()).hexdigest()


def read_words(name: str, minutes: float, on_progress: Progress) -> WordText:
    """Read the words of a file, or of standard input ("-"), for a suite that takes `minutes`.

    Raises:
        UsageError: the file cannot be read, or has no text.
        EmptyInputError: it has too few words.
        GruError: the disk failed, or the file is corrupt.
    """
    share = math.sqrt(min(minutes / FULL_MINUTES, 1.0))
    wanted = max(round(_FULL_WORDS * share / (1 - _VAL_FRACTION)), MIN_WORDS)
    words = [_LINE_END]
    for word in _words(name, on_progress):
        if word != _LINE_END or words[-1] != _LINE_END:
            words.append(_UNKNOWN if word == _TREEBANK_UNKNOWN else word)
        if len(words) > wanted:
            break
    del words[0]
    if len(words) < MIN_WORDS:
        raise EmptyInputError(
            f"too few words in '{name}': {len(words) - words.count(_LINE_END):,}",
            f"use a text of at least {MIN_WORDS:,} words",
        )
    split = round(len(words) * (1 - _VAL_FRACTION))
    frequent = Counter(words[:split]).most_common(round(_FULL_VOCAB * math.sqrt(share)))
    known = [word for word, count in frequent if count > 1 and word not in (_LINE_END, _UNKNOWN)]
    characters = {word: chr(_FIRST_CHARACTER + 1 + index) for index, word in enumerate(known)} | {_LINE_END: _LINE_END}
    encoded = "".join(characters.get(word, chr(_FIRST_CHARACTER)) for word in words)
    vocab = len(known) + 2 + NUM_SPECIAL_TOKENS
    return WordText(encoded[:split], encoded[split:], _hidden_size(vocab, round(_FULL_PARAMETERS * share)), vocab)


def _words(name: str, on_progress: Progress) -> Iterator[str]:
    """Yield the words of a text, and a line end before each line or row; there may be several in a row."""
    with open_source(name, cache_dir(), on_progress) as source:
        for prefix_token, text in read_split(source, ReadOptions(), 0.0, "all", on_progress):
            for index, line in enumerate(text.split("\n")):
                if index > 0 or prefix_token != CONTINUATION:
                    yield _LINE_END
                yield from line.split()


def _hidden_size(vocab: int, parameters: int) -> int:
    """Return the size of a gru of at least so many parameters whose embedding is of that size too.

    It is one for which the other cells can have as many parameters.
    """
    configs = (ModelConfig("gru", vocab, size, size, 1) for size in count(1))
    large = (config for config in configs if num_parameters(config) >= parameters)
    return next(config.H for config in large if can_match(WORD_CELLS, config))
