"""Prepared corpora: split, tokenized and stored as token files in a cache, whatever their size.

A corpus is read as a stream, several times: to find the split, to train the tokenizer on the training part, and to
write the ids. The cache key is a digest of content and options.
"""

import hashlib
import math
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from grucli.errors import EmptyInputError, GruError, UsageError
from grucli.files import make_private_dir, open_private
from grucli.progress import Progress, report_sum
from grucli.read.blocks import CORRUPT, RowReport
from grucli.read.fields import TEXT
from grucli.read.rows import read_rows, read_running_text
from grucli.read.schema import ReadOptions, Schema
from grucli.read.sources import InputSource, read_raw, resolve_source, resolve_sources
from grucli.sealed import UnknownFormatError, seal, unseal
from grucli.text import tokenizers
from grucli.text.token_file import TextKind, TokenFile, TokenWriter, text_kind
from grucli.text.tokenizers import EOS, EOT, Tokenizer
from grucli.text.tokenizers.char import count_characters

_CACHE_FORMAT = 8
"""A part of the key: raise it whenever the same corpus and options would give other files."""

_MAX_CACHED = 8
_STALE_AFTER_SECONDS = 86_400.0
"""Age of an incomplete directory in the cache at which its process must have been killed."""

_BATCH_CHARS = 1 << 20
CONTINUATION = -1
"""Prefix token of a slice that continues the one before it."""

_TRAIN_FILE, _VAL_FILE, _ENTRY_FILE = "train.tokens", "held_out.tokens", "corpus.json"
_REBUILT_MESSAGE = "had a corrupt token cache, which was rebuilt"


@dataclass(frozen=True, slots=True)
class BaseTokenizer:
    """The tokenizer of a model to start from, which is extended by what a text needs.

    A text of more than `max_characters` to train on, or of whose characters it knows less than `min_known_share`, gets
    a tokenizer of its own, and so does running text without `running_text`.
    """

    tokenizer: Tokenizer
    max_characters: int | None = None
    min_known_share: float = 0.0
    running_text: bool = True

    @property
    def limits(self) -> tuple[int | None, float, bool]:
        """Which texts it is used for."""
        return self.max_characters, self.min_known_share, self.running_text


class BaseFit(msgspec.Struct, frozen=True):
    """How a text to train on fits a base tokenizer.

    characters: of the text. known_share: the fraction of them that the tokenizer knows. fits: the tokenizer is used.
    """

    characters: int
    known_share: float
    fits: bool


@dataclass(frozen=True)
class Dataset:
    """A corpus ready for training.

    val: None without validation data. fingerprint: hexadecimal digest of the sources without `val_file` (bytes, format
    and how they are read, but not path). report: rows read and skipped in all files. base_fit: None without a base
    tokenizer.
    """

    train: TokenFile
    val: TokenFile | None
    tokenizer: Tokenizer
    fingerprint: str
    report: RowReport
    running_text: bool
    conversations: bool
    base_fit: BaseFit | None = None

    @property
    def kind(self) -> TextKind:
        """What the text is."""
        return text_kind(conversations=self.conversations, running_text=self.running_text)

    def text_figures(self) -> dict[str, Any]:
        """Return the figures of the text, as keyword arguments for a value that reports them."""
        return {
            "read": self.report.read,
            "dropped": dict(self.report.skipped),
            "placeholders": self.report.placeholders,
            "unknown_share": self.train.unknown_share,
        }


@contextmanager
def open_source(name: str, cache_dir: Path, on_progress: Progress) -> Iterator[InputSource]:
    """Open a source that can be read several times: a pipe is copied into a file, which is removed at the end.

    Raises:
        UsageError: the source cannot be read.
        GruError: the disk is full or not writable.
    """
    source = resolve_source(name)
    if source.path is not None and not source.path.is_fifo():
        yield source
        return
    with _build_dir(cache_dir / "tokens") as directory:
        yield _spool_pipe(source, directory, on_progress)


def prepare_dataset(
    sources: Sequence[str | InputSource],
    *,
    read: ReadOptions,
    tokenizer: str | Tokenizer | None,
    vocab: int | None,
    val_fraction: float,
    val_file: str | None,
    cache_dir: Path,
    on_progress: Progress,
    base: BaseTokenizer | None = None,
) -> Dataset:
    """Split and tokenize a corpus, or load it from the cache.

    Running text is split by position: the last `val_fraction` of its characters are validation data. Everything else is
    split by a hash of each document's thread (without its path number) or, if there is none, of its text, so that equal
    comments are on the same side. With two different documents or more, each side has at least one.

    Args:
        sources: files, "-" for standard input, or a source that is open.
        read: how to read the sources, and `val_file`.
        tokenizer: the kind to train, a trained one, or None for the kind that suits the text (with `vocab`, "char").
        vocab: the vocabulary size to train, or None for the default of the kind.
        val_fraction: the fraction of validation data, 0 to below 1; not used with `val_file`.
        val_file: a corpus that is validation data.
        cache_dir: the cache directory.
        on_progress: receives bytes of the corpus.
        base: a tokenizer to extend, if the text fits it, instead of training one.

    Raises:
        UsageError: a source cannot be read or has no such column, or a value is out of range.
        EmptyInputError: there is no text in the sources, or in `val_file`.
        GruError: the disk is full or not writable, or a compressed source is corrupt from the beginning.
    """
    if not 0 <= val_fraction < 1:
        raise UsageError(f"--val is {val_fraction}", "--val takes a number from 0 to below 1")
    with _build_dir(cache_dir / "tokens") as build_dir:
        resolved = resolve_sources([*sources, *([val_file] if val_file is not None else [])])
        # A corpus is read several times.
        input_sources = [
            source
            if source.path is not None and not source.path.is_fifo()
            else _spool_pipe(source, build_dir, on_progress)
            for source in resolved
        ]
        _check_has_columns(input_sources, read)
        fingerprints = list(_fingerprints(input_sources, read, on_progress))
        n = len(sources)
        train_reader = _DocumentReader(input_sources[:n], fingerprints[:n], read, on_progress)
        val_reader = None
        if val_file is not None:
            val_reader = _DocumentReader(input_sources[n:], fingerprints[n:], read, on_progress)
        fingerprint = _digest(fingerprints[:n])
        tokenizer = "char" if tokenizer is None and vocab is not None else tokenizer
        tokenizer_key = tokenizer.to_json() if isinstance(tokenizer, Tokenizer) else tokenizer
        val_key = fingerprints[n] if val_reader else val_fraction
        base_key = None if base is None else [base.tokenizer.to_json(), *base.limits]
        key = _digest([_CACHE_FORMAT, fingerprint, tokenizer_key, vocab, val_key, base_key])
        entry_dir = cache_dir / "tokens" / key
        names = [source.display_name for source in input_sources]
        was_cached, dataset = os.path.lexists(entry_dir), _open_cached(entry_dir, fingerprint, names)
        rebuilt = was_cached and dataset is None
        if dataset is None:
            build_dir.joinpath(key).mkdir(mode=0o700)
            _build(build_dir / key, train_reader, val_reader, tokenizer, vocab, val_fraction, base)
            dataset = _publish(build_dir / key, entry_dir, fingerprint, names)
        if dataset is None:
            raise GruError(f"cannot read the token files in '{entry_dir}'", "check the disk, or set GRU_HOME")
        if rebuilt:
            dataset.report.warnings.append((names[0], _REBUILT_MESSAGE))
        _prune(cache_dir / "tokens", entry_dir)
    return dataset


def _check_has_columns(sources: Sequence[InputSource], read: ReadOptions) -> None:
    """Refuse options about columns for running text alone.

    Raises:
        UsageError: there are such options.
    """
    flags = replace(read, encoding=None).flags()
    if flags and all(source.file_format == "txt" for source in sources):
        raise UsageError(f"'{sources[0].display_name}' is running text, without columns", f"remove {' '.join(flags)}")


def read_split(
    source: InputSource, read: ReadOptions, val_fraction: float, split: str, on_progress: Progress
) -> Iterator[tuple[int, str]]:
    """Yield the texts of a split of an open source as `prepare_dataset` writes them, each with its prefix token.

    The prefix token is EOS at the beginning of a document, EOT at that of a later turn, and CONTINUATION for the next
    slice of a text. split: "train" or "val"; anything else is the whole source.

    Raises:
        UsageError: as `prepare_dataset`.
        GruError: as `prepare_dataset`.
    """
    reader = _DocumentReader([source], [""], read, on_progress)
    found = _find_split(reader, val_fraction if split in ("train", "val") else 0.0)
    for is_val, piece in found.apply(reader.pieces("counting words", RowReport())):
        if is_val == (split == "val"):
            yield piece.prefix_token, piece.text


def file_fingerprint(source: str, on_progress: Progress) -> str:
    """Return the `Dataset.fingerprint` of a file on its own, read without options.

    Raises:
        UsageError: the file cannot be read.
        GruError: the disk failed.
    """
    return _digest(list(_fingerprints([resolve_source(source)], ReadOptions(), on_progress)))


def clear_token_cache(cache_dir: Path) -> list[Path]:
    """Remove all complete cache entries, since they hold text; return those that could not be removed.

    On Windows these are the ones that a run has open. Elsewhere a run continues with the files that it has open.
    """
    _prune(cache_dir / "tokens", None)
    with suppress(OSError):
        return [path for path in (cache_dir / "tokens").iterdir() if not path.name.startswith(".")]
    return []


class _CacheEntry(msgspec.Struct, frozen=True):
    """Metadata beside the token files, in a sealed document.

    `warnings` refer to a source by its index; `schemas` are in their order.

    key: the name of the entry. digests: of the ids of each token file, the training part first.
    """

    key: str
    digests: list[str]
    tokenizer: dict[str, object]
    read: int
    skipped: dict[str, int]
    lines: dict[str, list[int]]
    warnings: list[tuple[int, str]]
    schemas: list[Schema]
    placeholders: int
    base_fit: BaseFit | None


class _TextPiece(NamedTuple):
    """A text, its prefix token (EOS, EOT or CONTINUATION), and the hash of its document in [0, 1) for the split."""

    text: str
    prefix_token: int
    split_key: float


class _DocumentReader:
    """Reads the documents of some sources, any number of times."""

    def __init__(
        self,
        sources: Sequence[InputSource],
        fingerprints: Sequence[str],
        read: ReadOptions,
        on_progress: Progress,
    ) -> None:
        self.sources = sources
        self.running_text = all(source.file_format == "txt" for source in sources)
        self._fingerprints = fingerprints
        self._read = read
        self._on_progress = on_progress

    def pieces(self, stage: str, report: RowReport) -> Iterator[_TextPiece]:
        """The texts of all documents, in order; a long one in slices."""
        on_bytes = report_sum(self._on_progress, stage, _total_bytes(self.sources))
        for source, fingerprint in zip(self.sources, self._fingerprints, strict=True):
            if source.file_format == "txt":
                prefix_token, split_key = EOS, _split_key(fingerprint)
                for text in read_running_text(source, self._read, report, on_bytes):
                    yield _TextPiece(text, prefix_token, split_key)
                    prefix_token = CONTINUATION
                continue
            thread = None
            for row in read_rows(source, self._read, report, on_bytes):
                is_turn = row.thread is not None and row.thread == thread
                thread = row.thread
                yield _TextPiece(
                    row.body, EOT if is_turn else EOS, _split_key(row.body if thread is None else post_of(thread))
                )

    def empty_error(self, report: RowReport) -> GruError:
        """The error for a corpus without text, with the reasons; not an EmptyInputError if a source is corrupt."""
        names = ", ".join(f"'{source.display_name}'" for source in self.sources)
        reasons = "; ".join(report.messages())
        message = f"no text in {names}" + (f" ({reasons})" if reasons else "")
        if CORRUPT in report.skipped:
            return GruError(message, "fetch or copy the file again")
        return EmptyInputError(message, "use a corpus with at least one comment")


@dataclass(frozen=True, slots=True)
class _Split:
    """The validation part: documents with a hash below `val_below`, or the characters from `val_from_char`."""

    val_below: float = 0.0
    val_from_char: int | None = None

    def apply(self, pieces: Iterable[_TextPiece]) -> Iterator[tuple[bool, _TextPiece]]:
        """Yield whether each piece is validation data, and the piece; a slice at the boundary is split in two."""
        if self.val_from_char is None:
            yield from ((piece.split_key < self.val_below, piece) for piece in pieces)
            return
        position = 0
        for piece in pieces:
            boundary = min(max(self.val_from_char - position, 0), len(piece.text))
            if boundary:
                yield False, piece._replace(text=piece.text[:boundary])
            if boundary < len(piece.text):
                is_first_val = position + boundary == self.val_from_char
                prefix_token = EOS if is_first_val else piece.prefix_token
                yield True, piece._replace(text=piece.text[boundary:], prefix_token=prefix_token)
            position += len(piece.text)


def _find_split(reader: _DocumentReader, val_fraction: float) -> _Split:
    """Find the split.

    Raises:
        EmptyInputError: there is no text.
        GruError: the corpus is corrupt from the beginning.
    """
    report = RowReport()
    pieces = reader.pieces("measuring the corpus", report)
    if reader.running_text:
        characters = sum(len(piece.text) for piece in pieces)
        if not characters:
            raise reader.empty_error(report)
        return _Split(val_from_char=max(1, int(characters * (1 - val_fraction))))
    min_key, max_key = math.inf, -math.inf
    for piece in pieces:
        min_key, max_key = min(min_key, piece.split_key), max(max_key, piece.split_key)
        if val_fraction == 0 or min_key < val_fraction <= max_key:
            return _Split(val_below=val_fraction)
    if max_key < 0:
        raise reader.empty_error(report)
    # All documents are on one side: the one nearest to the boundary moves, unless there is only one.
    if max_key < val_fraction:
        return _Split(val_below=max_key)
    return _Split(val_below=math.nextafter(min_key, 1.0) if min_key < max_key else 0.0)


def _build(
    directory: Path,
    train_reader: _DocumentReader,
    val_reader: _DocumentReader | None,
    tokenizer: str | Tokenizer | None,
    vocab: int | None,
    val_fraction: float,
    base: BaseTokenizer | None,
) -> None:
    split = _find_split(train_reader, 0.0 if val_reader else val_fraction)

    def open_train_texts() -> Iterator[str]:
        pieces = split.apply(train_reader.pieces("learning tokens", RowReport()))
        return (piece.text for is_val, piece in pieces if not is_val)

    running_text, base_fit = train_reader.running_text, None
    if isinstance(tokenizer, str) and base is None:
        tokenizer = tokenizers.train(tokenizer, open_train_texts(), vocab)
    elif not isinstance(tokenizer, Tokenizer):
        counts = count_characters(open_train_texts())
        base_fit = None if base is None else _base_fit(base, counts, running_text=running_text)
        if base is not None and base_fit is not None and base_fit.fits:
            tokenizer = base.tokenizer.extend(open_train_texts())
        elif tokenizer is None:
            tokenizer = tokenizers.train_default(open_train_texts, counts, running_text=running_text)
        else:
            tokenizer = tokenizers.train(tokenizer, open_train_texts(), vocab)
    digests, report = _write_splits(directory, split, train_reader, val_reader, tokenizer)
    names = [source.display_name for source in [*train_reader.sources, *(val_reader.sources if val_reader else [])]]
    entry = _CacheEntry(
        key=directory.name,
        digests=digests,
        tokenizer=tokenizer.to_json(),
        read=report.read,
        skipped=dict(report.skipped),
        lines=report.lines,
        warnings=[(names.index(name), message) for name, message in report.warnings],
        schemas=report.schemas,
        placeholders=report.placeholders,
        base_fit=base_fit,
    )
    with open(directory / _ENTRY_FILE, "xb", opener=open_private) as file:
        file.write(seal(_CACHE_FORMAT, entry))


def _write_splits(
    directory: Path,
    split: _Split,
    train_reader: _DocumentReader,
    val_reader: _DocumentReader | None,
    tokenizer: Tokenizer,
) -> tuple[list[str], RowReport]:
    """Write the token files, that of the training text first; return the digests of their ids, and what was read."""
    report, writers = RowReport(), dict[bool, _SplitWriter]()
    with ExitStack() as stack:
        for is_val, piece in split.apply(train_reader.pieces("writing tokens", report)):
            if is_val not in writers:
                writer = _open_split_writer(directory, is_val, tokenizer, train_reader.running_text)
                writers[is_val] = stack.enter_context(writer)
            writers[is_val].add(piece)
    if val_reader is not None:
        with _open_split_writer(directory, True, tokenizer, val_reader.running_text) as writers[True]:
            for piece in val_reader.pieces("writing tokens", report):
                writers[True].add(piece)
        if writers[True].is_empty:
            raise val_reader.empty_error(report)
    return [writers[is_val].ids_digest for is_val in sorted(writers)], report


def _base_fit(base: BaseTokenizer, counts: NDArray[np.int64], *, running_text: bool) -> BaseFit:
    characters = int(counts.sum())
    known_share = int(counts[list(map(ord, base.tokenizer.known_characters()))].sum()) / max(characters, 1)
    is_small = base.max_characters is None or characters <= base.max_characters
    is_usual = base.running_text or not running_text
    return BaseFit(characters, known_share, is_usual and is_small and known_share >= base.min_known_share)


class _SplitWriter:
    """Writes one side of the split, many short texts at a time."""

    def __init__(self, writer: TokenWriter) -> None:
        self._writer = writer
        self._texts: list[str] = []
        self._prefix_tokens: list[int] = []
        self._num_chars = 0
        self.is_empty = True

    @property
    def ids_digest(self) -> str:
        return self._writer.header().ids_digest

    def add(self, piece: _TextPiece) -> None:
        self.is_empty = False
        if piece.prefix_token == CONTINUATION:
            self.flush()
            self._writer.append_text(piece.text)
            return
        self._texts.append(piece.text)
        self._prefix_tokens.append(piece.prefix_token)
        self._num_chars += len(piece.text)
        if self._num_chars >= _BATCH_CHARS:
            self.flush()

    def flush(self) -> None:
        if self._texts:
            self._writer.write_texts(self._texts, self._prefix_tokens)
        self._texts, self._prefix_tokens, self._num_chars = [], [], 0


@contextmanager
def _open_split_writer(
    directory: Path, is_val: bool, tokenizer: Tokenizer, running_text: bool
) -> Iterator[_SplitWriter]:
    path = directory / (_VAL_FILE if is_val else _TRAIN_FILE)
    with TokenWriter(path, tokenizer, running_text=running_text) as writer:
        split_writer = _SplitWriter(writer)
        yield split_writer
        split_writer.flush()


def _split_key(key: str) -> float:
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()) / 2.0**64


def post_of(thread: str) -> str:
    """Return the post of a thread: `t3_abc` for `t3_abc.2`, which is path 2 of that post."""
    post, dot, path = thread.rpartition(".")
    return post if dot and path.isdecimal() else thread


def _digest(value: object) -> str:
    return hashlib.blake2b(msgspec.json.encode(value), digest_size=16).hexdigest()


def _fingerprints(sources: Sequence[InputSource], read: ReadOptions, on_progress: Progress) -> Iterator[str]:
    on_bytes = report_sum(on_progress, "reading the corpus", _total_bytes(sources))
    others = replace(read, columns={name: column for name, column in read.columns.items() if name != TEXT})
    more = [asdict(others)] if others != ReadOptions() else []
    for source in sources:
        hasher = hashlib.blake2b(digest_size=16)
        for chunk in read_raw(source, on_bytes):
            hasher.update(chunk)
        yield _digest([source.file_format, source.compression, read.text_column, hasher.hexdigest(), *more])


def _total_bytes(sources: Sequence[InputSource]) -> int:
    return sum(source.path.stat().st_size for source in sources if source.path is not None)


def _spool_pipe(source: InputSource, directory: Path, on_progress: Progress) -> InputSource:
    name = "standard input" if source.path is None else source.display_name
    done, path = 0, directory / f"pipe-{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        on_progress(f"reading {name}", done, None)

    with open(path, "wb", opener=open_private) as file:
        for chunk in read_raw(source, on_bytes):
            file.write(chunk)
    return replace(source, display_name=name, path=path)


@contextmanager
def _build_dir(tokens_dir: Path) -> Iterator[Path]:
    """A temporary directory beside the cache entries, to build one in.

    Raises:
        GruError: the disk is full or not writable.
    """
    try:
        for cache in (tokens_dir.parent, tokens_dir):
            make_private_dir(cache)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=tokens_dir, ignore_cleanup_errors=True) as directory:
            yield Path(directory)
    except BrokenPipeError:
        raise  # from the progress display, not the disk
    except OSError as error:
        raise GruError(
            f"cannot write token files in '{tokens_dir}': {error.strerror or error}",
            "free some space, or set GRU_HOME to another directory",
        ) from error


def _open_cached(entry_dir: Path, fingerprint: str, names: Sequence[str]) -> Dataset | None:
    """The dataset of a cache entry, its sources now called `names`; None if it is missing, incomplete or corrupt."""
    try:
        cached = unseal((entry_dir / _ENTRY_FILE).read_bytes(), _CACHE_FORMAT, _CacheEntry)
        tokenizer = tokenizers.from_json(cached.tokenizer)
        train = TokenFile(entry_dir / _TRAIN_FILE)
        val = TokenFile(entry_dir / _VAL_FILE) if len(cached.digests) > 1 else None
        warnings = [(names[index], message) for index, message in cached.warnings]
        schemas = [replace(schema, name=names[index]) for index, schema in enumerate(cached.schemas)]
    except (OSError, ValueError, IndexError, RecursionError, UnknownFormatError, GruError):
        return None
    files = [train] if val is None else [train, val]
    if (cached.key, cached.digests) != (entry_dir.name, [file.header.ids_digest for file in files]):
        return None
    if any(file.vocab != tokenizer.vocab_size for file in files):
        return None
    return Dataset(
        train=train,
        val=val,
        tokenizer=tokenizer,
        fingerprint=fingerprint,
        report=RowReport(
            cached.read,
            Counter(cached.skipped),
            cached.lines,
            warnings,
            schemas,
            placeholders=cached.placeholders,
        ),
        running_text=train.running_text,
        conversations=train.conversations,
        base_fit=cached.base_fit,
    )


def _publish(built_dir: Path, entry_dir: Path, fingerprint: str, names: Sequence[str]) -> Dataset | None:
    """Rename a finished entry and open it, or a complete one that another process has put there meanwhile."""
    try:
        built_dir.rename(entry_dir)
    except OSError:
        if _open_cached(entry_dir, fingerprint, names) is None:
            shutil.rmtree(entry_dir, ignore_errors=True)
            with suppress(OSError):
                entry_dir.unlink()  # a file
            built_dir.rename(entry_dir)
    return _open_cached(entry_dir, fingerprint, names)


def _prune(tokens_dir: Path, current: Path | None) -> None:
    """Remove all but the entries used last (all without `current`), and what killed processes left."""
    with suppress(OSError):
        if current is not None:
            os.utime(current)
        entries = sorted(tokens_dir.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        old = [path for path in entries if not path.name.startswith(".")][_MAX_CACHED if current is not None else 0 :]
        stale = [path for path in entries if path.name.startswith(".") and _age_seconds(path) > _STALE_AFTER_SECONDS]
        for path in old + stale:
            shutil.rmtree(path, ignore_errors=True)


def _age_seconds(path: Path) -> float:
    return time.time() - path.stat().st_mtime
