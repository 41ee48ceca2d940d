"""Cleaning: raw comments become a corpus."""

import os
from collections.abc import Sequence

from grucli.progress import Progress
from grucli.read.blocks import RowReport
from grucli.read.records import open_records
from grucli.read.schema import ReadOptions, Schema
from grucli.read.sources import resolve_sources
from grucli.reddit.clean import explain as explanation
from grucli.reddit.clean import pipeline
from grucli.reddit.clean.dropped import resolve_dropped
from grucli.reddit.clean.explain import Explanation
from grucli.reddit.clean.options import CleanOptions, resolve_output
from grucli.reddit.clean.report import CleanReport
from grucli.reddit.clean.rules.config import RuleConfig

FilePath = str | os.PathLike[str]


def clean(
    inputs: FilePath | Sequence[FilePath],
    output: FilePath | None,
    *,
    rules: RuleConfig | None = None,
    replies: bool = False,
    min_turns: int | None = None,
    column: str | None = None,
    read: ReadOptions | None = None,
    dropped: FilePath | None = None,
    workers: int | None = None,
    force: bool = False,
    dry_run: bool = False,
    show: int = 0,
    report: CleanReport | None = None,
    on_progress: Progress | None = None,
) -> CleanReport:
    """Clean comments into a corpus, and return what each rule dropped. If nothing is kept, nothing is written.

    >>> import grucli
    >>> report = grucli.clean("RC_2005-12.zst", "reddit.csv")  # doctest: +SKIP
    >>> report.kept, report.dropped["bot"]  # doctest: +SKIP

    Args:
        inputs: dumps, fetched files or tables; "-" is standard input.
        output: the corpus: `.csv`, `.jsonl` or `.txt`, also compressed.
        rules: the filters, and the rules to skip.
        replies: write conversations instead of comments.
        min_turns: with `replies`, the fewest turns of a conversation.
        column: the column of the text, None for the usual names.
        read: how to read the inputs.
        dropped: a `.jsonl`, also compressed, for the comments that are dropped, each with the rule that did it.
        workers: number of processes, None to choose by the size of the input.
        force: replace an existing output.
        dry_run: write nothing; `output` may be None.
        show: with `dry_run`, the number of comments of each input that the report has as examples.
        report: the report to fill, for a caller that shows it meanwhile.
        on_progress: called with a stage, and with the bytes done and in all.

    Raises:
        UsageError: an input cannot be read or does not have what an option needs, the output exists, or the options
            contradict each other.
        LockedError: another process writes the output.
        GruError: an input is corrupt from its first byte, or a worker process died.
        OSError: the output cannot be written.
    """
    target = None if dry_run else resolve_output(None if output is None else os.fspath(output), replies)
    options = CleanOptions(
        sources=resolve_sources(_paths(inputs)),
        output=target,
        rule_config=rules or RuleConfig(),
        read=(read or ReadOptions()).with_column(column),
        replies=replies,
        min_turns=min_turns,
        dropped=resolve_dropped(None if dropped is None else os.fspath(dropped), dry_run=dry_run),
        workers=workers,
        show=show,
        force=force,
    )
    return pipeline.clean(options, on_progress, report)


def explain(
    comment_id: str,
    inputs: FilePath | Sequence[FilePath],
    *,
    rules: RuleConfig | None = None,
    replies: bool = False,
    min_turns: int | None = None,
    column: str | None = None,
    read: ReadOptions | None = None,
    on_progress: Progress | None = None,
) -> Explanation:
    """Return what each rule makes of one comment; the other arguments are those of `clean`.

    Raises:
        UsageError: there is no such comment, or as `clean`.
        GruError: as `clean`.
    """
    options = CleanOptions(
        sources=resolve_sources(_paths(inputs)),
        output=None,
        rule_config=rules or RuleConfig(),
        read=(read or ReadOptions()).with_column(column),
        replies=replies,
        min_turns=min_turns,
    )
    return explanation.explain_comment(options, comment_id, on_progress)


def detect_schemas(inputs: FilePath | Sequence[FilePath], *, read: ReadOptions | None = None) -> list[Schema]:
    """Return what is decided about each input: format, encoding, columns. A text column need not be found.

    Raises:
        UsageError: an input cannot be read, or lacks a column that `read` names.
        GruError: an input is corrupt from its first byte.
    """
    report = RowReport()
    for source in resolve_sources(_paths(inputs)):
        open_records(source, read or ReadOptions(), report, needs_text=False)
    return report.schemas


def _paths(inputs: FilePath | Sequence[FilePath]) -> list[str]:
    return [os.fspath(inputs)] if isinstance(inputs, str | os.PathLike) else [os.fspath(path) for path in inputs]
