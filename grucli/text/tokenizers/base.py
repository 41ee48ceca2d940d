"""Base class of tokenizers: an ordered list of pieces of text, and a way to split a text into them.

A piece is the UTF-8 bytes that a token adds to a text, so one decoder serves every kind: a text is the pieces of its
ids, joined. Special tokens add nothing. The ids do not depend on slicing a text before white space, so a corpus of any
length can be encoded slice by slice.
"""

import codecs
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from grucli.errors import ModelFileError, UsageError

UNK, EOS, EOT = 0, 1, 2
"""Ids of the special tokens in every tokenizer: unknown symbol, border of a document, end of a turn."""

NUM_SPECIAL_TOKENS = 3
MAX_VOCAB_SIZE = 1 << 20
MAX_PIECE_BYTES = 256
"""Longer words are unknown, and longer pieces in a file are refused."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def replace_surrogates(text: str) -> str:
    """Replace each lone surrogate, which has no UTF-8 encoding, by U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def check_vocab_size(vocab: int | None, min_size: int) -> None:
    """Check a vocabulary size, special tokens included.

    Raises:
        UsageError: `vocab` is below `min_size` or above MAX_VOCAB_SIZE.
    """
    if vocab is not None and not min_size <= vocab <= MAX_VOCAB_SIZE:
        raise UsageError(f"--vocab is {vocab}", f"use a --vocab from {min_size} to {MAX_VOCAB_SIZE}")


def validate_pieces(pieces: object, label: str) -> list[str]:
    """Return `pieces` as a list of distinct, non-empty texts of bounded length; `label` names them in errors.

    Raises:
        ModelFileError: `pieces` is anything else.
    """
    if not isinstance(pieces, list | tuple) or not all(isinstance(piece, str) for piece in pieces):
        raise corrupt_tokenizer_error(f"{label} are not a list of texts")
    if len(pieces) > MAX_VOCAB_SIZE - NUM_SPECIAL_TOKENS:
        raise corrupt_tokenizer_error(f"too many {label} ({len(pieces)})")
    for piece in pieces:
        if not piece or _SURROGATE.search(piece) or len(piece.encode()) > MAX_PIECE_BYTES:
            raise corrupt_tokenizer_error(f"one of the {label} is empty, too long or not text")
    if len(set(pieces)) != len(pieces):
        raise corrupt_tokenizer_error(f"duplicate {label}")
    return list(pieces)


def corrupt_tokenizer_error(reason: str) -> ModelFileError:
    """Return the error for a description that is not valid."""
    return ModelFileError(f"the tokenizer in this file is corrupt: {reason}", "use another model, or train it again")


class IncrementalDecoder:
    """Decodes ids one at a time; buffers the bytes of an incomplete character."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        """Return the characters that `token` completes; invalid bytes become U+FFFD."""
        return self._utf8.decode(self._pieces[token])

    def flush(self) -> str:
        """Return U+FFFD for an incomplete character, else nothing, and reset the decoder."""
        rest = self._utf8.decode(b"", final=True)
        self._utf8.reset()
        return rest


class Tokenizer(ABC):
    """Converts text to ids and back.

    pieces [V]: the UTF-8 bytes that each id adds to a text, b"" for special tokens. vocab_size: V. token_lengths int16
    [V]: code points that begin in each piece. pieces_are_words: a token always ends a word.
    """

    kind: ClassVar[str]
    pieces_are_words: ClassVar[bool] = False

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces: tuple[bytes, ...] = (b"",) * NUM_SPECIAL_TOKENS + tuple(pieces)
        self.vocab_size: int = len(self.pieces)
        self.token_lengths: NDArray[np.int16] = np.array(
            [sum(byte & 0xC0 != 0x80 for byte in piece) for piece in self.pieces], dtype=np.int16
        )

    @abstractmethod
    def encode_with_unknown_count(self, text: str) -> tuple[NDArray[np.int32], int]:
        """Return the ids of `text`, int32 [N], and the number of UTF-8 bytes that are unknown."""

    @abstractmethod
    def encode_batch(self, texts: Sequence[str], prefix_tokens: Sequence[int]) -> tuple[NDArray[np.int32], int]:
        """Return the ids of many texts, concatenated, int32 [N], and the number of UTF-8 bytes that are unknown.

        Args:
            texts: the texts.
            prefix_tokens: EOS or EOT, which precedes each text.
        """

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """Return the part of `text` per id; they join to `text`. A character that is spelled in bytes belongs to the
        last of them."""

    @abstractmethod
    def to_json(self) -> dict[str, object]:
        """Return a description of JSON types, from which `from_json` makes an equal tokenizer."""

    @abstractmethod
    def extend(self, texts: Iterable[str]) -> "Tokenizer":
        """Return this tokenizer with tokens for what it does not know of `texts`, or itself if nothing is missing.

        New are the characters (words for "word") that a tokenizer of the default size, trained on `texts`, would know.
        Their ids follow the present ones, which keep their meaning.
        """

    def known_characters(self) -> str:
        """Return the characters of which the tokenizer has a token or a part of one, other than bytes."""
        return "".join(sorted({char for piece in self.pieces for char in piece.decode("utf-8", "ignore")}))

    def missing(self, symbols: Iterable[str]) -> list[str]:
        """Return which of `symbols` are not pieces, in order, as many as there is room for."""
        known = set(self.pieces)
        return [symbol for symbol in symbols if symbol.encode() not in known][: MAX_VOCAB_SIZE - self.vocab_size]

    def encode(self, text: str) -> NDArray[np.int32]:
        """Return the ids of `text`, int32 [N]."""
        return self.encode_with_unknown_count(text)[0]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of `ids`; invalid bytes become U+FFFD."""
        return b"".join([self.pieces[token] for token in ids]).decode("utf-8", "replace")

    def decoder(self) -> IncrementalDecoder:
        """Return a decoder for a stream of ids."""
        return IncrementalDecoder(self.pieces)
