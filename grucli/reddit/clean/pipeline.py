"""The cleaning pipeline: reads batches, cleans them, drops duplicates, writes what is kept.

Any number of processes gives the same bytes: the reader cuts the batches, and their results are used in order.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from itertools import compress, islice
from pathlib import Path

import numpy as np
from msgspec.structs import replace as replace_fields
from numpy.typing import NDArray

from grucli.files import PRIVATE, OutputLock
from grucli.limits import logical_cpus
from grucli.progress import Progress, report_sum
from grucli.read.blocks import NOT_UTF8, RowReport
from grucli.read.encoding import check_undecodable
from grucli.read.schema import Schema
from grucli.reddit.clean.batch import CleanedBatch, CleanJob, decode_comments, make_job_cleaner
from grucli.reddit.clean.dedup import LshIndex, RecentHashSet
from grucli.reddit.clean.dropped import DroppedRow, DroppedWriter
from grucli.reddit.clean.options import CleanOptions
from grucli.reddit.clean.reader import BatchReader, RawBatch
from grucli.reddit.clean.report import MAX_EXAMPLES, CleanReport, ExampleComment
from grucli.reddit.clean.required_fields import FieldCounts, required_fields
from grucli.reddit.clean.rule_engine import trace_rules
from grucli.reddit.clean.rules.registry import DUPLICATE, NEAR_DUPLICATE, filter_names
from grucli.reddit.clean.worker_pool import WorkerPool
from grucli.reddit.corpus.conversations import ConversationBuilder, Origin
from grucli.reddit.corpus.pseudonyms import AuthorHasher, author_key
from grucli.reddit.corpus.writer import COLUMNS, CONVERSATION_COLUMNS, CorpusWriter, make_batch_encoder, open_corpus

CONVERSATION = "conversation"
"""Rule name in the report for comments that are not in any conversation."""

_MAX_ORPHAN_SHARE = 1.0
"""Replies to missing comments, as a share of those to comments that are there, up to which nothing is said."""

_MIN_BYTES_FOR_WORKERS = 1 << 25
"""Smaller inputs do not repay the time to start worker processes."""

_MAX_DEFAULT_WORKERS = 8
"""One process reads for all workers, and cannot feed any number of them."""


def clean(options: CleanOptions, progress: Progress | None = None, report: CleanReport | None = None) -> CleanReport:
    """Clean the sources and write what is kept, if anything is, and what is dropped, if that is wanted.

    Args:
        options: what to clean, and how.
        progress: called with the stage "cleaning", the bytes read, and the total.
        report: the report to fill, for a caller that shows it meanwhile.

    Raises:
        UsageError: a source cannot be read or has no text column, or an option needs a field that a source does not
            have, or what is not installed.
        LockedError: another process writes the same output.
        GruError: the disk failed, a source is corrupt from the start, or a worker process died.
        OSError: the output cannot be written.
    """
    started_at = time.perf_counter()
    report = CleanReport() if report is None else report
    job = make_job(options)
    num_workers = min(options.workers or _default_workers(options.size), logical_cpus())
    deduplicator = _Deduplicator(job)
    sink = _CorpusSink(options, report)
    with ExitStack() as dropped_stack, suppress(_EmptyOutputError), ExitStack() as stack:
        for output in options.outputs:
            stack.enter_context(OutputLock(output.path))
        options.check_output()  # another process may just have written it
        on_bytes = None if progress is None else report_sum(progress, "cleaning", options.size)
        # With workers there is no core left for a prefetch thread.
        reader = BatchReader(options, on_bytes, schemas=report.inputs, use_prefetch=num_workers == 1)
        batches = _with_examples(reader.batches(), options, report) if options.show else reader.batches()
        results = _iter_cleaned(stack, job, num_workers, batches)
        sink.open(stack, dropped_stack)
        counts = [_SourceCounts(job) for _ in options.sources]
        for cleaned in results:
            source_name = options.sources[cleaned.source_index].display_name
            report.add_rows(cleaned.report, source_name)
            reader.reports[cleaned.source_index].repaired.update(cleaned.report.repaired)
            report.add_dropped(cleaned.dropped, source_name)
            report.add_unread(cleaned.unread, source_name)
            counts[cleaned.source_index].add(cleaned)
            sink.add(cleaned, deduplicator.filter_new(cleaned, report, source_name))
        for counted, schema, rows in zip(counts, report.inputs, reader.reports, strict=True):
            rows.warn_of_repairs(schema.name)
            report.add_rows(rows, schema.name)
            counted.check(schema, rows)
        sink.finish()
        if not report.kept:
            raise _EmptyOutputError
    report.notes += [*report.unread_notes(), *sink.notes(), *deduplicator.notes()]
    report.rules = filter_names(options.rule_config)
    report.seconds = time.perf_counter() - started_at
    return report


class _SourceCounts:
    def __init__(self, job: CleanJob) -> None:
        self._fields = FieldCounts(job.required)
        self._read = self._undecodable = 0

    def add(self, cleaned: CleanedBatch) -> None:
        self._fields.add(cleaned.num_comments, cleaned.found, cleaned.unread.skipped)
        self._read += cleaned.report.read
        self._undecodable += cleaned.report.skipped[NOT_UTF8]

    def check(self, schema: Schema, rows: RowReport) -> None:
        """Check a source that was read to its end; `rows`: those decoded by the reader."""
        check_undecodable(schema.name, self._undecodable + rows.skipped[NOT_UTF8], self._read + rows.read)
        self._fields.check(schema)


def iter_kept_rows(options: CleanOptions) -> Iterator[bytes]:
    """Yield the encoded rows that a run keeps, before conversations are built.

    Raises:
        UsageError, GruError: as `clean`.
    """
    job = make_job(options)
    clean_batch, deduplicator = make_job_cleaner(replace(job, single_process=True)), _Deduplicator(job)
    for batch in BatchReader(options).batches():
        yield from deduplicator.filter_new(clean_batch(batch), CleanReport(), "")


def make_job(options: CleanOptions) -> CleanJob:
    """Return what to do with each batch. Creates the user's key for author names if it is needed and missing."""
    file_format = options.output.file_format if options.output is not None else "csv"
    has_authors = options.output is not None and file_format != "txt"
    return CleanJob(
        rule_config=options.rule_config,
        file_format=file_format,
        author_hasher=AuthorHasher(author_key()) if has_authors else None,
        replies=options.replies,
        use_fast_path=options.use_fast_path,
        required=tuple(required_fields(options.rule_config, replies=options.replies)),
        keep_records=options.dropped is not None,
    )


def _with_examples(batches: Iterator[RawBatch], options: CleanOptions, report: CleanReport) -> Iterator[RawBatch]:
    """Yield the batches, and note the first comments of each source in `report`."""
    counts = Counter[int]()
    for batch in batches:
        index = batch.source_index
        if counts[index] < options.show:
            name = options.sources[index].display_name
            rows = zip(*decode_comments(batch, CleanedBatch(index)), strict=True)
            for line_number, comment in islice(rows, options.show - counts[index]):
                raw, last = replace_fields(comment), trace_rules(comment, options.rule_config)[-1]
                dropped = None if last.dropped is None else f"{last.rule}: {last.dropped}".removesuffix(": ")
                report.examples.append(ExampleComment(name, line_number, raw, last.after, dropped))
                counts[index] += 1
        yield batch


class _EmptyOutputError(Exception):
    """There is nothing to write: leaves the block so that the output is discarded."""


def _default_workers(size: int | None) -> int:
    """Leave one core to this process, which reads for the workers."""
    if size is None or size < _MIN_BYTES_FOR_WORKERS:
        return 1
    return max(1, min(_MAX_DEFAULT_WORKERS, logical_cpus() - 1))


def _iter_cleaned(stack: ExitStack, job: CleanJob, count: int, batches: Iterator[RawBatch]) -> Iterator[CleanedBatch]:
    # With workers too: a missing library is an error here, not in each of them.
    clean_batch = make_job_cleaner(replace(job, single_process=count == 1))
    if count == 1:
        return map(clean_batch, batches)
    return stack.enter_context(closing(WorkerPool(job, count))).imap(batches)


class _Deduplicator:
    def __init__(self, job: CleanJob) -> None:
        self._exact = RecentHashSet() if job.dedup_exact else None
        self._near = LshIndex() if job.rule_config.near_duplicates else None

    def filter_new(self, cleaned: CleanedBatch, report: CleanReport, source_name: str) -> list[bytes]:
        is_new = np.ones(len(cleaned.rows), np.bool_)
        if self._exact is not None:
            is_new = self._exact.add_new(np.frombuffer(cleaned.dedup_keys, np.uint64))
            _count_duplicates(DUPLICATE, ~is_new, cleaned, report, source_name)
        if self._near is not None and cleaned.near_hashes is not None:
            is_first = self._near.add_new(cleaned.near_hashes, is_new)
            _count_duplicates(NEAR_DUPLICATE, is_new & ~is_first, cleaned, report, source_name)
            is_new = is_first
        is_kept = is_new.tolist()
        rows = list(compress(cleaned.rows, is_kept))
        report.kept += len(rows)
        report.characters += sum(compress(cleaned.text_lengths, is_kept))
        return rows

    def notes(self) -> list[str]:
        return [
            f"{rule}s were found only among the last {hash_set.guaranteed_capacity:,} or more distinct comments"
            for rule, hash_set in ((DUPLICATE, self._exact), (NEAR_DUPLICATE, self._near))
            if hash_set is not None and hash_set.has_evicted
        ]


def _count_duplicates(
    rule: str, mask: NDArray[np.bool_], cleaned: CleanedBatch, report: CleanReport, source_name: str
) -> None:
    indices = np.flatnonzero(mask)
    if len(indices):
        examples = [(source_name, cleaned.line_numbers[index]) for index in indices[:MAX_EXAMPLES]]
        report.drop(rule, len(indices), examples)
        if cleaned.records:
            cleaned.dropped_rows += [
                DroppedRow(cleaned.line_numbers[index], rule, cleaned.records[index]) for index in indices.tolist()
            ]


class _CorpusSink:
    """Writes the rows that are kept, if there is an output, and those that are dropped, if that is wanted.

    Conversations are built first.
    """

    def __init__(self, options: CleanOptions, report: CleanReport) -> None:
        self._options = options
        self._report = report
        self._conversations: ConversationBuilder | None = None
        self._writer: CorpusWriter | None = None
        self._dropped: DroppedWriter | None = None

    def open(self, stack: ExitStack, dropped_stack: ExitStack) -> None:
        """Open the files: the corpus on `stack`, the dropped comments on `dropped_stack`."""
        output, dropped, replies = self._options.output, self._options.dropped, self._options.replies
        if dropped is not None:
            file = dropped_stack.enter_context(open_corpus(dropped, mode=PRIVATE))
            self._dropped = DroppedWriter(file, [source.display_name for source in self._options.sources])
        if output is not None:
            self._writer = stack.enter_context(open_corpus(output, CONVERSATION_COLUMNS if replies else COLUMNS))
        if replies:
            directory = Path(tempfile.gettempdir()) if output is None else output.path.absolute().parent
            self._conversations = stack.enter_context(
                ConversationBuilder(directory, on_omitted=self._drop_from_conversations)
            )

    def add(self, cleaned: CleanedBatch, new_rows: list[bytes]) -> None:
        """Write the rows of a batch that are kept, `new_rows`, and those that are dropped."""
        if self._dropped is not None:
            self._dropped.write(cleaned.source_index, cleaned.dropped_rows)
        if self._conversations is not None:
            for row in new_rows:
                self._conversations.add(row)
        elif self._writer is not None:
            self._writer.write(b"".join(new_rows))

    def finish(self) -> None:
        """Build and write the conversations."""
        if self._conversations is None:
            return
        report, output = self._report, self._options.output
        report.conversations = report.kept = report.characters = 0
        encode = None if output is None else make_batch_encoder(output.file_format, CONVERSATION_COLUMNS)
        for path in self._conversations.paths(self._options.min_turns or 1):
            report.conversations += 1
            report.kept += len(path)
            report.characters += sum(len(turn.body or "") for turn in path)
            if encode is not None and self._writer is not None:
                self._writer.write(b"".join(encode(path)))
        for reason, count in self._conversations.omitted.items():
            report.drop(f"{CONVERSATION}: {reason}", count, [])

    def _drop_from_conversations(self, reason: str, origin: Origin) -> None:
        if self._dropped is not None:
            row = DroppedRow(origin.line, f"{CONVERSATION}: {reason}", origin.content.encode())
            self._dropped.write(origin.source_index, [row])

    def notes(self) -> list[str]:
        """Return what the user should know about the conversations."""
        builder, report = self._conversations, self._report
        if builder is None or builder.orphans <= _MAX_ORPHAN_SHARE * (report.kept - (report.conversations or 0)):
            return []
        return [f"{builder.orphans:,} replies start a conversation: what they reply to is not there"]
