"""Whether a model copies: an index of the text it learnt from, kept beside its weights, that knows copies of LONG
characters (50) and more when it sees them, and holds nothing that could be read.

A copy is always found, as the tokenizer shows the text to the model: what it does not know ends a copy, and so do the
borders of turns and documents. What is wrongly called a copy is a matter of room. With n characters there are
b = min(16, 2²⁹ / n) bits for each: a window of 32 characters sets one, a window of 50 sets h = 0.4 b (1 to 6), and a
share f = 1 - e^(-(1 + h) / b) of all bits is set in the end. At each of its characters,

    any text is taken for a copy with the chance f^(19 + h):   5e-12 to 33 million characters, 2e-8 at 100, 3e-6 at 200
    a patchwork of copies of 32 and more, with f^h:            0.002,                          0.2,         0.5

So up to 200 million characters one sample in a thousand at most is marked for nothing; with 300 million it is one in
seven. `Index.false_rate` says how many. To fill an index costs 0.02 µs a character while it fits the processor's caches
(a million characters), and up to 0.1 µs from there on: less than 10 s for 100 million, on one core.
"""

import hashlib
import io
import os
import stat
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from grucli.errors import GruError, ModelFileError, UsageError
from grucli.files import atomic_writer
from grucli.generation.sampler import GenerationConfig, Sample, Sampler, State
from grucli.kernels.bloom import (
    LONG_WINDOW,
    MAX_HASHES,
    SHORT_WINDOW,
    WORDS_PER_LINE,
    Words,
    bloom_add_tokens,
    longest_match,
    new_rolling_hash,
)
from grucli.model.store import NOVELTY
from grucli.text.token_file import TokenFile
from grucli.text.tokenizers import Tokenizer

FORMAT = 2
MAX_LINES = 1 << 20
"""Lines of 64 bytes in a filter: 64 MiB."""

MAX_FILTERS = 16
"""A model that was adapted to one text after another has a filter for each of the last so many."""

MAX_ATTEMPTS_PER_SAMPLE = 20
"""Samples that are drawn at most for each one that is wanted."""

_MAGIC = b"gru novelty\n"
_LENGTH_PREFIX_BYTES = 4
_MAX_HEADER_BYTES = 1 << 16
_BITS_PER_CHAR = 16  # for each character
_LONG_HASH_FRACTION = 0.4
_CHUNK_TOKENS = 1 << 20  # tokens
_WARN_ABOVE = 0.01
_REFERENCE_SAMPLE_CHARS = 500  # characters


@dataclass(frozen=True)
class BloomFilter:
    """The windows of one text. `bits` uint64 [8 · lines]; `strong`: how many a long window sets (`kernels.novelty`)."""

    bits: Words
    num_hashes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSample(Sample):
    """A sample, the characters of its longest copy (0: none of LONG), and whether it is without one."""

    copied: int
    novel: bool


@dataclass(frozen=True)
class CopyIndex:
    """What a model learnt from, to be recognised. `fingerprint` is that of the corpus it was trained on last.

    `filters`: one a text, the last one first. `whole`: no text that it learnt from is missing.
    """

    fingerprint: str
    filters: tuple[BloomFilter, ...]
    complete: bool

    def longest_copy(self, text: str) -> int:
        """The characters of the longest part of `text` that is a copy, 0 where none has LONG characters."""
        utf8 = np.frombuffer(text.encode("utf-8", "replace"), np.uint8)
        return max(longest_match(utf8, new_rolling_hash(), each.bits, each.num_hashes) for each in self.filters)

    def check(self, sample: Sample) -> CheckedSample:
        """Look for a copy in what was drawn; what the sample was told to go on from is not the model's doing."""
        copied = self.longest_copy(sample.text)
        return CheckedSample(**asdict(sample), copied=copied, novel=copied == 0)

    def warnings(self) -> list[str]:
        """What to know before the index is relied on: a sentence each."""
        messages = []
        if not self.complete:
            messages.append("what the model may have learnt before its last training is not looked at")
        if self.false_positive_rate > _WARN_ABOVE:
            messages.append(
                f"the text was too long for its index: {self.false_positive_rate:.0%} of samples are marked for nothing"
            )
        return messages

    @property
    def false_positive_rate(self) -> float:
        """The share of samples of 500 characters, none of them a copy, that are taken for one."""
        num_windows = _REFERENCE_SAMPLE_CHARS - LONG_WINDOW + 1
        novel = 1.0
        for each in self.filters:
            fill_fraction = float(np.bitwise_count(each.bits).sum(dtype=np.int64)) / (64 * each.bits.size)
            novel *= (1 - fill_fraction ** (LONG_WINDOW - SHORT_WINDOW + 1 + each.num_hashes)) ** num_windows
        return 1 - novel


def build_index(tokens: TokenFile, tokenizer: Tokenizer) -> Generator[int, None, BloomFilter]:
    """Read a text into a filter, yielding the tokens read so far; memory does not follow the text."""
    bloom_filter = _empty_filter(tokens.characters)
    pieces = np.frombuffer(b"".join(tokenizer.pieces), np.uint8)
    starts = np.zeros(tokenizer.vocab_size + 1, np.int64)
    np.cumsum([len(piece) for piece in tokenizer.pieces], out=starts[1:])
    hash_state = new_rolling_hash()
    for start in range(0, tokens.tokens, _CHUNK_TOKENS):
        yield start
        bloom_add_tokens(
            tokens.ids[start : start + _CHUNK_TOKENS].astype(np.int32),
            pieces,
            starts,
            hash_state,
            bloom_filter.bits,
            bloom_filter.num_hashes,
        )
        tokens.drop_page_cache()
    return bloom_filter


def _empty_filter(characters: int) -> BloomFilter:
    """An empty filter of the room that so many characters need, or the most there is."""
    lines = min(max(characters * _BITS_PER_CHAR // (64 * WORDS_PER_LINE), 1), MAX_LINES)
    bits_per_char = 64 * WORDS_PER_LINE * lines / max(characters, 1)
    return BloomFilter(
        np.zeros(WORDS_PER_LINE * lines, np.uint64), min(max(int(_LONG_HASH_FRACTION * bits_per_char), 1), MAX_HASHES)
    )


def generate_novel(
    sampler: Sampler,
    index: CopyIndex,
    state: State,
    prompt: str,
    n: int,
    config: GenerationConfig,
    *,
    in_order: bool = False,
) -> Iterator[CheckedSample]:
    """Samples from `state`, until n of them are novel or TRIES for each were drawn; those that are not come too.

    The first n have the seeds that `Sampler.write` gives them, and those drawn in the place of others the next ones;
    `in_order` is as there.

    Raises:
        GruError: at the end, that too few of them are novel.
    """
    wanted, num_generated = n, 0
    while wanted and num_generated < MAX_ATTEMPTS_PER_SAMPLE * n:
        batch_size = min(wanted, MAX_ATTEMPTS_PER_SAMPLE * n - num_generated)
        for sample in sampler.generate(
            state, prompt, batch_size, replace(config, seed=config.seed + num_generated), in_order=in_order
        ):
            checked = index.check(sample)
            wanted -= checked.novel
            yield checked
        num_generated += batch_size
    if wanted:
        raise GruError(
            f"of {num_generated:,} samples only {n - wanted:,} are no copies, and {n:,} were wanted"
            if wanted < n
            else f"all of {num_generated:,} samples are copies of the text that the model learnt from",
            "choose a higher --temp, or train on more text",
        )


class _FilterShape(msgspec.Struct):
    lines: Annotated[int, msgspec.Meta(ge=1, le=MAX_LINES)]
    num_hashes: Annotated[int, msgspec.Meta(ge=1, le=MAX_HASHES)]


class _IndexContent(msgspec.Struct):
    fingerprint: str
    complete: bool
    filters: Annotated[list[_FilterShape], msgspec.Meta(min_length=1, max_length=MAX_FILTERS)]


class _IndexEnvelope(msgspec.Struct):
    """The outer layer, never changed; `digest` is BLAKE2b of the content and of all that follows it."""

    format: int
    digest: str = ""
    content: msgspec.Raw = msgspec.Raw(b"null")


def save_index(path: Path, index: CopyIndex) -> None:
    """Write an index as the whole of `path`, atomically.

    Raises:
        OSError: the disk refused; what was there before is still there.
    """
    shapes = [_FilterShape(each.bits.size // WORDS_PER_LINE, each.num_hashes) for each in index.filters]
    content = msgspec.json.encode(_IndexContent(index.fingerprint, index.complete, shapes))
    arrays = [np.ascontiguousarray(each.bits, "<u8") for each in index.filters]
    digest = _digest(content, arrays)
    header = msgspec.json.encode(_IndexEnvelope(FORMAT, digest, msgspec.Raw(content)))
    with atomic_writer(path) as file:
        file.write(_MAGIC + len(header).to_bytes(_LENGTH_PREFIX_BYTES, "little") + header)
        for array in arrays:
            file.write(array.data)


def load_index(path: Path) -> CopyIndex:
    """Read an index back; nothing is allocated before its sizes have been held against the bytes that are there.

    Raises:
        ModelFileError: it is damaged, of an unknown version, or no index.
        OSError: it is not there, or the disk failed.
    """
    hint = "remove it, and run the training again with --resume: it is made anew"
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError("it is not a file")
        with path.open("rb") as file:
            return _read_index(file)
    except _UnknownFormatError as error:
        raise ModelFileError(
            f"'{path}' has format {error}, and this version of gru knows format {FORMAT}", hint
        ) from None
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise ModelFileError(f"the index '{path}' is damaged: {error}", hint) from None
    except MemoryError:
        raise ModelFileError(f"'{path}' does not fit into memory", "close programs") from None


class _UnknownFormatError(Exception):
    """The number of a format that is not ours to read."""


def _read_index(file: io.BufferedReader) -> CopyIndex:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it does not begin as one")
    length = int.from_bytes(file.read(_LENGTH_PREFIX_BYTES), "little")
    if length > _MAX_HEADER_BYTES:
        raise ValueError(f"its head of {length} bytes is larger than any")
    envelope = msgspec.json.decode(file.read(length), type=_IndexEnvelope)
    if envelope.format != FORMAT:
        raise _UnknownFormatError(envelope.format)
    content_bytes = bytes(envelope.content)
    content = msgspec.json.decode(content_bytes, type=_IndexContent)
    available = os.fstat(file.fileno()).st_size - file.tell()
    if available != sum(8 * WORDS_PER_LINE * shape.lines for shape in content.filters):
        raise ValueError("its length is not what its head says")
    arrays = [np.empty(WORDS_PER_LINE * shape.lines, "<u8") for shape in content.filters]
    for array in arrays:
        file.readinto(array.data.cast("B"))
    if _digest(content_bytes, arrays) != envelope.digest:
        raise ValueError("it does not hold what was saved")
    filters = (
        BloomFilter(array.astype(np.uint64, copy=False), shape.num_hashes)
        for array, shape in zip(arrays, content.filters, strict=True)
    )
    return CopyIndex(content.fingerprint, tuple(filters), content.complete)


def _digest(content: bytes, arrays: list[Words]) -> str:
    digest = hashlib.blake2b(content, digest_size=32)
    for array in arrays:
        digest.update(array.data)
    return digest.hexdigest()


def load_index_for(weights_path: Path, fingerprint: str) -> CopyIndex:
    """The index of the model in the file `weights`, whose corpus has this fingerprint.

    Raises:
        UsageError: there is none beside it, or that of another text.
        ModelFileError: it cannot be read.
        OSError: the disk failed.
    """
    path = weights_path.parent / NOVELTY
    hint = "where its text is, make one: gru train CORPUS --name NAME --resume, also if its training is over"
    if not path.exists():
        raise UsageError(f"'{weights_path}' has no index of the text it learnt from ('{NOVELTY}') beside it", hint)
    index = load_index(path)
    if index.fingerprint != fingerprint:
        raise UsageError(
            f"'{path}' is the index of another text than the model '{weights_path.name}' learnt from", hint
        )
    return index
