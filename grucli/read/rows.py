"""A corpus as rows of text: the text column of every record, and the conversation it belongs to.

A `.txt` has no rows. It is one running text, read in slices that end before white space, where any tokenizer may split.
"""

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

from grucli.read.blocks import INVALID_UTF8, NOT_UTF8, RowReport
from grucli.read.encoding import MIN_BYTES_PER_ROW, TextDecoder, check_undecodable
from grucli.read.records import DEFAULT_COLUMN, JsonTextColumn, Record, open_records, table_column
from grucli.read.sources import ByteProgress, CorruptDataError, InputSource, read_bytes, resolve_source

__all__ = ["Row", "RowReport", "read_rows", "read_running_text"]

_THREAD_COLUMN = "thread"
_SPLIT_SEARCH_CHARS = 4096
_MAX_SLICE_CHARS = 1 << 20
_SAFE_SPLIT = re.compile(r"(?<!\s)[ \n]")
_SURROGATE_ESCAPES = re.compile("[\udc80-\udcff]+")


class Row(NamedTuple):
    """One comment. Consecutive rows with the same `thread`, if not None, are one conversation."""

    body: str
    thread: str | None


def read_rows(
    source: str | InputSource, column: str | None, report: RowReport, on_bytes: ByteProgress | None = None
) -> Iterator[Row]:
    """Yield the rows of a `.csv`, `.tsv`, `.jsonl`, `.json` or `.parquet` file, or of standard input ("-").

    The text is the field `column`, else "body", else the only field; in a `.tsv` without a header it is the first
    column, or the one with the number `column`, from 1. Bad rows are counted in `report`; blank lines are not rows.
    Standard input is read as JSON lines if it starts with "{", as a table if its first line names the column, else as
    one comment per line, with a warning.

    Raises:
        UsageError: the source cannot be read, or has no such column.
        GruError: the disk failed, or compressed data are corrupt before the first line ends.
    """
    source = _resolve(source)
    read_before, undecodable_before = report.read, report.skipped[NOT_UTF8]  # the report may have counted others
    records = open_records(source, column or DEFAULT_COLUMN, report, on_bytes)
    if records.columns is None:
        yield from _rows(_with_json_column(source, records.rows, column, report), report)
    elif records.columns:
        name = table_column(source, records, column)
        yield from _rows(((record, name) for record in records.rows), report)
    check_undecodable(source.display_name, report.skipped[NOT_UTF8] - undecodable_before, report.read - read_before)


def read_running_text(
    source: str | InputSource, report: RowReport, on_bytes: ByteProgress | None = None
) -> Iterator[str]:
    """Yield slices of a `.txt` file; joined, they are its text. Invalid UTF-8 is removed and counted in `report`.

    Each slice but the last ends before white space that follows another character, unless there is none for a million
    characters.

    Raises:
        UsageError: the source cannot be read.
        GruError: the disk failed, or compressed data are corrupt from the start.
    """
    buffer = ""
    for text in _clean_slices(_resolve(source), report, on_bytes):
        buffer += text
        breaks = [match.start() for match in _SAFE_SPLIT.finditer(buffer, max(1, len(buffer) - _SPLIT_SEARCH_CHARS))]
        cut = breaks[-1] if breaks else len(buffer) if len(buffer) > _MAX_SLICE_CHARS else 0
        if cut:
            yield buffer[:cut]
            buffer = buffer[cut:]
    if buffer:
        yield buffer


def _resolve(source: str | InputSource) -> InputSource:
    return resolve_source(source) if isinstance(source, str) else source


def _with_json_column(
    source: InputSource, records: Iterator[Record], column: str | None, report: RowReport
) -> Iterator[tuple[Record, str]]:
    text_column: JsonTextColumn | None = None
    for record in records:
        text_column = text_column or JsonTextColumn(source, column, record.fields)
        if text_column.name in record.fields:
            text_column.record_found()
            yield record, text_column.name
        else:
            report.skip(f"no field '{text_column.name}'", record.line)
            text_column.record_missing()
    if text_column is not None:
        text_column.finish()


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
    return None if thread is None or isinstance(thread, str) else "thread is not text"


def _clean_slices(source: InputSource, report: RowReport, on_bytes: ByteProgress | None) -> Iterator[str]:
    utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    decoder = TextDecoder(source.display_name)
    lines_before, invalid_before = report.read, report.skipped[INVALID_UTF8]  # the report may have counted others
    length = 0
    try:
        for chunk in read_bytes(source, on_bytes, decoder=decoder):
            length += len(chunk)
            yield _remove_escaped_bytes(utf8.decode(chunk), report, lines_before)
        yield _remove_escaped_bytes(utf8.decode(b"", final=True), report, lines_before)
    except CorruptDataError:
        report.mark_truncated(source.display_name, report.read - lines_before)
    report.warnings += [(source.display_name, note) for note in decoder.notes()]
    rows = max(report.read - lines_before, length // MIN_BYTES_PER_ROW)
    check_undecodable(source.display_name, report.skipped[INVALID_UTF8] - invalid_before, rows)


def _remove_escaped_bytes(text: str, report: RowReport, lines_before: int) -> str:
    for match in () if text.isascii() else _SURROGATE_ESCAPES.finditer(text):
        report.skip(INVALID_UTF8, report.read - lines_before + 1 + text.count("\n", 0, match.start()))
    report.read += text.count("\n")
    return text if text.isascii() else _SURROGATE_ESCAPES.sub("", text)
