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
from grucli.generation.sampler import Draw, Sample, Sampler, State
from grucli.kernels.bloom import LINE, LONG, MOST_STRONG, SHORT, Words, begin, longest_run, note
from grucli.model.store import NOVELTY
from grucli.text.token_file import TokenFile
from grucli.text.tokenizers import Tokenizer

FORMAT = 1
MOST_LINES = 1 << 20
"""Lines of 64 bytes in a filter: 64 MiB."""

MOST_FILTERS = 16
"""A model that was adapted to one text after another has a filter for each of the last so many."""

TRIES = 20
"""Samples that are drawn at most for each one that is wanted."""

_MAGIC = b"gru novelty\n"
_LENGTH = 4
_MAX_HEAD = 1 << 16
_BITS = 16  # for each character
_STRONG_SHARE = 0.4
_CHUNK = 1 << 20  # tokens
_WORTH_SAYING = 0.01
_USUAL_SAMPLE = 500  # characters


@dataclass(frozen=True)
class Filter:
    """The windows of one text. `bits` uint64 [8 · lines]; `strong`: how many a long window sets (`kernels.novelty`)."""

    bits: Words
    strong: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined(Sample):
    """A sample, the characters of its longest copy (0: none of LONG), and whether it is without one."""

    copied: int
    novel: bool


@dataclass(frozen=True)
class Index:
    """What a model learnt from, to be recognised. `fingerprint` is that of the corpus it was trained on last.

    `filters`: one a text, the last one first. `whole`: no text that it learnt from is missing.
    """

    fingerprint: str
    filters: tuple[Filter, ...]
    whole: bool

    def longest_copy(self, text: str) -> int:
        """The characters of the longest part of `text` that is a copy, 0 where none has LONG characters."""
        utf8 = np.frombuffer(text.encode("utf-8", "replace"), np.uint8)
        return max(longest_run(utf8, begin(), each.bits, each.strong) for each in self.filters)

    def examine(self, sample: Sample) -> Examined:
        """Look for a copy in what was drawn; what the sample was told to go on from is not the model's doing."""
        copied = self.longest_copy(sample.text)
        return Examined(**asdict(sample), copied=copied, novel=copied == 0)

    def remarks(self) -> list[str]:
        """What to know before the index is relied on: a sentence each."""
        found = []
        if not self.whole:
            found.append("what the model may have learnt before its last training is not looked at")
        if self.false_rate > _WORTH_SAYING:
            found.append(
                f"the text was too long for its index: {self.false_rate:.0%} of samples are marked for nothing"
            )
        return found

    @property
    def false_rate(self) -> float:
        """The share of samples of 500 characters, none of them a copy, that are taken for one."""
        places = _USUAL_SAMPLE - LONG + 1
        novel = 1.0
        for each in self.filters:
            share = float(np.bitwise_count(each.bits).sum(dtype=np.int64)) / (64 * each.bits.size)
            novel *= (1 - share ** (LONG - SHORT + 1 + each.strong)) ** places
        return 1 - novel


def index_text(tokens: TokenFile, tokenizer: Tokenizer) -> Generator[int, None, Filter]:
    """Read a text into a filter, yielding the tokens read so far; memory does not follow the text."""
    made = _filter_for(tokens.characters)
    pieces = np.frombuffer(b"".join(tokenizer.pieces), np.uint8)
    starts = np.zeros(tokenizer.size + 1, np.int64)
    np.cumsum([len(piece) for piece in tokenizer.pieces], out=starts[1:])
    walk = begin()
    for start in range(0, tokens.tokens, _CHUNK):
        yield start
        note(tokens.ids[start : start + _CHUNK].astype(np.int32), pieces, starts, walk, made.bits, made.strong)
        tokens.release()
    return made


def _filter_for(characters: int) -> Filter:
    """An empty filter of the room that so many characters need, or the most there is."""
    lines = min(max(characters * _BITS // (64 * LINE), 1), MOST_LINES)
    room = 64 * LINE * lines / max(characters, 1)
    return Filter(np.zeros(LINE * lines, np.uint64), min(max(int(_STRONG_SHARE * room), 1), MOST_STRONG))


def write_novel(
    sampler: Sampler, index: Index, state: State, prompt: str, n: int, draw: Draw, *, in_order: bool = False
) -> Iterator[Examined]:
    """Samples from `state`, until n of them are novel or TRIES for each were drawn; those that are not come too.

    The first n have the seeds that `Sampler.write` gives them, and those drawn in the place of others the next ones;
    `in_order` is as there.

    Raises:
        GruError: at the end, that too few of them are novel.
    """
    wanted, drawn = n, 0
    while wanted and drawn < TRIES * n:
        more = min(wanted, TRIES * n - drawn)
        for sample in sampler.write(state, prompt, more, replace(draw, seed=draw.seed + drawn), in_order=in_order):
            examined = index.examine(sample)
            wanted -= examined.novel
            yield examined
        drawn += more
    if wanted:
        raise GruError(
            f"of {drawn:,} samples only {n - wanted:,} are no copies, and {n:,} were wanted"
            if wanted < n
            else f"all of {drawn:,} samples are copies of the text that the model learnt from",
            "choose a higher --temp, or train on more text",
        )


class _Shape(msgspec.Struct):
    lines: Annotated[int, msgspec.Meta(ge=1, le=MOST_LINES)]
    strong: Annotated[int, msgspec.Meta(ge=1, le=MOST_STRONG)]


class _Content(msgspec.Struct):
    fingerprint: str
    whole: bool
    filters: Annotated[list[_Shape], msgspec.Meta(min_length=1, max_length=MOST_FILTERS)]


class _Envelope(msgspec.Struct):
    """The outer layer, never changed; `digest` is BLAKE2b of the content and of all that follows it."""

    format: int
    digest: str = ""
    content: msgspec.Raw = msgspec.Raw(b"null")


def save_index(path: Path, index: Index) -> None:
    """Write an index as the whole of `path`, atomically.

    Raises:
        OSError: the disk refused; what was there before is still there.
    """
    shapes = [_Shape(each.bits.size // LINE, each.strong) for each in index.filters]
    content = msgspec.json.encode(_Content(index.fingerprint, index.whole, shapes))
    arrays = [np.ascontiguousarray(each.bits, "<u8") for each in index.filters]
    digest = _digest(content, arrays)
    head = msgspec.json.encode(_Envelope(FORMAT, digest, msgspec.Raw(content)))
    with atomic_writer(path) as file:
        file.write(_MAGIC + len(head).to_bytes(_LENGTH, "little") + head)
        for array in arrays:
            file.write(array.data)


def load_index(path: Path) -> Index:
    """Read an index back; nothing is allocated before its sizes have been held against the bytes that are there.

    Raises:
        ModelFileError: it is damaged, of an unknown version, or no index.
        OSError: it is not there, or the disk failed.
    """
    todo = "remove it, and run the training again with --resume: it is made anew"
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError("it is not a file")
        with path.open("rb") as file:
            return _read(file)
    except _UnknownFormatError as error:
        raise ModelFileError(
            f"'{path}' has format {error}, and this version of gru knows format {FORMAT}", todo
        ) from None
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise ModelFileError(f"the index '{path}' is damaged: {error}", todo) from None
    except MemoryError:
        raise ModelFileError(f"'{path}' does not fit into memory", "close programs") from None


class _UnknownFormatError(Exception):
    """The number of a format that is not ours to read."""


def _read(file: io.BufferedReader) -> Index:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it does not begin as one")
    length = int.from_bytes(file.read(_LENGTH), "little")
    if length > _MAX_HEAD:
        raise ValueError(f"its head of {length} bytes is larger than any")
    envelope = msgspec.json.decode(file.read(length), type=_Envelope)
    if envelope.format != FORMAT:
        raise _UnknownFormatError(envelope.format)
    head = bytes(envelope.content)
    content = msgspec.json.decode(head, type=_Content)
    there = os.fstat(file.fileno()).st_size - file.tell()
    if there != sum(8 * LINE * shape.lines for shape in content.filters):
        raise ValueError("its length is not what its head says")
    arrays = [np.empty(LINE * shape.lines, "<u8") for shape in content.filters]
    for array in arrays:
        file.readinto(array.data.cast("B"))
    if _digest(head, arrays) != envelope.digest:
        raise ValueError("it does not hold what was saved")
    filters = (
        Filter(array.astype(np.uint64, copy=False), shape.strong)
        for array, shape in zip(arrays, content.filters, strict=True)
    )
    return Index(content.fingerprint, tuple(filters), content.whole)


def _digest(content: bytes, arrays: list[Words]) -> str:
    digest = hashlib.blake2b(content, digest_size=32)
    for array in arrays:
        digest.update(array.data)
    return digest.hexdigest()


def index_beside(weights: Path, fingerprint: str) -> Index:
    """The index of the model in the file `weights`, whose corpus has this fingerprint.

    Raises:
        UsageError: there is none beside it, or that of another text.
        ModelFileError: it cannot be read.
        OSError: the disk failed.
    """
    path = weights.parent / NOVELTY
    todo = "where its text is, make one: gru train CORPUS --name NAME --resume, also if its training is over"
    if not path.exists():
        raise UsageError(f"'{weights}' has no index of the text it learnt from ('{NOVELTY}') beside it", todo)
    index = load_index(path)
    if index.fingerprint != fingerprint:
        raise UsageError(f"'{path}' is the index of another text than the model '{weights.name}' learnt from", todo)
    return index
