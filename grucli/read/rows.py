"""A corpus as rows of text: the one column that matters of every record, and the conversation it belongs to.

A `.txt` is no rows but one running text, read in slices that end before white space, where every tokenizer may be
interrupted.
"""

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

from grucli.errors import UsageError
from grucli.read.records import Record, Records, open_records
from grucli.read.row_report import INVALID_UTF8, RowReport
from grucli.read.sources import ByteProgress, CorruptDataError, InputSource, read_bytes, resolve_source

__all__ = ["Row", "RowReport", "read_rows", "read_running_text"]

DEFAULT_COLUMN = "body"
_THREAD_COLUMN = "thread"
MAX_ROWS_WITHOUT_COLUMN = 1000
"""JSON records without the column, from the first on, after which none is expected to have it."""

_SPLIT_SEARCH_CHARS = 4096
_MAX_SLICE_CHARS = 1 << 20
_SAFE_SPLIT = re.compile(r"(?<!\s)[ \n]")
_SURROGATE_ESCAPES = re.compile("[\udc80-\udcff]+")


class Row(NamedTuple):
    """One comment. Consecutive rows of one `thread` that is not None are one conversation."""

    body: str
    thread: str | None


def read_rows(
    source: str | InputSource, column: str | None, report: RowReport, on_bytes: ByteProgress | None = None
) -> Iterator[Row]:
    """The rows of a `.csv`, `.tsv`, `.jsonl`, `.json` or `.parquet`, or of standard input ("-").

    The text is the field `column`, or "body", or the only one; in a `.tsv` without a header the first, or the one that
    `column` counts from 1. Bad rows are counted in `report`; blank lines are no rows. Standard input is JSON lines when
    it begins with "{", a table when its first line names the column, and else one comment a line, which is remarked on.

    Raises:
        UsageError: the source cannot be read at all, or has no such column.
        GruError: the disk failed, or not one line comes before the damage in compressed data.
    """
    source = _resolve(source)
    records = open_records(source, column or DEFAULT_COLUMN, report, on_bytes)
    if records.columns is None:
        yield from _rows(_with_column(source, records, column, report), report)
    elif records.columns:
        name = table_column(source, records, column)
        yield from _rows(((record, name) for record in records.rows), report)


def read_running_text(
    source: str | InputSource, report: RowReport, on_bytes: ByteProgress | None = None
) -> Iterator[str]:
    """Slices of a `.txt`, newlines as they are. Bytes that are not UTF-8 are removed, each place of them counted.

    Joined, the slices are the text. Each but the last ends before white space that follows something else, unless there
    is none for a million characters.

    Raises:
        UsageError: the source cannot be read at all.
        GruError: the disk failed, or nothing comes before the damage in compressed data.
    """
    buffer = ""
    for text in _clean_slices(_resolve(source), report, on_bytes):
        buffer += text
        breaks = [found.start() for found in _SAFE_SPLIT.finditer(buffer, max(1, len(buffer) - _SPLIT_SEARCH_CHARS))]
        cut = breaks[-1] if breaks else len(buffer) if len(buffer) > _MAX_SLICE_CHARS else 0
        if cut:
            yield buffer[:cut]
            buffer = buffer[cut:]
    if buffer:
        yield buffer


def _resolve(source: str | InputSource) -> InputSource:
    return resolve_source(source) if isinstance(source, str) else source


def table_column(source: InputSource, records: Records, column: str | None) -> str:
    """The column of a table's text: the one that is asked for, or "body", or the only one.

    Raises:
        UsageError: there is none of that name.
    """
    columns = records.columns or ()
    if column is None and (not records.has_header or len(columns) == 1):
        return columns[0]
    name = column or DEFAULT_COLUMN
    if name not in columns:
        raise missing_column_error(source, name, columns)
    return name


def record_column(fields: dict[str, object], column: str | None) -> str:
    """The field of a JSON record's text, by the same rule; it need not be there."""
    if column is not None:
        return column
    return next(iter(fields)) if len(fields) == 1 and DEFAULT_COLUMN not in fields else DEFAULT_COLUMN


def missing_column_error(source: InputSource, name: str, columns: tuple[str, ...]) -> UsageError:
    """The error for a source without the column that is wanted; it names those there."""
    available = ", ".join(columns[:20]) + (", …" if len(columns) > 20 else "")
    return UsageError(f"'{source.display_name}' has no column '{name}'", f"choose with --column among: {available}")


def _with_column(
    source: InputSource, records: Records, column: str | None, report: RowReport
) -> Iterator[tuple[Record, str]]:
    """JSON records with the name of their text's field, which the first of them settles."""
    name = column
    names: tuple[str, ...] = ()
    has_column, missing = False, 0
    for record in records.rows:
        if name is None:
            name = record_column(record.fields, column)
        if name in record.fields:
            has_column = True
            yield record, name
            continue
        report.skip(f"no field '{name}'", record.line)
        if not has_column:
            names = names or tuple(record.fields)
            missing += 1
            if missing >= MAX_ROWS_WITHOUT_COLUMN:
                break
    if missing and not has_column:
        raise missing_column_error(source, name or DEFAULT_COLUMN, names)


def _rows(records: Iterator[tuple[Record, str]], report: RowReport) -> Iterator[Row]:
    for record, name in records:
        body, thread = record.fields[name], record.fields.get(_THREAD_COLUMN)
        if isinstance(thread, int):
            thread = str(thread)
        reason = _row_error(body, thread)
        if reason is not None:
            report.skip(reason, record.line)
        elif isinstance(body, str):
            yield Row(body, thread if isinstance(thread, str) and thread else None)


def _row_error(body: object, thread: object) -> str | None:
    if not isinstance(body, str):
        return "no text"
    if not body or body.isspace():
        return "empty"
    if "\0" in body:
        return "NUL character"
    return None if thread is None or isinstance(thread, str) else "thread is no text"


def _clean_slices(source: InputSource, report: RowReport, on_bytes: ByteProgress | None) -> Iterator[str]:
    utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    lines_before = report.read  # the lines of other texts
    try:
        for chunk in read_bytes(source, on_bytes):
            yield _remove_escaped_bytes(utf8.decode(chunk), report, lines_before)
        yield _remove_escaped_bytes(utf8.decode(b"", final=True), report, lines_before)
    except CorruptDataError:
        report.mark_truncated(source.display_name, report.read - lines_before)


def _remove_escaped_bytes(text: str, report: RowReport, lines_before: int) -> str:
    for match in () if text.isascii() else _SURROGATE_ESCAPES.finditer(text):
        report.skip(INVALID_UTF8, report.read - lines_before + 1 + text.count("\n", 0, match.start()))
    report.read += text.count("\n")
    return text if text.isascii() else _SURROGATE_ESCAPES.sub("", text)
