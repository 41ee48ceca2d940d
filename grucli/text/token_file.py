"""Token files: ids on disk, written as a stream and read through the page cache, in bounded memory.

A file is one page of header, a sealed document, then the ids in the smallest unsigned type for the vocabulary. Every
document begins with EOS: `EOS d1… EOS d2…`. The ids form a ring: the EOS after the last token of a document is the one
that begins the next. EOT separates the turns of a conversation.

Kernels use ids as indices without a check, so a file is compared with its digest when it is opened.
"""

import hashlib
import mmap
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from grucli.errors import GruError
from grucli.files import PRIVATE
from grucli.sealed import UnknownFormatError, seal, unseal
from grucli.text.tokenizers import EOS, Tokenizer

TextKind = Literal["comments", "conversations", "running text"]
"""What a text is, in the words that users read."""

_MAGIC = b"gru tokens\n"
_FORMAT = 2
_HEADER_BYTES = 4096
_CHUNK_TOKENS = 1 << 20


class TokenFileHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Header of a token file.

    vocab: vocabulary size. characters: code points of the text, without special tokens. unknown_bytes,
    unknown_characters: what is unknown of the text, in UTF-8 bytes and in code points. running_text: no document is a
    comment. conversations: some document has turns. ids_digest: of the bytes of the ids, in hexadecimal.
    """

    vocab: int
    tokens: int
    documents: int
    characters: int
    unknown_bytes: int
    unknown_characters: int
    running_text: bool
    conversations: bool
    ids_digest: str


class TokenFile:
    """A memory-mapped token file.

    ids uint8, uint16 or uint32 [tokens]: the ring, read-only. The other attributes are those of the header.
    """

    def __init__(self, path: Path) -> None:
        """Open the file at `path`.

        Raises:
            GruError: the file cannot be read, or is corrupt.
        """
        self.path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self.header = _parse_header(self._map[:_HEADER_BYTES])
            dtype = min_uint_dtype(self.header.vocab)
            if len(self._map) != _HEADER_BYTES + self.header.tokens * dtype.itemsize:
                raise ValueError("file size does not match the header")
            self.ids: NDArray[np.unsignedinteger] = np.frombuffer(self._map, dtype=dtype, offset=_HEADER_BYTES)
            self._check_ids()
        except (OSError, ValueError, RecursionError, UnknownFormatError) as error:
            raise self._corrupt_error(str(error)) from error
        self.vocab = self.header.vocab
        self.tokens = self.header.tokens
        self.documents = self.header.documents
        self.characters = self.header.characters
        self.unknown_bytes = self.header.unknown_bytes
        self.running_text = self.header.running_text
        self.conversations = self.header.conversations

    @property
    def unknown_share(self) -> float:
        """The fraction of the characters that are unknown."""
        return self.header.unknown_characters / max(self.characters, 1)

    def _check_ids(self) -> None:
        digest = hashlib.blake2b(digest_size=16)
        for start in range(0, self.header.tokens, _CHUNK_TOKENS):
            ids = self.ids[start : start + _CHUNK_TOKENS]
            digest.update(ids.data)
            if int(ids.max()) >= self.header.vocab:
                raise ValueError("ids beyond the vocabulary")
            self.drop_page_cache()
        if digest.hexdigest() != self.header.ids_digest:
            raise ValueError("checksum mismatch")

    def _corrupt_error(self, reason: str) -> GruError:
        return GruError(f"cannot read token file '{self.path}': {reason}", "remove it to rebuild it from the corpus")

    def read(self, positions: slice | NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the ids at `positions`, int32 in their shape, all of them below `vocab`.

        Raises:
            GruError: the file was changed after it was opened.
        """
        ids = self.ids[positions].astype(np.int32)
        if int(ids.max(initial=0)) >= self.vocab:
            raise self._corrupt_error("ids beyond the vocabulary")
        return ids

    def chunks(self) -> Iterator[tuple[int, NDArray[np.int32]]]:
        """Yield all ids in bounded memory: the position of the first id of a chunk, and the chunk.

        Raises:
            GruError: the file was changed after it was opened.
        """
        for start in range(0, self.tokens, _CHUNK_TOKENS):
            yield start, self.read(slice(start, start + _CHUNK_TOKENS))
            self.drop_page_cache()

    def token_counts(self) -> NDArray[np.int64]:
        """Return how often each token occurs, int64 [vocab]."""
        counts = np.zeros(self.vocab, np.int64)
        for _, ids in self.chunks():
            counts += np.bincount(ids, minlength=self.vocab)
        return counts

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
        self._tokens = self._documents = self._characters = self._unknown_bytes = self._unknown_characters = 0
        self._conversations = False
        self._digest = hashlib.blake2b(digest_size=16)

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
                self._file.write(_MAGIC + seal(_FORMAT, self.header()))
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
            unknown_characters=self._unknown_characters,
            running_text=self._running_text,
            conversations=self._conversations,
            ids_digest=self._digest.hexdigest(),
        )

    def _append(self, ids: NDArray[np.int32], characters: int, unknown_bytes: int) -> None:
        data = ids.astype(self._dtype).tobytes()
        self._digest.update(data)
        self._file.write(data)
        self._tokens += ids.size
        self._characters += characters
        self._unknown_bytes += unknown_bytes
        if unknown_bytes:
            self._unknown_characters += characters - int(self._tokenizer.token_lengths[ids].sum(dtype=np.int64))


def min_uint_dtype(vocab: int) -> np.dtype[np.unsignedinteger]:
    """Return the smallest of uint8, uint16 and uint32 for ids below `vocab`."""
    return np.dtype(np.uint8 if vocab <= 1 << 8 else np.uint16 if vocab <= 1 << 16 else np.uint32)


def text_kind(*, conversations: bool, running_text: bool) -> TextKind:
    """Return what a text is."""
    return "conversations" if conversations else "running text" if running_text else "comments"


def _parse_header(data: bytes) -> TokenFileHeader:
    if len(data) != _HEADER_BYTES or not data.startswith(_MAGIC):
        raise ValueError("not a token file of this version")
    parsed = unseal(data[len(_MAGIC) :].rstrip(b"\0"), _FORMAT, TokenFileHeader)
    if parsed.tokens < 1 or parsed.vocab < 1:
        raise ValueError("the file is empty")
    return parsed
