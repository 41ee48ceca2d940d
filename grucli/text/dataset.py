"""A corpus made ready for training: split, tokenised and kept as token files, whatever its size.

Its text is read as a stream, more than once, and never held: to place the split, to learn the tokenizer from the part
that is trained on, to write the ids. What was made is kept in the cache under a key of content and choices.
"""

import hashlib
import math
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from grucli.errors import EmptyInputError, GruError, UsageError
from grucli.read.row_report import CORRUPT, RowReport
from grucli.read.rows import read_rows, read_running_text
from grucli.read.sources import STDIN, ByteProgress, InputSource, read_raw, resolve_source
from grucli.text import tokenizers
from grucli.text.token_file import TokenFile, TokenWriter
from grucli.text.tokenizers import EOS, EOT, Tokenizer

StageProgress = Callable[[str, int, int | None], None]
"""Told a stage ("writing tokens"), the bytes of the corpus it has done, and how many there are, or None."""

_CACHE_FORMAT = 3
"""Part of the key. To be raised whenever the same corpus and choices would give other files."""

_MAX_CACHED = 8
_STALE_AFTER_SECONDS = 86_400.0
"""Seconds after which an unfinished folder in the cache belongs to nobody any more."""

_BATCH_CHARS = 1 << 20
_CONTINUATION = -1
"""The lead of a slice that goes on where the one before it stopped."""

_TRAIN_FILE, _VAL_FILE = "train.tokens", "held_out.tokens"


@dataclass(frozen=True)
class Dataset:
    """A corpus ready for training.

    `held_out` is None where nothing is held out. `fingerprint`: hexadecimal, of the text to train on and to split (its
    bytes, form and column), wherever it lies. `report`: the rows that were read and skipped, of all files together.
    """

    train: TokenFile
    val: TokenFile | None
    tokenizer: Tokenizer
    fingerprint: str
    report: RowReport
    running_text: bool
    conversations: bool


def prepare_dataset(
    sources: Sequence[str],
    *,
    column: str | None,
    tokenizer: str | Tokenizer,
    vocab: int | None,
    val_fraction: float,
    val_file: str | None,
    cache_dir: Path,
    on_progress: StageProgress,
) -> Dataset:
    """Split and tokenise a corpus, or find it in the cache.

    Running text is split by position: the last share of its characters is held out. Anything else is split by a hash of
    each document's thread (without its path number) or, where it has none, of its text, so that equal comments fall on
    one side. Of two different documents or more, at least one is on either side.

    Args:
        sources: files, or "-" for standard input.
        column: the column of the text, or None for the usual ones.
        tokenizer: the kind to learn, or one that is learned already.
        vocab: the size to learn, or None for the kind's default.
        held_out: the share to hold out, from 0 up to but not 1; not used with `held_out_file`.
        held_out_file: a corpus that is held out whole.
        cache: the folder of what can be made again.
        on_progress: called often.

    Raises:
        UsageError: a source that cannot be read or has no such column, or a value out of range.
        NothingToDoError: no text in the sources, or in `held_out_file`.
        GruError: the disk is full or cannot be written, or nothing can be read of a compressed source, for damage.
    """
    if not 0 <= val_fraction < 1:
        raise UsageError(f"a share of {val_fraction} cannot be held out", "choose --val from 0 up to, but not, 1")
    with _build_dir(cache_dir / "tokens") as build_dir:
        resolved = [resolve_source(name) for name in [*sources, *([val_file] if val_file is not None else [])]]
        input_sources = _with_spooled_stdin(resolved, build_dir, on_progress)
        fingerprints = list(_fingerprints(input_sources, column, on_progress))
        train_reader = _DocumentReader(input_sources[: len(sources)], fingerprints[: len(sources)], column, on_progress)
        val_reader = (
            None if val_file is None else _DocumentReader(input_sources[-1:], fingerprints[-1:], column, on_progress)
        )
        fingerprint = _digest(fingerprints[: len(sources)])
        tokenizer_key = tokenizer if isinstance(tokenizer, str) else tokenizer.to_json()
        key = _digest(
            [_CACHE_FORMAT, fingerprint, tokenizer_key, vocab, fingerprints[-1] if val_reader else val_fraction]
        )
        entry_dir = cache_dir / "tokens" / key
        names = [source.display_name for source in input_sources]
        dataset = _open_cached(entry_dir, fingerprint, names)
        if dataset is None:
            build_dir.joinpath("entry").mkdir()
            _build(build_dir / "entry", train_reader, val_reader, tokenizer, vocab, val_fraction)
            dataset = _publish(build_dir / "entry", entry_dir, fingerprint, names)
        if dataset is None:
            raise GruError(f"the token files in '{entry_dir}' cannot be read back", "check the disk, or set GRU_HOME")
        _prune(cache_dir / "tokens", entry_dir)
    return dataset


def file_fingerprint(source: str, on_progress: StageProgress) -> str:
    """The `Corpus.fingerprint` that a file has by itself, and without a `column`.

    Raises:
        UsageError: it cannot be read.
        GruError: the disk failed.
    """
    return _digest(list(_fingerprints([resolve_source(source)], None, on_progress)))


def clear_token_cache(cache_dir: Path) -> list[Path]:
    """Remove the token files that are kept, since they hold the text of a corpus. What is being made just now stays.

    Gives the folders that could not be removed: on Windows, those that a run has open. Elsewhere a run goes on with
    what it has opened.
    """
    _prune(cache_dir / "tokens", None)
    with suppress(OSError):
        return [path for path in (cache_dir / "tokens").iterdir() if not path.name.startswith(".")]
    return []


class _CacheEntry(msgspec.Struct, frozen=True):
    """What the cache keeps beside the token files. Its remarks have the place of a source among all, not the name."""

    tokenizer: dict[str, object]
    read: int
    skipped: dict[str, int]
    lines: dict[str, list[int]]
    warnings: list[tuple[int, str]]


class _TextPiece(NamedTuple):
    """A text with its lead (END, TURN or `_MORE`), and the place of its document between 0 and 1 for the split."""

    text: str
    prefix_token: int
    split_key: float


class _DocumentReader:
    """The documents of some sources, to be read any number of times."""

    def __init__(
        self,
        sources: Sequence[InputSource],
        fingerprints: Sequence[str],
        column: str | None,
        on_progress: StageProgress,
    ) -> None:
        self.sources = sources
        self.running_text = all(source.file_format == "txt" for source in sources)
        self._fingerprints = fingerprints
        self._column = column
        self._on_progress = on_progress

    def pieces(self, stage: str, report: RowReport) -> Iterator[_TextPiece]:
        """Every text of every document, in order; a long one in slices."""
        on_bytes = _byte_counter(stage, self.sources, self._on_progress)
        for source, fingerprint in zip(self.sources, self._fingerprints, strict=True):
            if source.file_format == "txt":
                prefix_token, split_key = EOS, _split_key(fingerprint)
                for text in read_running_text(source, report, on_bytes):
                    yield _TextPiece(text, prefix_token, split_key)
                    prefix_token = _CONTINUATION
                continue
            thread = None
            for row in read_rows(source, self._column, report, on_bytes):
                is_turn = row.thread is not None and row.thread == thread
                thread = row.thread
                yield _TextPiece(
                    row.body, EOT if is_turn else EOS, _split_key(row.body if thread is None else post_of(thread))
                )

    def empty_error(self, report: RowReport) -> GruError:
        """The error for a corpus without a text, with what became of its rows: a failure where it was damaged."""
        names = ", ".join(f"'{source.display_name}'" for source in self.sources)
        reasons = "; ".join(report.messages())
        message = f"there is no text in {names}" + (f" ({reasons})" if reasons else "")
        if CORRUPT in report.skipped:
            return GruError(message, "fetch or copy the file again")
        return EmptyInputError(message, "name a corpus with at least one comment")


@dataclass(frozen=True, slots=True)
class _Split:
    """Where the held-out part is: documents placed below `below`, or the characters from number `after` on."""

    val_below: float = 0.0
    val_from_char: int | None = None

    def apply(self, pieces: Iterable[_TextPiece]) -> Iterator[tuple[bool, _TextPiece]]:
        """Each piece, and whether it is held out. A slice of running text is cut in two where the split falls."""
        if self.val_from_char is None:
            yield from ((piece.split_key < self.val_below, piece) for piece in pieces)
            return
        position = 0
        for piece in pieces:
            boundary = min(max(self.val_from_char - position, 0), len(piece.text))
            position += len(piece.text)
            if boundary:
                yield False, _TextPiece(piece.text[:boundary], piece.prefix_token, piece.split_key)
            if boundary < len(piece.text):
                is_first_val = position - len(piece.text) + boundary == self.val_from_char
                yield (
                    True,
                    _TextPiece(piece.text[boundary:], EOS if is_first_val else piece.prefix_token, piece.split_key),
                )


def _find_split(reader: _DocumentReader, val_fraction: float) -> _Split:
    """Place the split.

    Raises:
        NothingToDoError: there is no text.
        GruError: there is none before the damage.
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
    # All documents fell on one side: the nearest one changes it, unless there is but one.
    return _Split(
        val_below=max_key if max_key < val_fraction else math.nextafter(min_key, 1.0) if min_key < max_key else 0.0
    )


def _build(
    directory: Path,
    train_reader: _DocumentReader,
    val_reader: _DocumentReader | None,
    tokenizer: str | Tokenizer,
    vocab: int | None,
    val_fraction: float,
) -> None:
    """Make the files of a cache entry in `folder`."""
    split = _find_split(train_reader, 0.0 if val_reader else val_fraction)
    if isinstance(tokenizer, str):
        pieces = split.apply(train_reader.pieces("learning tokens", RowReport()))
        tokenizer = tokenizers.train(tokenizer, (piece.text for is_val, piece in pieces if not is_val), vocab)
    report = RowReport()
    with ExitStack() as stack:
        writers: dict[bool, _SplitWriter] = {}
        for held, piece in split.apply(train_reader.pieces("writing tokens", report)):
            if held not in writers:
                writers[held] = stack.enter_context(
                    _open_split_writer(directory, held, tokenizer, train_reader.running_text)
                )
            writers[held].add(piece)
    if val_reader is not None:
        with _open_split_writer(directory, True, tokenizer, val_reader.running_text) as val_writer:
            for piece in val_reader.pieces("writing tokens", report):
                val_writer.add(piece)
        if val_writer.is_empty:
            raise val_reader.empty_error(report)
    names = [
        source.display_name
        for reading in (train_reader, val_reader)
        if reading is not None
        for source in reading.sources
    ]
    warnings = [(names.index(name), what) for name, what in report.warnings]
    entry = _CacheEntry(tokenizer.to_json(), report.read, dict(report.skipped), report.lines, warnings)
    (directory / "corpus.json").write_bytes(msgspec.json.encode(entry))


class _SplitWriter:
    """Writes one side of the split, many short texts at a time."""

    def __init__(self, writer: TokenWriter) -> None:
        self._writer = writer
        self._texts: list[str] = []
        self._prefix_tokens: list[int] = []
        self._num_chars = 0
        self.is_empty = True

    def add(self, piece: _TextPiece) -> None:
        """Append a piece."""
        self.is_empty = False
        if piece.prefix_token == _CONTINUATION:
            self.flush()
            self._writer.append_text(piece.text)
            return
        self._texts.append(piece.text)
        self._prefix_tokens.append(piece.prefix_token)
        self._num_chars += len(piece.text)
        if self._num_chars >= _BATCH_CHARS:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        if self._texts:
            self._writer.write_texts(self._texts, self._prefix_tokens)
        self._texts, self._prefix_tokens, self._num_chars = [], [], 0


@contextmanager
def _open_split_writer(
    directory: Path, is_val: bool, tokenizer: Tokenizer, running_text: bool
) -> Iterator[_SplitWriter]:
    with TokenWriter(
        directory / (_VAL_FILE if is_val else _TRAIN_FILE), tokenizer, running_text=running_text
    ) as writer:
        split_writer = _SplitWriter(writer)
        yield split_writer
        split_writer.flush()


def _split_key(key: str) -> float:
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()) / 2.0**64


def post_of(thread: str) -> str:
    """The post's part of a thread: `t3_abc` of `t3_abc.2`, which is that post's path number 2."""
    post, dot, path = thread.rpartition(".")
    return post if dot and path.isdecimal() else thread


def _digest(value: object) -> str:
    return hashlib.blake2b(msgspec.json.encode(value), digest_size=16).hexdigest()


def _fingerprints(sources: Sequence[InputSource], column: str | None, on_progress: StageProgress) -> Iterator[str]:
    on_bytes = _byte_counter("looking at the corpus", sources, on_progress)
    for source in sources:
        hasher = hashlib.blake2b(digest_size=16)
        for chunk in read_raw(source, on_bytes):
            hasher.update(chunk)
        yield _digest([source.file_format, source.compression, column, hasher.hexdigest()])


def _byte_counter(stage: str, sources: Sequence[InputSource], on_progress: StageProgress) -> ByteProgress:
    """Adds up the bytes read of some files, for `on_progress`."""
    total = sum(source.path.stat().st_size for source in sources if source.path is not None)
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        on_progress(stage, done, total)

    on_progress(stage, 0, total)
    return on_bytes


def _with_spooled_stdin(sources: list[InputSource], build_dir: Path, on_progress: StageProgress) -> list[InputSource]:
    """The sources, with standard input copied to a file, since a corpus is read more than once.

    Raises:
        UsageError: standard input is named twice.
    """
    if [source.display_name for source in sources].count(STDIN) > 1:
        raise UsageError("standard input ('-') is named twice", "name it once")
    return [_spool_stdin(source, build_dir, on_progress) if source.path is None else source for source in sources]


def _spool_stdin(source: InputSource, build_dir: Path, on_progress: StageProgress) -> InputSource:
    path = build_dir / "stdin"
    done = 0
    with path.open("wb") as file:
        for chunk in read_raw(source):
            done += file.write(chunk)
            on_progress("reading standard input", done, None)
    return InputSource("standard input", path, None)


@contextmanager
def _build_dir(tokens_dir: Path) -> Iterator[Path]:
    """A folder beside the cache entries, in which one is made; it disappears at the end.

    Raises:
        GruError: the disk is full or cannot be written.
    """
    try:
        tokens_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=tokens_dir, ignore_cleanup_errors=True) as directory:
            yield Path(directory)
    except BrokenPipeError:
        raise  # whoever shows the progress lost its reader; the disk is well
    except OSError as error:
        raise GruError(
            f"token files cannot be written in '{tokens_dir}': {error.strerror or error}",
            "make room there, or name another place with GRU_HOME",
        ) from error


def _open_cached(entry_dir: Path, fingerprint: str, names: Sequence[str]) -> Dataset | None:
    """The corpus that a cache entry holds, its sources now called `names`; None where it is not there or not whole."""
    try:
        cached = msgspec.json.decode((entry_dir / "corpus.json").read_bytes(), type=_CacheEntry)
        tokenizer = tokenizers.from_json(cached.tokenizer)
        train = TokenFile(entry_dir / _TRAIN_FILE)
        val = TokenFile(entry_dir / _VAL_FILE) if (entry_dir / _VAL_FILE).exists() else None
        warnings = [(names[place], what) for place, what in cached.warnings]
    except (OSError, ValueError, IndexError, GruError):
        return None
    if any(file is not None and file.vocab != tokenizer.vocab_size for file in (train, val)):
        return None
    return Dataset(
        train=train,
        val=val,
        tokenizer=tokenizer,
        fingerprint=fingerprint,
        report=RowReport(cached.read, Counter(cached.skipped), cached.lines, warnings),
        running_text=train.running_text,
        conversations=train.conversations,
    )


def _publish(built_dir: Path, entry_dir: Path, fingerprint: str, names: Sequence[str]) -> Dataset | None:
    """Give a finished entry its name and open it. A whole one that another process put there meanwhile is as good."""
    try:
        built_dir.rename(entry_dir)
    except OSError:
        if _open_cached(entry_dir, fingerprint, names) is None:
            shutil.rmtree(entry_dir, ignore_errors=True)
            built_dir.rename(entry_dir)
    return _open_cached(entry_dir, fingerprint, names)


def _prune(tokens_dir: Path, current: Path | None) -> None:
    """Keep the entries used last, or none of them, and forget what a killed process left behind."""
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
