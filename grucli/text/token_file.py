"""Token files: ids on disk, written as a stream and read through the page cache, in bounded memory.

A file is one page of header, then the ids in the smallest unsigned type for the vocabulary. Every document begins with
EOS: `EOS d1… EOS d2…`. The ids form a ring: the EOS after the last token of a document is the one that begins the next.
EOT separates the turns of a conversation.
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
from grucli.files import PRIVATE
from grucli.text.tokenizers import EOS, Tokenizer

_MAGIC = b"gru tokens 1\n"
_HEADER_BYTES = 4096


class TokenFileHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Header of a token file.

    vocab: vocabulary size. characters: code points of the text, without special tokens. unknown_bytes: UTF-8 bytes of
    the text that are unknown. running_text: no document is a comment. conversations: some document has turns.
    """

    vocab: int
    tokens: int
    documents: int
    characters: int
    unknown_bytes: int
    running_text: bool
    conversations: bool


class TokenFile:
    """A memory-mapped token file.

    ids uint8, uint16 or uint32 [tokens]: the ring, read-only. The other attributes are those of the header.
    """

    def __init__(self, path: Path) -> None:
        """Open the file at `path`.

        Raises:
            GruError: the file cannot be read, or is incomplete.
        """
        self.path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self.header = _parse_header(self._map[:_HEADER_BYTES])
            dtype = min_uint_dtype(self.header.vocab)
            if len(self._map) != _HEADER_BYTES + self.header.tokens * dtype.itemsize:
                raise ValueError("file size does not match the header")
        except (OSError, ValueError) as error:
            raise GruError(
                f"cannot read token file '{path}': {error}", "remove it to rebuild it from the corpus"
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
        """Tell the system that the pages read so far are not needed in memory (not on Windows)."""
        if sys.platform != "win32":
            self._map.madvise(mmap.MADV_DONTNEED)


class TokenWriter:
    """Writes a token file as a stream; the file is complete when the `with` block has ended."""

    def __init__(self, path: Path, tokenizer: Tokenizer, *, running_text: bool) -> None:
        self._path = path
        self._tokenizer = tokenizer
        self._dtype = min_uint_dtype(tokenizer.vocab_size)
        self._running_text = running_text
        self._tokens = self._documents = self._characters = self._unknown_bytes = 0
        self._conversations = False

    def __enter__(self) -> Self:
        self._path.touch(PRIVATE)
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
        """Append texts, each after its prefix token: EOS for a new document, EOT for a new turn."""
        ids, unknown_bytes = self._tokenizer.encode_batch(texts, prefix_tokens)
        num_documents = prefix_tokens.count(EOS)
        self._documents += num_documents
        self._conversations |= num_documents < len(prefix_tokens)
        self._append(ids, sum(map(len, texts)), unknown_bytes)

    def append_text(self, text: str) -> None:
        """Append the next slice of the current document."""
        ids, unknown_bytes = self._tokenizer.encode_with_unknown_count(text)
        self._append(ids, len(text), unknown_bytes)

    def header(self) -> TokenFileHeader:
        """Return the header for what has been written so far."""
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
    """Return the smallest of uint8, uint16 and uint32 for ids below `vocab`."""
    return np.dtype(np.uint8 if vocab <= 1 << 8 else np.uint16 if vocab <= 1 << 16 else np.uint32)


def _parse_header(data: bytes) -> TokenFileHeader:
    if len(data) != _HEADER_BYTES or not data.startswith(_MAGIC):
        raise ValueError("not a token file of this version")
    parsed = msgspec.json.decode(data[len(_MAGIC) :].rstrip(b"\0"), type=TokenFileHeader)
    if parsed.tokens < 1 or parsed.vocab < 1:
        raise ValueError("the file is empty")
    return parsed
