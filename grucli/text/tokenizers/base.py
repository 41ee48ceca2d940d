"""What every tokenizer is: an ordered list of pieces of text, and a way to cut a text into them.

A piece is the UTF-8 bytes that a token adds to a text, so that one decoder serves every kind: a text is the pieces of
its ids, joined. The special tokens add nothing. Cutting a text gives the same ids wherever the text is read in slices
that end before white space, which lets a corpus of any length be encoded slice by slice.
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
"""Ids of the special tokens, the same in every tokenizer: a symbol that is not known, a document's border, and the
border between two turns of a conversation."""

NUM_SPECIAL_TOKENS = 3
MAX_VOCAB_SIZE = 1 << 20
MAX_PIECE_BYTES = 256
"""Bytes. Longer words are left unknown, and longer pieces in a file are refused."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def replace_surrogates(text: str) -> str:
    """Replace each lone surrogate, which is no character and has no UTF-8 bytes, by U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def resolve_vocab_size(vocab: int | None, default: int, min_size: int) -> int:
    """The vocabulary that was asked for, special tokens included.

    Raises:
        UsageError: it is smaller than `least` or larger than anything sensible.
    """
    if vocab is None:
        return default
    if not min_size <= vocab <= MAX_VOCAB_SIZE:
        raise UsageError(
            f"a vocabulary of {vocab} cannot be learned", f"choose --vocab between {min_size} and {MAX_VOCAB_SIZE}"
        )
    return vocab


def validate_pieces(pieces: object, label: str) -> list[str]:
    """`pieces` as a list of distinct, non-empty texts of bounded length.

    Raises:
        ModelFileError: it is anything else.
    """
    if not isinstance(pieces, list | tuple) or not all(isinstance(piece, str) for piece in pieces):
        raise corrupt_tokenizer_error(f"its {label} are not a list of texts")
    if len(pieces) > MAX_VOCAB_SIZE - NUM_SPECIAL_TOKENS:
        raise corrupt_tokenizer_error(f"it has {len(pieces)} {label}")
    for piece in pieces:
        if not piece or _SURROGATE.search(piece) or len(piece.encode()) > MAX_PIECE_BYTES:
            raise corrupt_tokenizer_error(f"one of its {label} is empty, too long or no text")
    if len(set(pieces)) != len(pieces):
        raise corrupt_tokenizer_error(f"one of its {label} is there twice")
    return list(pieces)


def corrupt_tokenizer_error(reason: str) -> ModelFileError:
    """The error for a tokenizer that cannot be read back."""
    return ModelFileError(f"the tokenizer in this file is damaged: {reason}", "use another model, or train it again")


class Decoder:
    """Turns ids into text one at a time, holding back the bytes of a character that is not whole yet."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        """The characters that `token` completes; bytes that can be no character become U+FFFD."""
        return self._utf8.decode(self._pieces[token])

    def flush(self) -> str:
        """What is left of an unfinished character (U+FFFD), and a decoder that is fresh again."""
        rest = self._utf8.decode(b"", final=True)
        self._utf8.reset()
        return rest


class Tokenizer(ABC):
    """Text to ids and back.

    `pieces` [V]: the UTF-8 bytes each id adds to a text, b"" for the special ones. `size`: V. `characters` int16 [V]:
    how many characters (code points) begin in each piece.
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
        """The ids of `text`, int32 [N], and how many of its UTF-8 bytes became unknown tokens."""

    @abstractmethod
    def encode_batch(self, texts: Sequence[str], prefix_tokens: Sequence[int]) -> tuple[NDArray[np.int32], int]:
        """The ids of many texts end to end, each behind its own special token, and the bytes that became unknown.

        Args:
            texts: what to encode.
            leads: END or TURN for each text.
        """

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """The part of `text` that each of its ids stands for; joined they are `text`. Of tokens that spell a character
        in bytes, the last one stands for it and the others for nothing."""

    @abstractmethod
    def to_json(self) -> dict[str, object]:
        """What `from_json` needs to make this tokenizer again, of JSON's own types."""

    def encode(self, text: str) -> NDArray[np.int32]:
        """The ids of `text`, int32 [N]."""
        return self.encode_with_unknown_count(text)[0]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; bytes that can be no character become U+FFFD."""
        return b"".join([self.pieces[token] for token in ids]).decode("utf-8", "replace")

    def decoder(self) -> Decoder:
        """A fresh decoder for a stream of ids."""
        return Decoder(self.pieces)
