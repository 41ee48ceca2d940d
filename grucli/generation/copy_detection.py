"""Copy detection: an index of the training text that recognizes verbatim copies of LONG_WINDOW (50) or more characters.

The index is a Bloom filter beside the weights, from which no text can be recovered. It sees the text as the tokenizer
does, so unknown symbols and the borders of turns and documents end a copy. There are no false negatives. For n
characters the filter has b = min(16, 2^29 / n) bits per character; a window of 32 characters sets one bit, a window of
50 sets h = 0.4 b (1 to 6), so that a fraction f = 1 - e^(-(1 + h) / b) of all bits is set. Per character of a sample,

    any text is a false positive with probability f^(19 + h):   5e-12 (33 million characters), 2e-8 (100), 3e-6 (200)
    a patchwork of copies of 32 or more, with f^h:              0.002,                         0.2,        0.5

so one sample in a thousand is marked by mistake with 200 million characters, one in seven with 300 million; see
`CopyIndex.false_positive_rate`. Building takes 0.02 µs per character while the filter fits the caches, otherwise up to
0.1 µs: less than 10 s for 100 million characters on one core.
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
from grucli.generation.options import GenerationConfig, Sample, State, later_seed
from grucli.generation.sampler import Sampler
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
from grucli.model import packaged
from grucli.model.store import NOVELTY, OPTIMIZER
from grucli.sealed import UnknownFormatError, seal, unseal
from grucli.text.token_file import TokenFile
from grucli.text.tokenizers import Tokenizer

FORMAT = 3
MAX_LINES = 1 << 20
"""Limit on the 64-byte lines of a filter: 64 MiB."""

MAX_FILTERS = 16
"""Limit on the filters of an index: one per text of a model that was adapted repeatedly, newest first."""

MAX_ATTEMPTS_PER_SAMPLE = 20

_OTHER_MODEL_HINT = "use a model of your own: gru train CORPUS"
_MAGIC = b"gru novelty\n"
_LENGTH_PREFIX_BYTES = 4
_MAX_HEADER_BYTES = 1 << 16
_BITS_PER_CHAR = 16
_LONG_HASH_FRACTION = 0.4
_WARN_ABOVE = 0.01
_REFERENCE_SAMPLE_CHARS = 500


@dataclass(frozen=True)
class BloomFilter:
    """The windows of one text: bits uint64 [8 · lines], num_hashes per long window (see `grucli.kernels.bloom`)."""

    bits: Words
    num_hashes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSample(Sample):
    """A sample, the characters of its longest copy (0 if shorter than LONG_WINDOW), and whether it has none."""

    copied: int
    novel: bool


@dataclass(frozen=True)
class CopyIndex:
    """The training text of a model. fingerprint: of the last corpus. filters: one per text, newest first. complete: no
    training text is missing."""

    fingerprint: str
    filters: tuple[BloomFilter, ...]
    complete: bool

    def longest_copy(self, text: str) -> int:
        """Return the characters of the longest copy in `text`, 0 if it is shorter than LONG_WINDOW."""
        utf8 = np.frombuffer(text.encode("utf-8", "replace"), np.uint8)
        return max(longest_match(utf8, new_rolling_hash(), each.bits, each.num_hashes) for each in self.filters)

    def check(self, sample: Sample) -> CheckedSample:
        """Check the generated text of a sample, without its prompt."""
        copied = self.longest_copy(sample.text)
        return CheckedSample(**asdict(sample), copied=copied, novel=copied == 0)

    def warnings(self) -> list[str]:
        """Return warnings about the reliability of the index, one sentence each."""
        messages = []
        if not self.complete:
            messages.append("text that the model was trained on before its last training is not checked")
        if self.false_positive_rate > _WARN_ABOVE:
            messages.append(
                f"the text was too long for its index: {self.false_positive_rate:.0%} of samples are false positives"
            )
        return messages

    @property
    def false_positive_rate(self) -> float:
        """The probability that a sample of 500 characters without a copy is marked."""
        num_windows = _REFERENCE_SAMPLE_CHARS - LONG_WINDOW + 1
        novel = 1.0
        for each in self.filters:
            fill_fraction = float(np.bitwise_count(each.bits).sum(dtype=np.int64)) / (64 * each.bits.size)
            novel *= (1 - fill_fraction ** (LONG_WINDOW - SHORT_WINDOW + 1 + each.num_hashes)) ** num_windows
        return 1 - novel


def build_index(tokens: TokenFile, tokenizer: Tokenizer) -> Generator[int, None, BloomFilter]:
    """Build the filter of a text in bounded memory: yield the number of tokens read so far, return the filter.

    Raises:
        ValueError: the ids are not those of the tokenizer.
        GruError: the token file is corrupt.
    """
    if tokens.vocab > tokenizer.vocab_size:
        raise ValueError(f"ids below {tokens.vocab} for {tokenizer.vocab_size} tokens")
    bloom_filter = _empty_filter(tokens.characters)
    pieces = np.frombuffer(b"".join(tokenizer.pieces), np.uint8)
    starts = np.zeros(tokenizer.vocab_size + 1, np.int64)
    np.cumsum([len(piece) for piece in tokenizer.pieces], out=starts[1:])
    hash_state = new_rolling_hash()
    for start, ids in tokens.chunks():
        yield start
        bloom_add_tokens(ids, pieces, starts, hash_state, bloom_filter.bits, bloom_filter.num_hashes)
    return bloom_filter


def _empty_filter(characters: int) -> BloomFilter:
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
    """Yield samples from `state`, copies included, until n are novel or MAX_ATTEMPTS_PER_SAMPLE · n were generated.

    The first n have the seeds of `Sampler.generate`, the others the next ones; `in_order` is as there.

    Raises:
        GruError: at the end, if fewer than n samples are novel.
    """
    wanted, num_generated = n, 0
    while wanted and num_generated < MAX_ATTEMPTS_PER_SAMPLE * n:
        batch_size = min(wanted, MAX_ATTEMPTS_PER_SAMPLE * n - num_generated)
        for sample in sampler.generate(
            state, prompt, batch_size, replace(config, seed=later_seed(config.seed, num_generated)), in_order=in_order
        ):
            checked = index.check(sample)
            wanted -= checked.novel
            yield checked
        num_generated += batch_size
    if wanted:
        raise GruError(
            f"only {n - wanted:,} of {num_generated:,} samples are not copies, {n:,} wanted"
            if wanted < n
            else f"all {num_generated:,} samples are copies of the training text",
            "use a higher --temp, or train on more text",
        )


class _FilterShape(msgspec.Struct):
    lines: Annotated[int, msgspec.Meta(ge=1, le=MAX_LINES)]
    num_hashes: Annotated[int, msgspec.Meta(ge=1, le=MAX_HASHES)]


class _IndexContent(msgspec.Struct):
    fingerprint: str
    complete: bool
    sha256: str
    filters: Annotated[list[_FilterShape], msgspec.Meta(min_length=1, max_length=MAX_FILTERS)]


def save_index(path: Path, index: CopyIndex) -> None:
    """Write an index atomically.

    Raises:
        OSError: the file cannot be written; a previous file is unchanged.
    """
    shapes = [_FilterShape(each.bits.size // WORDS_PER_LINE, each.num_hashes) for each in index.filters]
    arrays = [np.ascontiguousarray(each.bits, "<u8") for each in index.filters]
    header = seal(FORMAT, _IndexContent(index.fingerprint, index.complete, _sha256(arrays), shapes))
    with atomic_writer(path, follow_symlinks=False) as file:
        file.write(_MAGIC + len(header).to_bytes(_LENGTH_PREFIX_BYTES, "little") + header)
        for array in arrays:
            file.write(array.data)


def load_index(path: Path) -> CopyIndex:
    """Load an index; its sizes are checked against the file size before any allocation.

    Raises:
        ModelFileError: the file is corrupt, has an unknown format, or is not an index.
        OSError: the file cannot be read.
    """
    hint = _rebuild_hint(path.parent)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError("not a regular file")
        with path.open("rb") as file:
            return _read_index(file)
    except UnknownFormatError as error:
        raise ModelFileError(f"unsupported format {error} of '{path}' (expected {FORMAT})", hint) from None
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise ModelFileError(f"copy index '{path}' is corrupt: {error}", hint) from None
    except MemoryError:
        raise ModelFileError(f"not enough memory for '{path}'", "close other programs") from None


def _rebuild_hint(directory: Path) -> str:
    # Only a run that is resumed builds the index of its model.
    if (directory / OPTIMIZER).exists():
        return f"build it where the corpus is: gru train CORPUS --name {directory.resolve().name} --resume"
    return _OTHER_MODEL_HINT


def _read_index(file: io.BufferedReader) -> CopyIndex:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("not a copy index")
    length = int.from_bytes(file.read(_LENGTH_PREFIX_BYTES), "little")
    if length > _MAX_HEADER_BYTES:
        raise ValueError(f"header of {length} bytes is too large")
    content = unseal(file.read(length), FORMAT, _IndexContent)
    available = os.fstat(file.fileno()).st_size - file.tell()
    if available != sum(8 * WORDS_PER_LINE * shape.lines for shape in content.filters):
        raise ValueError("file size does not match the header")
    arrays = [np.empty(WORDS_PER_LINE * shape.lines, "<u8") for shape in content.filters]
    for array in arrays:
        file.readinto(array.data.cast("B"))
    if _sha256(arrays) != content.sha256:
        raise ValueError("checksum mismatch")
    filters = (
        BloomFilter(array.astype(np.uint64, copy=False), shape.num_hashes)
        for array, shape in zip(arrays, content.filters, strict=True)
    )
    return CopyIndex(content.fingerprint, tuple(filters), content.complete)


def _sha256(arrays: list[Words]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.data)
    return digest.hexdigest()


def load_index_for(weights_path: Path, fingerprint: str) -> CopyIndex:
    """Load the index beside the weights file of a model whose corpus has this fingerprint.

    Raises:
        UsageError: there is no index, or it belongs to another text.
        ModelFileError: the index is corrupt.
        OSError: the index cannot be read.
    """
    if weights_path == packaged.path():
        raise UsageError(f"the packaged model '{packaged.NAME}' has no copy index", _OTHER_MODEL_HINT)
    path = weights_path.parent / NOVELTY
    hint = _rebuild_hint(path.parent)
    if not path.exists():
        raise UsageError(f"no copy index ('{NOVELTY}') beside '{weights_path}'", hint)
    index = load_index(path)
    if index.fingerprint != fingerprint:
        raise UsageError(f"'{path}' is not the copy index of '{weights_path.name}'", hint)
    return index
