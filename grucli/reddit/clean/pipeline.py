"""From files to a corpus: reads batches, has them cleaned, leaves out what came before, writes what is left.

One process, or many, give the same corpus byte for byte: batches are cut by the reader, and results come in order.
"""

import os
import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from itertools import chain, compress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from grucli.errors import UsageError
from grucli.files import OutputLock
from grucli.read.blocks import Block
from grucli.read.json_lines import without_halves
from grucli.read.records import Record, open_records
from grucli.read.row_report import RowReport
from grucli.read.rows import DEFAULT_COLUMN, PATIENCE, no_column, record_column, table_column
from grucli.read.sources import STDIN, OnBytes, Source, locate
from grucli.reddit.clean.batch import Batch, Cleaned, Job, batch_cleaner
from grucli.reddit.clean.dedup import NearlySeen, Seen
from grucli.reddit.clean.report import FIRST, SCHEMA, CleanReport
from grucli.reddit.clean.rules.config import Settings
from grucli.reddit.clean.rules.registry import RULES
from grucli.reddit.clean.worker_pool import Workers
from grucli.reddit.corpus.conversations import Threads
from grucli.reddit.corpus.pseudonyms import AuthorHash, author_key
from grucli.reddit.corpus.writer import COLUMNS, TURN_COLUMNS, CorpusWriter, Output, output, row_encoder

DUPLICATE, NEAR = "duplicate", "near-duplicate"
CONVERSATION = "conversation"
"""In the report, the rule of what is in no conversation."""

_ROWS = 500
_NAMES = 3
_WORTH_WORKERS = 1 << 25
"""Bytes of input from which several processes are worth the time it takes to begin them."""

_MOST_WORKERS = 8
"""More are only begun on demand: one process reads for all of them, and cannot feed any number."""

OnProgress = Callable[[int, CleanReport], None]
"""Told how many more bytes of the input have been read, and the report so far."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One cleaning. `output` is None for one that writes nothing; `workers` None for as many as are worth while.

    There are never more workers than cores. `min_turns`: with `replies`, the least turns of a conversation. `force`:
    replace a file that is there.

    Raises:
        UsageError: no sources, an output that must not be written, or options that do not go together.
    """

    sources: tuple[Source, ...]
    output: Output | None
    settings: Settings = field(default_factory=Settings)
    column: str | None = None
    near_duplicates: bool = False
    replies: bool = False
    min_turns: int | None = None
    workers: int | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if not self.sources:
            raise UsageError("there is no FILE to clean", "see: gru clean --help")
        if self.min_turns is not None and not self.replies:
            raise UsageError("--min-turns is for conversations", "give it together with --replies")
        self._refuse_idle()
        if self.output is not None:
            _check_output(self.output, self.sources, self.force)

    def _refuse_idle(self) -> None:
        """See that nothing is asked of a rule that is to be left out: it would be as if it had not been asked for."""
        unasked = Settings()
        asked = {
            each.name for each in fields(Settings) if getattr(self.settings, each.name) != getattr(unasked, each.name)
        }
        if self.near_duplicates:
            asked.add("near_duplicates")
        for rule in RULES:
            for option in rule.options if rule.name in self.settings.skip else ():
                name = option.removeprefix("--").replace("-", "_")
                if not asked.isdisjoint((name, f"{name}s")):  # what may be given more than once has a field of many
                    raise UsageError(
                        f"{option} and --skip-rule {rule.name} contradict each other", "leave out one of them"
                    )

    @property
    def size(self) -> int | None:
        """Bytes of all sources as they lie on the disk, None where that cannot be known."""
        paths = [source.path for source in self.sources]
        return sum(path.stat().st_size for path in paths if path is not None) if None not in paths else None


def locate_all(names: Iterable[str]) -> tuple[Source, ...]:
    """The sources that a user named.

    Raises:
        UsageError: one is not there, is no rows, or standard input is named twice.
    """
    sources = tuple(map(locate, names))
    if sum(source.path is None for source in sources) > 1:
        raise UsageError(f"standard input ('{STDIN}') is named twice", "name it once")
    for source in sources:
        if source.form == "txt":
            raise UsageError(
                f"'{source.name}' is one running text, and not comments", "name a dump, .jsonl, .csv, .tsv or .parquet"
            )
    return sources


def locate_output(name: str | None, replies: bool) -> Output:
    """The corpus to write that a user named, or forgot to name.

    Raises:
        UsageError: forgot, or it cannot hold what is to be written.
    """
    if name is None:
        raise UsageError("there is no -o FILE to write to", "name a .csv, .jsonl or .txt, or try --dry-run")
    return output(name, conversations=replies)


def pattern(text: str | None, option: str) -> re.Pattern[str] | None:
    """The regular expression that a user typed, None where none was.

    Raises:
        UsageError: it is none; `option` is named.
    """
    try:
        return None if text is None else re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(
            f"{option}: '{text}' is no regular expression: {error}", r"write one as Python has them, as in '\bcats?\b'"
        ) from error


def _check_output(output: Output, sources: Iterable[Source], force: bool) -> None:
    """See that a corpus may be written there: not in the place of a source nor, without `force`, of any other file."""
    path = output.path
    if not path.exists():
        return
    if any(source.path is not None and os.path.samefile(source.path, path) for source in sources):  # noqa: PTH121
        raise UsageError(f"'{path}' is to be read and to be written", "give the output another name")
    if path.is_file() and not force:
        raise UsageError(f"'{path}' exists already", "give another name to -o, or replace it with --force")


def clean(plan: Plan, on_progress: OnProgress | None = None) -> CleanReport:
    """Clean, and write what is kept. Where nothing is, nothing is written.

    Raises:
        UsageError: a source cannot be read, has no such column, or what is asked for cannot be had.
        BusyError: another process writes the same output.
        GruError: the disk failed, a source is damaged from its beginning on, or a worker process died.
        OSError: the output cannot be written.
    """
    began = time.perf_counter()
    report = CleanReport()
    told = on_progress or (lambda count, report: None)
    job = make_job(plan)
    workers = min(plan.workers or _worth_while(plan.size), _cores())
    # Beside workers there is no core to spare, and whoever feeds them waits for nothing but them.
    reading = Reading(plan, lambda count: told(count, report), reads_ahead=workers == 1)
    sieve = _Sieve(job)
    try:
        with ExitStack() as stack:
            if plan.output is not None:
                stack.enter_context(OutputLock(plan.output.path))
                _check_output(plan.output, plan.sources, plan.force)  # somebody may just have written it
            results = _results(stack, job, workers, reading.batches())
            write = stack.enter_context(_Corpus(plan, report))
            for cleaned in results:
                report.add_rows(cleaned.report, plan.sources[cleaned.source].name)
                _count(report, cleaned, plan)
                reading.check(cleaned)
                write.add(sieve.sift(cleaned, report, plan.sources[cleaned.source].name))
            reading.finish()
            for source, rows in zip(plan.sources, reading.reports, strict=True):
                report.add_rows(rows, source.name)
            write.finish()
            if not report.kept:
                raise _NothingKept
    except _NothingKept:
        pass
    report.notes += [*reading.notes(), *sieve.notes()]
    report.seconds = time.perf_counter() - began
    return report


def kept_rows(plan: Plan) -> Iterator[bytes]:
    """The rows that a cleaning keeps, encoded, before conversations are made of them; nothing is reported.

    Raises:
        UsageError, GruError: as `clean`.
    """
    job = make_job(plan)
    clean_batch, sieve = batch_cleaner(replace(job, alone=True)), _Sieve(job)
    for batch in Reading(plan, lambda count: None).batches():
        yield from sieve.sift(clean_batch(batch), CleanReport(), plan.sources[batch.source].name)


def counted_rules(settings: Settings, near_duplicates: bool) -> list[str]:
    """The names of the rules that may drop a comment in such a cleaning, in their order."""
    names = [
        rule.name
        for rule in RULES
        if rule.name not in settings.skip
        and (rule.judge or rule.name == DUPLICATE or (rule.judge_for and rule.judge_for(settings)))
    ]
    return [*names, NEAR] if near_duplicates else names


class _NothingKept(Exception):  # noqa: N818 - it takes the output back, and no user meets it
    """There is nothing to write."""


def make_job(plan: Plan) -> Job:
    """What is to be done with each batch. The user's key is made when it is needed and is not there yet."""
    form = plan.output.form if plan.output is not None else "csv"
    named = plan.output is not None and form != "txt"
    return Job(
        settings=plan.settings,
        form=form,
        hashed=AuthorHash(author_key()) if named else None,
        replies=plan.replies,
        exact=DUPLICATE not in plan.settings.skip,
        near=plan.near_duplicates,
    )


def _results(stack: ExitStack, job: Job, count: int, batches: Iterator[Batch]) -> Iterator[Cleaned]:
    clean_batch = batch_cleaner(replace(job, alone=count == 1))  # what cannot be had is told here, whoever works
    if count == 1:
        return map(clean_batch, batches)
    return stack.enter_context(Workers(job, count)).clean(batches)


def _worth_while(size: int | None) -> int:
    """How many processes to clean with, unasked: this one, which reads for all others, needs a core of its own."""
    return max(1, min(_MOST_WORKERS, _cores() - 1)) if size is not None and size >= _WORTH_WORKERS else 1


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _count(report: CleanReport, cleaned: Cleaned, plan: Plan) -> None:
    name = plan.sources[cleaned.source].name
    for verdict, (count, lines) in cleaned.dropped.items():
        report.drop(verdict, count, [(name, line) for line in lines])


class Reading:
    """The sources, as batches. `reports`: what became of the rows that are decoded here, by source."""

    def __init__(self, plan: Plan, on_bytes: OnBytes, *, reads_ahead: bool = False) -> None:
        self.reports = [RowReport() for _ in plan.sources]
        self._sources = plan.sources
        self._column = plan.column
        self._replies = plan.replies
        self._on_bytes = on_bytes
        self._reads_ahead = reads_ahead
        self._fields: dict[int, tuple[str, tuple[str, ...]]] = {}
        self._textless: dict[int, int] = {}
        self._answering: dict[int, bool] = {}

    def batches(self) -> Iterator[Batch]:
        """Every batch of every source.

        Raises:
            UsageError, GruError: as `open_records`, and for a table without the column, or one of conversations from
                which conversations are to be made.
        """
        for number, source in enumerate(self._sources):
            column, report = self._column or DEFAULT_COLUMN, self.reports[number]
            records = open_records(source, column, report, self._on_bytes, reads_ahead=self._reads_ahead)
            if records.blocks is not None:
                yield from self._blocks(number, records.blocks)
            elif records.columns is None:
                yield from self._named(number, records.rows)
            elif records.columns:
                self._refuse_conversations(number, records.columns)
                yield from _chunks(number, table_column(source, records, self._column), records.rows)

    def check(self, cleaned: Cleaned) -> None:
        """Give up a source of which the first rows, a thousand or all, have no field of the text.

        Raises:
            UsageError: that is so; it names the fields there.
        """
        number = cleaned.source
        if cleaned.rows:
            self._answering[number] = self._answering.get(number, False) or cleaned.answers
        if number not in self._fields:
            return
        without = cleaned.dropped.get(f"{SCHEMA}: no text", (0, []))[0]
        if cleaned.rows or without < sum(count for count, _ in cleaned.dropped.values()):
            del self._fields[number]
            return
        self._textless[number] = self._textless.get(number, 0) + without
        if self._textless[number] >= PATIENCE:
            self._refuse(number)

    def finish(self) -> None:
        """Give up the same way what had fewer rows, now that there are no more."""
        for number in self._textless:
            if number in self._fields:
                self._refuse(number)

    def notes(self) -> list[str]:
        """What should be known about it, once all is read: of what no conversation can be made."""
        silent = [repr(self._sources[number].name) for number, answers in self._answering.items() if not answers]
        if not self._replies or not silent:
            return []
        names = ", ".join(silent[:_NAMES]) + (", …" if len(silent) > _NAMES else "")
        return [f"no comment in {names} says what it replies to (parent_id): each is a conversation of its own"]

    def _refuse_conversations(self, number: int, fields: Collection[str]) -> None:
        """Give up a source of conversations from which they are to be made anew: it has lost what replies to what."""
        if self._replies and "thread" in fields and "turn" in fields and "parent_id" not in fields:
            raise UsageError(
                f"'{self._sources[number].name}' holds conversations already, of which --replies would make single "
                "comments",
                "train on it as it is, or name what it was made of",
            )

    def _refuse(self, number: int) -> None:
        raise no_column(self._sources[number], *self._fields[number])

    def _blocks(self, number: int, blocks: Iterator[Block]) -> Iterator[Batch]:
        first = next(blocks)
        column = self._column_of(number, _first_fields(first))
        for block in chain([first], blocks):
            yield Batch(number, column, block, [])

    def _named(self, number: int, rows: Iterator[Record]) -> Iterator[Batch]:
        first = next(rows, None)
        if first is not None:
            yield from _chunks(number, self._column_of(number, first.fields), chain([first], rows))

    def _column_of(self, number: int, fields: dict[str, object]) -> str:
        self._refuse_conversations(number, fields)
        column = record_column(fields, self._column)
        if fields and column not in fields:
            self._fields[number] = column, tuple(fields)
        return column


def _first_fields(block: Block) -> dict[str, object]:
    """The fields of a block's first row; none where that is no comment."""
    line = next((line for _, line in block.lines() if line is None or line.strip()), None)
    try:
        fields = msgspec.json.decode(without_halves(line or b"{}"))
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) and "data" not in fields else {}


def _chunks(number: int, column: str, rows: Iterator[Record]) -> Iterator[Batch]:
    chunk: list[Record] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _ROWS:
            yield Batch(number, column, None, chunk)
            chunk = []
    if chunk:
        yield Batch(number, column, None, chunk)


class _Sieve:
    """Leaves out what came before."""

    def __init__(self, job: Job) -> None:
        self._exact = Seen() if job.exact else None
        self._near = NearlySeen() if job.near else None

    def sift(self, cleaned: Cleaned, report: CleanReport, name: str) -> list[bytes]:
        """The rows of a batch that are new; the others are counted."""
        new = np.ones(len(cleaned.rows), np.bool_)
        if self._exact is not None:
            new = self._exact.fresh(np.frombuffer(cleaned.keys, np.uint64))
            self._drop(DUPLICATE, ~new, cleaned, report, name)
        if self._near is not None and cleaned.near is not None:
            first = self._near.fresh(cleaned.near, new)
            self._drop(NEAR, new & ~first, cleaned, report, name)
            new = first
        if not new.all():
            left = new.tolist()
            cleaned.characters = list(compress(cleaned.characters, left))
            cleaned.rows = list(compress(cleaned.rows, left))
        report.kept += len(cleaned.rows)
        report.characters += sum(cleaned.characters)
        return cleaned.rows

    def notes(self) -> list[str]:
        """What should be known about it."""
        return [
            f"{kind}s were looked for among the last {seen.looks_back:,} or more different comments"
            for kind, seen in ((DUPLICATE, self._exact), (NEAR, self._near))
            if seen is not None and seen.forgot
        ]

    def _drop(self, rule: str, which: NDArray[np.bool_], cleaned: Cleaned, report: CleanReport, name: str) -> None:
        places = np.flatnonzero(which)
        if len(places):
            report.drop(rule, len(places), [(name, cleaned.lines[place]) for place in places[:FIRST]])


class _Corpus:
    """What is kept, on its way to the output, if there is one; conversations are put together in between."""

    def __init__(self, plan: Plan, report: CleanReport) -> None:
        self._plan = plan
        self._report = report
        self._stack = ExitStack()
        self._threads: Threads | None = None
        self._writer: CorpusWriter | None = None

    def __enter__(self) -> Self:
        output, replies = self._plan.output, self._plan.replies
        with ExitStack() as stack:
            if output is not None:
                self._writer = stack.enter_context(CorpusWriter(output, TURN_COLUMNS if replies else COLUMNS))
            if replies:
                folder = Path(tempfile.gettempdir()) if output is None else output.path.absolute().parent
                self._threads = stack.enter_context(Threads(folder))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, rows: list[bytes]) -> None:
        """Take rows: encoded ones, or records for conversations."""
        if self._threads is not None:
            for row in rows:
                self._threads.add(row)
        elif self._writer is not None:
            self._writer.write(b"".join(rows))

    def finish(self) -> None:
        """Write the conversations, and count them, and what is in none."""
        if self._threads is None:
            return
        report = self._report
        report.conversations = report.kept = report.characters = 0
        encode = None if self._plan.output is None else row_encoder(self._plan.output.form, TURN_COLUMNS)
        for path in self._threads.paths(self._plan.min_turns or 1):
            report.conversations += 1
            report.kept += len(path)
            report.characters += sum(len(turn.body or "") for turn in path)
            if encode is not None and self._writer is not None:
                self._writer.write(b"".join(map(encode, path)))
        for reason, count in self._threads.left_out.items():
            report.drop(f"{CONVERSATION}: {reason}", count, [])
