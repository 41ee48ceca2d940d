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

UNKNOWN, END, TURN = 0, 1, 2
"""Ids of the special tokens, the same in every tokenizer: a symbol that is not known, a document's border, and the
border between two turns of a conversation."""

SPECIALS = 3
LARGEST_VOCAB = 1 << 20
LONGEST_PIECE = 256
"""Bytes. Longer words are left unknown, and longer pieces in a file are refused."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """Replace each lone surrogate, which is no character and has no UTF-8 bytes, by U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def chosen_vocab(vocab: int | None, default: int, least: int) -> int:
    """The vocabulary that was asked for, special tokens included.

    Raises:
        UsageError: it is smaller than `least` or larger than anything sensible.
    """
    if vocab is None:
        return default
    if not least <= vocab <= LARGEST_VOCAB:
        raise UsageError(
            f"a vocabulary of {vocab} cannot be learned", f"choose --vocab between {least} and {LARGEST_VOCAB}"
        )
    return vocab


def checked_pieces(pieces: object, what: str) -> list[str]:
    """`pieces` as a list of distinct, non-empty texts of bounded length.

    Raises:
        ModelFileError: it is anything else.
    """
    if not isinstance(pieces, list | tuple) or not all(isinstance(piece, str) for piece in pieces):
        raise damaged(f"its {what} are not a list of texts")
    if len(pieces) > LARGEST_VOCAB - SPECIALS:
        raise damaged(f"it has {len(pieces)} {what}")
    for piece in pieces:
        if not piece or _SURROGATE.search(piece) or len(piece.encode()) > LONGEST_PIECE:
            raise damaged(f"one of its {what} is empty, too long or no text")
    if len(set(pieces)) != len(pieces):
        raise damaged(f"one of its {what} is there twice")
    return list(pieces)


def damaged(why: str) -> ModelFileError:
    """The error for a tokenizer that cannot be read back."""
    return ModelFileError(f"the tokenizer in this file is damaged: {why}", "use another model, or train it again")


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

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces: tuple[bytes, ...] = (b"",) * SPECIALS + tuple(pieces)
        self.size: int = len(self.pieces)
        self.characters: NDArray[np.int16] = np.array(
            [sum(byte & 0xC0 != 0x80 for byte in piece) for piece in self.pieces], dtype=np.int16
        )

    @abstractmethod
    def encode_counting(self, text: str) -> tuple[NDArray[np.int32], int]:
        """The ids of `text`, int32 [N], and how many of its UTF-8 bytes became unknown tokens."""

    @abstractmethod
    def encode_all(self, texts: Sequence[str], leads: Sequence[int]) -> tuple[NDArray[np.int32], int]:
        """The ids of many texts end to end, each behind its own special token, and the bytes that became unknown.

        Args:
            texts: what to encode.
            leads: END or TURN for each text.
        """

    @abstractmethod
    def cut(self, text: str) -> list[str]:
        """The part of `text` that each of its ids stands for; joined they are `text`. Of tokens that spell a character
        in bytes, the last one stands for it and the others for nothing."""

    @abstractmethod
    def to_json(self) -> dict[str, object]:
        """What `from_json` needs to make this tokenizer again, of JSON's own types."""

    def encode(self, text: str) -> NDArray[np.int32]:
        """The ids of `text`, int32 [N]."""
        return self.encode_counting(text)[0]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; bytes that can be no character become U+FFFD."""
        return b"".join([self.pieces[token] for token in ids]).decode("utf-8", "replace")

    def decoder(self) -> Decoder:
        """A fresh decoder for a stream of ids."""
        return Decoder(self.pieces)
