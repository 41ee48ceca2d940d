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

from grucli.errors import GruError, NothingToDoError, UsageError
from grucli.read.row_report import DAMAGED, RowReport
from grucli.read.rows import read_rows, read_running_text
from grucli.read.sources import STDIN, OnBytes, Source, locate, read_raw
from grucli.text import tokenizers
from grucli.text.token_file import TokenFile, TokenWriter
from grucli.text.tokenizers import END, TURN, Tokenizer

OnProgress = Callable[[str, int, int | None], None]
"""Told a stage ("writing tokens"), the bytes of the corpus it has done, and how many there are, or None."""

_FORMAT = 2
"""Part of the key. To be raised whenever the same corpus and choices would give other files."""

_KEPT = 8
_ABANDONED = 86_400.0
"""Seconds after which an unfinished folder in the cache belongs to nobody any more."""

_BATCH = 1 << 20
_MORE = -1
"""The lead of a slice that goes on where the one before it stopped."""

_TRAIN, _HELD_OUT = "train.tokens", "held_out.tokens"


@dataclass(frozen=True)
class Corpus:
    """A corpus ready for training.

    `held_out` is None where nothing is held out. `fingerprint`: hexadecimal, of the text to train on and to split (its
    bytes, form and column), wherever it lies. `report`: the rows that were read and skipped, of all files together.
    """

    train: TokenFile
    held_out: TokenFile | None
    tokenizer: Tokenizer
    fingerprint: str
    report: RowReport
    running_text: bool
    conversations: bool


def prepare(
    sources: Sequence[str],
    *,
    column: str | None,
    tokenizer: str | Tokenizer,
    vocab: int | None,
    held_out: float,
    held_out_file: str | None,
    cache: Path,
    on_progress: OnProgress,
) -> Corpus:
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
    if not 0 <= held_out < 1:
        raise UsageError(f"a share of {held_out} cannot be held out", "choose --val from 0 up to, but not, 1")
    with _workshop(cache / "tokens") as work:
        named = [locate(name) for name in [*sources, *([held_out_file] if held_out_file is not None else [])]]
        found = _spooled(named, work, on_progress)
        prints = list(_fingerprints(found, column, on_progress))
        training = _Reading(found[: len(sources)], prints[: len(sources)], column, on_progress)
        apart = None if held_out_file is None else _Reading(found[-1:], prints[-1:], column, on_progress)
        fingerprint = _digest(prints[: len(sources)])
        choice = tokenizer if isinstance(tokenizer, str) else tokenizer.to_json()
        key = _digest([_FORMAT, fingerprint, choice, vocab, prints[-1] if apart else held_out])
        entry = cache / "tokens" / key
        names = [source.name for source in found]
        kept = _opened(entry, fingerprint, names)
        if kept is None:
            work.joinpath("entry").mkdir()
            _build(work / "entry", training, apart, tokenizer, vocab, held_out)
            kept = _put(work / "entry", entry, fingerprint, names)
        if kept is None:
            raise GruError(f"the token files in '{entry}' cannot be read back", "check the disk, or set GRU_HOME")
        _prune(cache / "tokens", entry)
    return kept


def fingerprint_of(source: str, on_progress: OnProgress) -> str:
    """The `Corpus.fingerprint` that a file has by itself, and without a `column`.

    Raises:
        UsageError: it cannot be read.
        GruError: the disk failed.
    """
    return _digest(list(_fingerprints([locate(source)], None, on_progress)))


def forget(cache: Path) -> list[Path]:
    """Remove the token files that are kept, since they hold the text of a corpus. What is being made just now stays.

    Gives the folders that could not be removed: on Windows, those that a run has open. Elsewhere a run goes on with
    what it has opened.
    """
    _prune(cache / "tokens", None)
    with suppress(OSError):
        return [path for path in (cache / "tokens").iterdir() if not path.name.startswith(".")]
    return []


class _Entry(msgspec.Struct, frozen=True):
    """What the cache keeps beside the token files. Its remarks have the place of a source among all, not the name."""

    tokenizer: dict[str, object]
    read: int
    skipped: dict[str, int]
    lines: dict[str, list[int]]
    remarks: list[tuple[int, str]]


class _Piece(NamedTuple):
    """A text with its lead (END, TURN or `_MORE`), and the place of its document between 0 and 1 for the split."""

    text: str
    lead: int
    place: float


class _Reading:
    """The documents of some sources, to be read any number of times."""

    def __init__(
        self, sources: Sequence[Source], prints: Sequence[str], column: str | None, on_progress: OnProgress
    ) -> None:
        self.sources = sources
        self.running_text = all(source.form == "txt" for source in sources)
        self._prints = prints
        self._column = column
        self._on_progress = on_progress

    def pieces(self, stage: str, report: RowReport) -> Iterator[_Piece]:
        """Every text of every document, in order; a long one in slices."""
        on_bytes = _counter(stage, self.sources, self._on_progress)
        for source, print_ in zip(self.sources, self._prints, strict=True):
            if source.form == "txt":
                lead, place = END, _place(print_)
                for text in read_running_text(source, report, on_bytes):
                    yield _Piece(text, lead, place)
                    lead = _MORE
                continue
            thread = None
            for row in read_rows(source, self._column, report, on_bytes):
                turn = row.thread is not None and row.thread == thread
                thread = row.thread
                yield _Piece(row.body, TURN if turn else END, _place(row.body if thread is None else post_of(thread)))

    def nothing(self, report: RowReport) -> GruError:
        """The error for a corpus without a text, with what became of its rows: a failure where it was damaged."""
        names = ", ".join(f"'{source.name}'" for source in self.sources)
        why = "; ".join(report.notes())
        what = f"there is no text in {names}" + (f" ({why})" if why else "")
        if DAMAGED in report.skipped:
            return GruError(what, "fetch or copy the file again")
        return NothingToDoError(what, "name a corpus with at least one comment")


@dataclass(frozen=True, slots=True)
class _Split:
    """Where the held-out part is: documents placed below `below`, or the characters from number `after` on."""

    below: float = 0.0
    after: int | None = None

    def apply(self, pieces: Iterable[_Piece]) -> Iterator[tuple[bool, _Piece]]:
        """Each piece, and whether it is held out. A slice of running text is cut in two where the split falls."""
        if self.after is None:
            yield from ((piece.place < self.below, piece) for piece in pieces)
            return
        passed = 0
        for piece in pieces:
            cut = min(max(self.after - passed, 0), len(piece.text))
            passed += len(piece.text)
            if cut:
                yield False, _Piece(piece.text[:cut], piece.lead, piece.place)
            if cut < len(piece.text):
                first = passed - len(piece.text) + cut == self.after
                yield True, _Piece(piece.text[cut:], END if first else piece.lead, piece.place)


def _split(reading: _Reading, share: float) -> _Split:
    """Place the split.

    Raises:
        NothingToDoError: there is no text.
        GruError: there is none before the damage.
    """
    report = RowReport()
    pieces = reading.pieces("measuring the corpus", report)
    if reading.running_text:
        characters = sum(len(piece.text) for piece in pieces)
        if not characters:
            raise reading.nothing(report)
        return _Split(after=max(1, int(characters * (1 - share))))
    first, last = math.inf, -math.inf
    for piece in pieces:
        first, last = min(first, piece.place), max(last, piece.place)
        if share == 0 or first < share <= last:
            return _Split(below=share)
    if last < 0:
        raise reading.nothing(report)
    # All documents fell on one side: the nearest one changes it, unless there is but one.
    return _Split(below=last if last < share else math.nextafter(first, 1.0) if first < last else 0.0)


def _build(
    folder: Path,
    training: _Reading,
    apart: _Reading | None,
    tokenizer: str | Tokenizer,
    vocab: int | None,
    share: float,
) -> None:
    """Make the files of a cache entry in `folder`."""
    split = _split(training, 0.0 if apart else share)
    if isinstance(tokenizer, str):
        pieces = split.apply(training.pieces("learning tokens", RowReport()))
        tokenizer = tokenizers.learn(tokenizer, (piece.text for held, piece in pieces if not held), vocab)
    report = RowReport()
    with ExitStack() as stack:
        writers: dict[bool, _Side] = {}
        for held, piece in split.apply(training.pieces("writing tokens", report)):
            if held not in writers:
                writers[held] = stack.enter_context(_side(folder, held, tokenizer, training.running_text))
            writers[held].add(piece)
    if apart is not None:
        with _side(folder, True, tokenizer, apart.running_text) as side:
            for piece in apart.pieces("writing tokens", report):
                side.add(piece)
        if side.empty:
            raise apart.nothing(report)
    names = [source.name for reading in (training, apart) if reading is not None for source in reading.sources]
    remarks = [(names.index(name), what) for name, what in report.remarks]
    entry = _Entry(tokenizer.to_json(), report.read, dict(report.skipped), report.lines, remarks)
    (folder / "corpus.json").write_bytes(msgspec.json.encode(entry))


class _Side:
    """Writes one side of the split, many short texts at a time."""

    def __init__(self, writer: TokenWriter) -> None:
        self._writer = writer
        self._texts: list[str] = []
        self._leads: list[int] = []
        self._size = 0
        self.empty = True

    def add(self, piece: _Piece) -> None:
        """Append a piece."""
        self.empty = False
        if piece.lead == _MORE:
            self.flush()
            self._writer.write_more(piece.text)
            return
        self._texts.append(piece.text)
        self._leads.append(piece.lead)
        self._size += len(piece.text)
        if self._size >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        if self._texts:
            self._writer.write_texts(self._texts, self._leads)
        self._texts, self._leads, self._size = [], [], 0


@contextmanager
def _side(folder: Path, held: bool, tokenizer: Tokenizer, running_text: bool) -> Iterator[_Side]:
    with TokenWriter(folder / (_HELD_OUT if held else _TRAIN), tokenizer, running_text=running_text) as writer:
        side = _Side(writer)
        yield side
        side.flush()


def _place(key: str) -> float:
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()) / 2.0**64


def post_of(thread: str) -> str:
    """The post's part of a thread: `t3_abc` of `t3_abc.2`, which is that post's path number 2."""
    post, dot, path = thread.rpartition(".")
    return post if dot and path.isdecimal() else thread


def _digest(value: object) -> str:
    return hashlib.blake2b(msgspec.json.encode(value), digest_size=16).hexdigest()


def _fingerprints(sources: Sequence[Source], column: str | None, on_progress: OnProgress) -> Iterator[str]:
    on_bytes = _counter("looking at the corpus", sources, on_progress)
    for source in sources:
        content = hashlib.blake2b(digest_size=16)
        for piece in read_raw(source, on_bytes):
            content.update(piece)
        yield _digest([source.form, source.compression, column, content.hexdigest()])


def _counter(stage: str, sources: Sequence[Source], on_progress: OnProgress) -> OnBytes:
    """Adds up the bytes read of some files, for `on_progress`."""
    total = sum(source.path.stat().st_size for source in sources if source.path is not None)
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        on_progress(stage, done, total)

    on_progress(stage, 0, total)
    return on_bytes


def _spooled(sources: list[Source], work: Path, on_progress: OnProgress) -> list[Source]:
    """The sources, with standard input copied to a file, since a corpus is read more than once.

    Raises:
        UsageError: standard input is named twice.
    """
    if [source.name for source in sources].count(STDIN) > 1:
        raise UsageError("standard input ('-') is named twice", "name it once")
    return [_spool(source, work, on_progress) if source.path is None else source for source in sources]


def _spool(source: Source, work: Path, on_progress: OnProgress) -> Source:
    path = work / "stdin"
    done = 0
    with path.open("wb") as file:
        for piece in read_raw(source):
            done += file.write(piece)
            on_progress("reading standard input", done, None)
    return Source("standard input", path, None)


@contextmanager
def _workshop(tokens: Path) -> Iterator[Path]:
    """A folder beside the cache entries, in which one is made; it disappears at the end.

    Raises:
        GruError: the disk is full or cannot be written.
    """
    try:
        tokens.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=tokens, ignore_cleanup_errors=True) as work:
            yield Path(work)
    except BrokenPipeError:
        raise  # whoever shows the progress lost its reader; the disk is well
    except OSError as error:
        raise GruError(
            f"token files cannot be written in '{tokens}': {error.strerror or error}",
            "make room there, or name another place with GRU_HOME",
        ) from error


def _opened(entry: Path, fingerprint: str, names: Sequence[str]) -> Corpus | None:
    """The corpus that a cache entry holds, its sources now called `names`; None where it is not there or not whole."""
    try:
        kept = msgspec.json.decode((entry / "corpus.json").read_bytes(), type=_Entry)
        tokenizer = tokenizers.from_json(kept.tokenizer)
        train = TokenFile(entry / _TRAIN)
        held_out = TokenFile(entry / _HELD_OUT) if (entry / _HELD_OUT).exists() else None
        remarks = [(names[place], what) for place, what in kept.remarks]
    except (OSError, ValueError, IndexError, GruError):
        return None
    if any(file is not None and file.vocab != tokenizer.size for file in (train, held_out)):
        return None
    return Corpus(
        train=train,
        held_out=held_out,
        tokenizer=tokenizer,
        fingerprint=fingerprint,
        report=RowReport(kept.read, Counter(kept.skipped), kept.lines, remarks),
        running_text=train.running_text,
        conversations=train.conversations,
    )


def _put(made: Path, entry: Path, fingerprint: str, names: Sequence[str]) -> Corpus | None:
    """Give a finished entry its name and open it. A whole one that another process put there meanwhile is as good."""
    try:
        made.rename(entry)
    except OSError:
        if _opened(entry, fingerprint, names) is None:
            shutil.rmtree(entry, ignore_errors=True)
            made.rename(entry)
    return _opened(entry, fingerprint, names)


def _prune(tokens: Path, used: Path | None) -> None:
    """Keep the entries used last, or none of them, and forget what a killed process left behind."""
    with suppress(OSError):
        if used is not None:
            os.utime(used)
        found = sorted(tokens.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        old = [path for path in found if not path.name.startswith(".")][_KEPT if used is not None else 0 :]
        left = [path for path in found if path.name.startswith(".") and _age(path) > _ABANDONED]
        for path in old + left:
            shutil.rmtree(path, ignore_errors=True)


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime
