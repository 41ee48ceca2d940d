"""A corpus as rows of text: the text column of every record, and the conversation it belongs to.

A `.txt` has no rows. It is one running text, read in slices that end before white space, where any tokenizer may split.
"""

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from grucli.errors import UsageError, list_names, quote
from grucli.read.blocks import INVALID_UTF8, NOT_UTF8, RowReport
from grucli.read.columns import count_usual_names, names_text
from grucli.read.encoding import MIN_BYTES_PER_ROW, TextDecoder, check_undecodable
from grucli.read.missing import is_placeholder
from grucli.read.records import open_records
from grucli.read.schema import ReadOptions, Schema
from grucli.read.sources import ByteProgress, CorruptDataError, InputSource, read_bytes, resolve_source
from grucli.read.tables import SAMPLE_LINES, detect_table

_THREAD = "thread"
_MAX_MISSING_CHARS = 16
"""Above the length of all words for a missing value."""

_SPLIT_SEARCH_CHARS = 4096
_MAX_SLICE_CHARS = 1 << 20
_SAFE_SPLIT = re.compile(r"(?<!\s)[ \n]")
_SURROGATE_ESCAPES = re.compile("[\udc80-\udcff]+")


class Row(NamedTuple):
    """One comment. Consecutive rows with the same `thread`, if not None, are one conversation."""

    body: str
    thread: str | None


def read_rows(
    source: str | InputSource, options: ReadOptions, report: RowReport, on_bytes: ByteProgress | None = None
) -> Iterator[Row]:
    """Yield the rows of a `.csv`, `.tsv`, `.jsonl`, `.json` or `.parquet` file, or of standard input ("-").

    Bad rows are counted in `report`; blank lines are not rows. `open_records` decides which column is the text. Rows
    that only say that a text is missing or gone are rows like others, but counted: cleaning drops them.

    Raises:
        UsageError: the source cannot be read, or it is not clear which column is the text.
        GruError: the disk failed, or compressed data are corrupt before the first line ends.
    """
    source = _resolve(source)
    read_before, undecodable_before = report.read, report.skipped[NOT_UTF8]  # the report may have counted others
    records = open_records(source, options, report, on_bytes)
    text_column = records.schema.text_column
    thread_column = records.schema.columns.get(_THREAD, _THREAD)
    placeholders: Counter[str] = Counter()
    for line, fields in records.rows:
        if text_column not in fields:
            report.skip(f"no field {quote(text_column)}", line)
            continue
        body, thread = fields[text_column], fields.get(thread_column)
        if isinstance(thread, int):
            thread = str(thread)
        reason = _row_error(body, thread)
        if reason is not None:
            report.skip(reason, line)
        elif isinstance(body, str):
            if (len(body) < _MAX_MISSING_CHARS or body[0] == "[") and is_placeholder(body):
                placeholders[body] += 1
            yield Row(body, thread if isinstance(thread, str) and thread else None)
    check_undecodable(source.display_name, report.skipped[NOT_UTF8] - undecodable_before, report.read - read_before)
    if placeholders:
        report.add_placeholders(records.schema.name, placeholders)


def read_running_text(
    source: str | InputSource, options: ReadOptions, report: RowReport, on_bytes: ByteProgress | None = None
) -> Iterator[str]:
    """Yield slices of a `.txt` file; joined, they are its text. Invalid UTF-8 is removed and counted in `report`.

    Each slice but the last ends before white space that follows another character, unless there is none for a million
    characters.

    Raises:
        UsageError: the source cannot be read, or is a table.
        GruError: the disk failed, or compressed data are corrupt from the start.
    """
    source = _resolve(source)
    decoder = TextDecoder(source.display_name, options.encoding)
    slices = _clean_slices(source, decoder, report, on_bytes)
    first = next(slices, "")
    _refuse_table(source.display_name, first)
    report.schemas.append(Schema(name=source.display_name, file_format="txt", encoding=decoder.encoding))
    buffer = ""
    for text in chain([first], slices):
        buffer += text
        breaks = [match.start() for match in _SAFE_SPLIT.finditer(buffer, max(1, len(buffer) - _SPLIT_SEARCH_CHARS))]
        cut = breaks[-1] if breaks else len(buffer) if len(buffer) > _MAX_SLICE_CHARS else 0
        if cut:
            yield buffer[:cut]
            buffer = buffer[cut:]
    if buffer:
        yield buffer


def _refuse_table(name: str, start: str) -> None:
    """Raise if a text begins as a table of comments: its other columns are no text."""
    lines = [line.rstrip("\r") for line in start.split("\n")[:SAMPLE_LINES] if line.strip()]
    table = detect_table(lines, ",", ReadOptions()) if lines else None
    if table is not None and table.has_header and table.is_regular():
        names = table.rows[0]
        if names_text(names) and count_usual_names(names) > 1:
            raise UsageError(f"'{name}' is a table, not running text: {list_names(names)}", "rename it to .csv")


def _resolve(source: str | InputSource) -> InputSource:
    return resolve_source(source) if isinstance(source, str) else source


def _row_error(body: object, thread: object) -> str | None:
    if not isinstance(body, str):
        return "no text"
    if not body or body.isspace():
        return "empty"
    if "\0" in body:
        return "NUL character"
    return None if thread is None or isinstance(thread, str) else "thread is not text"


def _clean_slices(
    source: InputSource, decoder: TextDecoder, report: RowReport, on_bytes: ByteProgress | None
) -> Iterator[str]:
    utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
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
