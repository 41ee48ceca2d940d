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
from grucli.read.json_lines import replace_lone_surrogates
from grucli.read.records import Record, open_records
from grucli.read.row_report import RowReport
from grucli.read.rows import DEFAULT_COLUMN, MAX_ROWS_WITHOUT_COLUMN, missing_column_error, record_column, table_column
from grucli.read.sources import STDIN, ByteProgress, InputSource, resolve_source
from grucli.reddit.clean.batch import CleanedBatch, CleanJob, RawBatch, make_job_cleaner
from grucli.reddit.clean.dedup import LshIndex, RecentHashSet
from grucli.reddit.clean.report import MAX_EXAMPLES, SCHEMA, CleanReport
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.registry import RULES
from grucli.reddit.clean.worker_pool import WorkerPool
from grucli.reddit.corpus.conversations import ConversationBuilder
from grucli.reddit.corpus.pseudonyms import AuthorHasher, author_key
from grucli.reddit.corpus.writer import (
    COLUMNS,
    CONVERSATION_COLUMNS,
    CorpusWriter,
    OutputSpec,
    make_batch_encoder,
    open_corpus,
    parse_output,
)

DUPLICATE, NEAR_DUPLICATE = "duplicate", "near-duplicate"
CONVERSATION = "conversation"
"""In the report, the rule of what is in no conversation."""

_ROWS_PER_BATCH = 500
_MAX_NAMED = 3
_MIN_BYTES_FOR_WORKERS = 1 << 25
"""Bytes of input from which several processes are worth the time it takes to begin them."""

_MAX_DEFAULT_WORKERS = 8
"""More are only begun on demand: one process reads for all of them, and cannot feed any number."""

CleanProgress = Callable[[int, CleanReport], None]
"""Told how many more bytes of the input have been read, and the report so far."""


@dataclass(frozen=True, kw_only=True)
class CleanOptions:
    """One cleaning. `output` is None for one that writes nothing; `workers` None for as many as are worth while.

    There are never more workers than cores. `min_turns`: with `replies`, the least turns of a conversation. `force`:
    replace a file that is there.

    Raises:
        UsageError: no sources, an output that must not be written, or options that do not go together.
    """

    sources: tuple[InputSource, ...]
    output: OutputSpec | None
    rule_config: RuleConfig = field(default_factory=RuleConfig)
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
        self._check_skipped_rules()
        if self.output is not None:
            _check_output(self.output, self.sources, self.force)

    def _check_skipped_rules(self) -> None:
        """See that nothing is asked of a rule that is to be left out: it would be as if it had not been asked for."""
        defaults = RuleConfig()
        changed = {
            each.name
            for each in fields(RuleConfig)
            if getattr(self.rule_config, each.name) != getattr(defaults, each.name)
        }
        if self.near_duplicates:
            changed.add("near_duplicates")
        for rule in RULES:
            for option in rule.options if rule.name in self.rule_config.skip_rules else ():
                name = option.removeprefix("--").replace("-", "_")
                if not changed.isdisjoint((name, f"{name}s")):  # what may be given more than once has a field of many
                    raise UsageError(
                        f"{option} and --skip-rule {rule.name} contradict each other", "leave out one of them"
                    )

    @property
    def size(self) -> int | None:
        """Bytes of all sources as they lie on the disk, None where that cannot be known."""
        paths = [source.path for source in self.sources]
        return sum(path.stat().st_size for path in paths if path is not None) if None not in paths else None


def resolve_sources(names: Iterable[str]) -> tuple[InputSource, ...]:
    """The sources that a user named.

    Raises:
        UsageError: one is not there, is no rows, or standard input is named twice.
    """
    sources = tuple(map(resolve_source, names))
    if sum(source.path is None for source in sources) > 1:
        raise UsageError(f"standard input ('{STDIN}') is named twice", "name it once")
    for source in sources:
        if source.file_format == "txt":
            raise UsageError(
                f"'{source.display_name}' is one running text, and not comments",
                "name a dump, .jsonl, .csv, .tsv or .parquet",
            )
    return sources


def resolve_output(name: str | None, replies: bool) -> OutputSpec:
    """The corpus to write that a user named, or forgot to name.

    Raises:
        UsageError: forgot, or it cannot hold what is to be written.
    """
    if name is None:
        raise UsageError("there is no -o FILE to write to", "name a .csv, .jsonl or .txt, or try --dry-run")
    return parse_output(name, conversations=replies)


def compile_pattern(text: str | None, option: str) -> re.Pattern[str] | None:
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


def _check_output(output: OutputSpec, sources: Iterable[InputSource], force: bool) -> None:
    """See that a corpus may be written there: not in the place of a source nor, without `force`, of any other file."""
    path = output.path
    if not path.exists():
        return
    if any(source.path is not None and os.path.samefile(source.path, path) for source in sources):  # noqa: PTH121
        raise UsageError(f"'{path}' is to be read and to be written", "give the output another name")
    if path.is_file() and not force:
        raise UsageError(f"'{path}' exists already", "give another name to -o, or replace it with --force")


def clean(options: CleanOptions, on_progress: CleanProgress | None = None) -> CleanReport:
    """Clean, and write what is kept. Where nothing is, nothing is written.

    Raises:
        UsageError: a source cannot be read, has no such column, or what is asked for cannot be had.
        BusyError: another process writes the same output.
        GruError: the disk failed, a source is damaged from its beginning on, or a worker process died.
        OSError: the output cannot be written.
    """
    started_at = time.perf_counter()
    report = CleanReport()
    notify = on_progress or (lambda count, report: None)
    job = make_job(options)
    workers = min(options.workers or _default_workers(options.size), _cores())
    # Beside workers there is no core to spare, and whoever feeds them waits for nothing but them.
    reader = BatchReader(options, lambda count: notify(count, report), reads_ahead=workers == 1)
    deduplicator = _Deduplicator(job)
    try:
        with ExitStack() as stack:
            if options.output is not None:
                stack.enter_context(OutputLock(options.output.path))
                _check_output(options.output, options.sources, options.force)  # somebody may just have written it
            results = _iter_cleaned(stack, job, workers, reader.batches())
            sink = stack.enter_context(_CorpusSink(options, report))
            for cleaned in results:
                report.add_rows(cleaned.report, options.sources[cleaned.source_index].display_name)
                _count_dropped(report, cleaned, options)
                reader.check(cleaned)
                sink.add(deduplicator.filter_new(cleaned, report, options.sources[cleaned.source_index].display_name))
            reader.finish()
            for source, rows in zip(options.sources, reader.reports, strict=True):
                report.add_rows(rows, source.display_name)
            sink.finish()
            if not report.kept:
                raise _EmptyOutputError
    except _EmptyOutputError:
        pass
    report.notes += [*reader.notes(), *deduplicator.notes()]
    report.seconds = time.perf_counter() - started_at
    return report


def iter_kept_rows(options: CleanOptions) -> Iterator[bytes]:
    """The rows that a cleaning keeps, encoded, before conversations are made of them; nothing is reported.

    Raises:
        UsageError, GruError: as `clean`.
    """
    job = make_job(options)
    clean_batch, deduplicator = make_job_cleaner(replace(job, single_process=True)), _Deduplicator(job)
    for batch in BatchReader(options, lambda count: None).batches():
        yield from deduplicator.filter_new(
            clean_batch(batch), CleanReport(), options.sources[batch.source_index].display_name
        )


def counted_rules(config: RuleConfig, near_duplicates: bool) -> list[str]:
    """The names of the rules that may drop a comment in such a cleaning, in their order."""
    names = [
        rule.name
        for rule in RULES
        if rule.name not in config.skip_rules
        and (rule.check or rule.name == DUPLICATE or (rule.make_check and rule.make_check(config)))
    ]
    return [*names, NEAR_DUPLICATE] if near_duplicates else names


class _EmptyOutputError(Exception):
    """There is nothing to write."""


def make_job(options: CleanOptions) -> CleanJob:
    """What is to be done with each batch. The user's key is made when it is needed and is not there yet."""
    file_format = options.output.file_format if options.output is not None else "csv"
    names_authors = options.output is not None and file_format != "txt"
    return CleanJob(
        rule_config=options.rule_config,
        file_format=file_format,
        author_hasher=AuthorHasher(author_key()) if names_authors else None,
        replies=options.replies,
        dedup_exact=DUPLICATE not in options.rule_config.skip_rules,
        dedup_near=options.near_duplicates,
    )


def _iter_cleaned(stack: ExitStack, job: CleanJob, count: int, batches: Iterator[RawBatch]) -> Iterator[CleanedBatch]:
    clean_batch = make_job_cleaner(
        replace(job, single_process=count == 1)
    )  # what cannot be had is told here, whoever works
    if count == 1:
        return map(clean_batch, batches)
    return stack.enter_context(WorkerPool(job, count)).imap(batches)


def _default_workers(size: int | None) -> int:
    """How many processes to clean with, unasked: this one, which reads for all others, needs a core of its own."""
    return max(1, min(_MAX_DEFAULT_WORKERS, _cores() - 1)) if size is not None and size >= _MIN_BYTES_FOR_WORKERS else 1


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _count_dropped(report: CleanReport, cleaned: CleanedBatch, options: CleanOptions) -> None:
    name = options.sources[cleaned.source_index].display_name
    for drop_reason, (count, lines) in cleaned.dropped.items():
        report.drop(drop_reason, count, [(name, line) for line in lines])


class BatchReader:
    """The sources, as batches. `reports`: what became of the rows that are decoded here, by source."""

    def __init__(self, options: CleanOptions, on_bytes: ByteProgress, *, reads_ahead: bool = False) -> None:
        self.reports = [RowReport() for _ in options.sources]
        self._sources = options.sources
        self._column = options.column
        self._replies = options.replies
        self._on_bytes = on_bytes
        self._reads_ahead = reads_ahead
        self._fields_without_column: dict[int, tuple[str, tuple[str, ...]]] = {}
        self._rows_without_text: dict[int, int] = {}
        self._has_parents: dict[int, bool] = {}

    def batches(self) -> Iterator[RawBatch]:
        """Every batch of every source.

        Raises:
            UsageError, GruError: as `open_records`, and for a table without the column, or one of conversations from
                which conversations are to be made.
        """
        for source_index, source in enumerate(self._sources):
            column, report = self._column or DEFAULT_COLUMN, self.reports[source_index]
            records = open_records(source, column, report, self._on_bytes, use_prefetch=self._reads_ahead)
            if records.blocks is not None:
                yield from self._blocks(source_index, records.blocks)
            elif records.columns is None:
                yield from self._records(source_index, records.rows)
            elif records.columns:
                self._refuse_conversations(source_index, records.columns)
                yield from _chunks(source_index, table_column(source, records, self._column), records.rows)

    def check(self, cleaned: CleanedBatch) -> None:
        """Give up a source of which the first rows, a thousand or all, have no field of the text.

        Raises:
            UsageError: that is so; it names the fields there.
        """
        source_index = cleaned.source_index
        if cleaned.rows:
            self._has_parents[source_index] = self._has_parents.get(source_index, False) or cleaned.has_parents
        if source_index not in self._fields_without_column:
            return
        without_text = cleaned.dropped.get(f"{SCHEMA}: no text", (0, []))[0]
        if cleaned.rows or without_text < sum(count for count, _ in cleaned.dropped.values()):
            del self._fields_without_column[source_index]
            return
        self._rows_without_text[source_index] = self._rows_without_text.get(source_index, 0) + without_text
        if self._rows_without_text[source_index] >= MAX_ROWS_WITHOUT_COLUMN:
            self._raise_no_column(source_index)

    def finish(self) -> None:
        """Give up the same way what had fewer rows, now that there are no more."""
        for source_index in self._rows_without_text:
            if source_index in self._fields_without_column:
                self._raise_no_column(source_index)

    def notes(self) -> list[str]:
        """What should be known about it, once all is read: of what no conversation can be made."""
        without_parents = [
            repr(self._sources[source_index].display_name)
            for source_index, has_parents in self._has_parents.items()
            if not has_parents
        ]
        if not self._replies or not without_parents:
            return []
        names = ", ".join(without_parents[:_MAX_NAMED]) + (", …" if len(without_parents) > _MAX_NAMED else "")
        return [f"no comment in {names} says what it replies to (parent_id): each is a conversation of its own"]

    def _refuse_conversations(self, source_index: int, fields: Collection[str]) -> None:
        """Give up a source of conversations from which they are to be made anew: it has lost what replies to what."""
        if self._replies and "thread" in fields and "turn" in fields and "parent_id" not in fields:
            raise UsageError(
                f"'{self._sources[source_index].display_name}' holds conversations already, of which --replies would make single "
                "comments",
                "train on it as it is, or name what it was made of",
            )

    def _raise_no_column(self, source_index: int) -> None:
        raise missing_column_error(self._sources[source_index], *self._fields_without_column[source_index])

    def _blocks(self, source_index: int, blocks: Iterator[Block]) -> Iterator[RawBatch]:
        first = next(blocks)
        column = self._column_of(source_index, _first_fields(first))
        for block in chain([first], blocks):
            yield RawBatch(source_index, column, block, [])

    def _records(self, source_index: int, rows: Iterator[Record]) -> Iterator[RawBatch]:
        first = next(rows, None)
        if first is not None:
            yield from _chunks(source_index, self._column_of(source_index, first.fields), chain([first], rows))

    def _column_of(self, source_index: int, fields: dict[str, object]) -> str:
        self._refuse_conversations(source_index, fields)
        column = record_column(fields, self._column)
        if fields and column not in fields:
            self._fields_without_column[source_index] = column, tuple(fields)
        return column


def _first_fields(block: Block) -> dict[str, object]:
    """The fields of a block's first row; none where that is no comment."""
    line = next((line for _, line in block.lines() if line is None or line.strip()), None)
    try:
        fields = msgspec.json.decode(replace_lone_surrogates(line or b"{}"))
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) and "data" not in fields else {}


def _chunks(source_index: int, column: str, rows: Iterator[Record]) -> Iterator[RawBatch]:
    chunk: list[Record] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _ROWS_PER_BATCH:
            yield RawBatch(source_index, column, None, chunk)
            chunk = []
    if chunk:
        yield RawBatch(source_index, column, None, chunk)


class _Deduplicator:
    """Leaves out what came before."""

    def __init__(self, job: CleanJob) -> None:
        self._exact = RecentHashSet() if job.dedup_exact else None
        self._near = LshIndex() if job.dedup_near else None

    def filter_new(self, cleaned: CleanedBatch, report: CleanReport, source_name: str) -> list[bytes]:
        """The rows of a batch that are new; the others are counted."""
        is_new = np.ones(len(cleaned.rows), np.bool_)
        if self._exact is not None:
            is_new = self._exact.add_new(np.frombuffer(cleaned.dedup_keys, np.uint64))
            self._drop(DUPLICATE, ~is_new, cleaned, report, source_name)
        if self._near is not None and cleaned.near_hashes is not None:
            is_first = self._near.add_new(cleaned.near_hashes, is_new)
            self._drop(NEAR_DUPLICATE, is_new & ~is_first, cleaned, report, source_name)
            is_new = is_first
        if not is_new.all():
            is_kept = is_new.tolist()
            cleaned.text_lengths = list(compress(cleaned.text_lengths, is_kept))
            cleaned.rows = list(compress(cleaned.rows, is_kept))
        report.kept += len(cleaned.rows)
        report.characters += sum(cleaned.text_lengths)
        return cleaned.rows

    def notes(self) -> list[str]:
        """What should be known about it."""
        return [
            f"{rule}s were looked for among the last {hash_set.guaranteed_capacity:,} or more different comments"
            for rule, hash_set in ((DUPLICATE, self._exact), (NEAR_DUPLICATE, self._near))
            if hash_set is not None and hash_set.has_evicted
        ]

    def _drop(
        self, rule: str, mask: NDArray[np.bool_], cleaned: CleanedBatch, report: CleanReport, source_name: str
    ) -> None:
        indices = np.flatnonzero(mask)
        if len(indices):
            report.drop(
                rule, len(indices), [(source_name, cleaned.line_numbers[index]) for index in indices[:MAX_EXAMPLES]]
            )


class _CorpusSink:
    """What is kept, on its way to the output, if there is one; conversations are put together in between."""

    def __init__(self, options: CleanOptions, report: CleanReport) -> None:
        self._options = options
        self._report = report
        self._stack = ExitStack()
        self._conversations: ConversationBuilder | None = None
        self._writer: CorpusWriter | None = None

    def __enter__(self) -> Self:
        output, replies = self._options.output, self._options.replies
        with ExitStack() as stack:
            if output is not None:
                self._writer = stack.enter_context(open_corpus(output, CONVERSATION_COLUMNS if replies else COLUMNS))
            if replies:
                directory = Path(tempfile.gettempdir()) if output is None else output.path.absolute().parent
                self._conversations = stack.enter_context(ConversationBuilder(directory))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._stack.__exit__(exc_type, exc, tb)

    def add(self, rows: list[bytes]) -> None:
        """Take rows: encoded ones, or records for conversations."""
        if self._conversations is not None:
            for row in rows:
                self._conversations.add(row)
        elif self._writer is not None:
            self._writer.write(b"".join(rows))

    def finish(self) -> None:
        """Write the conversations, and count them, and what is in none."""
        if self._conversations is None:
            return
        report = self._report
        report.conversations = report.kept = report.characters = 0
        encode = (
            None
            if self._options.output is None
            else make_batch_encoder(self._options.output.file_format, CONVERSATION_COLUMNS)
        )
        for path in self._conversations.paths(self._options.min_turns or 1):
            report.conversations += 1
            report.kept += len(path)
            report.characters += sum(len(turn.body or "") for turn in path)
            if encode is not None and self._writer is not None:
                self._writer.write(b"".join(encode(path)))
        for reason, count in self._conversations.omitted.items():
            report.drop(f"{CONVERSATION}: {reason}", count, [])
