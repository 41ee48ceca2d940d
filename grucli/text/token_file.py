"""Token ids on disk, written as a stream and read through the page cache: memory does not follow the corpus.

A file is one page of header, then the ids in the smallest unsigned type that holds the vocabulary. Every document
begins with END: `END d1… END d2…`, to be read as a ring, in which the END after a document's last token is the one that
begins the next. Turns inside a conversation are separated by TURN.
"""

import mmap
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from grucli.errors import GruError
from grucli.text.tokenizers import EOS, Tokenizer

_MAGIC = b"gru tokens 1\n"
_HEADER_BYTES = 4096


class TokenFileHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of the ids in a file.

    `characters` counts the code points of the text, special tokens apart; `unknown_bytes` the UTF-8 bytes of it that
    became unknown tokens. `running_text`: no document is a comment. `conversations`: some document has turns.
    """

    vocab: int
    tokens: int
    documents: int
    characters: int
    unknown_bytes: int
    running_text: bool
    conversations: bool


class TokenFile:
    """A file of ids, memory-mapped.

    `ids` uint8, uint16 or uint32 [N]: the ring, read-only. `path`: the file. `facts` and, for short, `vocab`, `tokens`
    (N), `documents`, `characters`, `unknown_bytes`, `running_text`, `conversations`: what is known of it.
    """

    def __init__(self, path: Path) -> None:
        """Open the file at `path`.

        Raises:
            GruError: it is not there, or not whole.
        """
        self.path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self.header = _parse_header(self._map[:_HEADER_BYTES])
            dtype = min_uint_dtype(self.header.vocab)
            if len(self._map) != _HEADER_BYTES + self.header.tokens * dtype.itemsize:
                raise ValueError("its length is not what its header says")
        except (OSError, ValueError) as error:
            raise GruError(
                f"the token file '{path}' cannot be read: {error}", "remove it; it is made again from the corpus"
            ) from error
        self.ids: NDArray[np.unsignedinteger] = np.frombuffer(self._map, dtype=dtype, offset=_HEADER_BYTES)
        self.vocab = self.header.vocab
        self.tokens = self.header.tokens
        self.documents = self.header.documents
        self.characters = self.header.characters
        self.unknown_bytes = self.header.unknown_bytes
        self.running_text = self.header.running_text
        self.conversations = self.header.conversations

    def drop_page_cache(self) -> None:
        """Give the pages read so far back to the system, where it can be told; they are read again when needed."""
        if sys.platform != "win32":
            self._map.madvise(mmap.MADV_DONTNEED)


class TokenWriter:
    """Writes a file of ids as a stream, to be used in a `with` block; the file is whole when the block has ended."""

    def __init__(self, path: Path, tokenizer: Tokenizer, *, running_text: bool) -> None:
        self._path = path
        self._tokenizer = tokenizer
        self._dtype = min_uint_dtype(tokenizer.vocab_size)
        self._running_text = running_text
        self._tokens = self._documents = self._characters = self._unknown_bytes = 0
        self._conversations = False

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        self._file.write(bytes(_HEADER_BYTES))
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        with self._file:
            if exc_type is None:
                self._file.seek(0)
                self._file.write(_MAGIC + msgspec.json.encode(self.header()))
                self._file.flush()
                os.fsync(self._file.fileno())

    def write_texts(self, texts: Sequence[str], prefix_tokens: Sequence[int]) -> None:
        """Append texts, each behind its lead: END where a document begins, TURN where a turn does."""
        ids, unknown_bytes = self._tokenizer.encode_batch(texts, prefix_tokens)
        num_documents = prefix_tokens.count(EOS)
        self._documents += num_documents
        self._conversations |= num_documents < len(prefix_tokens)
        self._append(ids, sum(map(len, texts)), unknown_bytes)

    def append_text(self, text: str) -> None:
        """Append the next slice of the document that was begun last."""
        ids, unknown_bytes = self._tokenizer.encode_with_unknown_count(text)
        self._append(ids, len(text), unknown_bytes)

    def header(self) -> TokenFileHeader:
        """What has been written so far."""
        return TokenFileHeader(
            vocab=self._tokenizer.vocab_size,
            tokens=self._tokens,
            documents=self._documents,
            characters=self._characters,
            unknown_bytes=self._unknown_bytes,
            running_text=self._running_text,
            conversations=self._conversations,
        )

    def _append(self, ids: NDArray[np.int32], characters: int, unknown_bytes: int) -> None:
        self._file.write(ids.astype(self._dtype).tobytes())
        self._tokens += ids.size
        self._characters += characters
        self._unknown_bytes += unknown_bytes


def min_uint_dtype(vocab: int) -> np.dtype[np.unsignedinteger]:
    """The smallest of uint8, uint16 and uint32 that holds every id below `vocab`."""
    return np.dtype(np.uint8 if vocab <= 1 << 8 else np.uint16 if vocab <= 1 << 16 else np.uint32)


def _parse_header(data: bytes) -> TokenFileHeader:
    if len(data) != _HEADER_BYTES or not data.startswith(_MAGIC):
        raise ValueError("it is no token file of this version")
    parsed = msgspec.json.decode(data[len(_MAGIC) :].rstrip(b"\0"), type=TokenFileHeader)
    if parsed.tokens < 1 or parsed.vocab < 1:
        raise ValueError("it is empty")
    return parsed
