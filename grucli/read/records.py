"""The records of a corpus: every field of every row, whatever the form it is kept in, and a report of the bad ones.

A bad row is counted under a reason, with its line number, and reading goes on. No line or field is held that is longer
than `LONGEST` bytes, so that memory is bounded whatever comes.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from grucli import optional_imports
from grucli.errors import UsageError
from grucli.read.blocks import MAX_LINE_BYTES, Block, NumberedLine, read_blocks
from grucli.read.json_lines import MAX_DOCUMENT_BYTES, JsonLinesDecoder, is_document
from grucli.read.row_report import RowReport
from grucli.read.sources import ByteProgress, InputSource


class Record(NamedTuple):
    """One row: the line it begins on, and its fields by name."""

    line: int
    fields: dict[str, object]


@dataclass(frozen=True, slots=True)
class Records:
    """A source's records, to be read once: as `rows` or, of JSON lines, as `blocks` that are not decoded yet.

    `columns`: the names of the fields, or None where every record brings its own. `named`: whether the file gave those
    names; else they are "1", "2", …. `blocks` is None for every other form than JSON lines.
    """

    columns: tuple[str, ...] | None
    has_header: bool
    rows: Iterator[Record]
    blocks: Iterator[Block] | None = None


def open_records(
    source: InputSource,
    text_column: str,
    report: RowReport,
    on_bytes: ByteProgress | None = None,
    *,
    use_prefetch: bool = False,
) -> Records:
    """Read `source` up to its first row; `reads_ahead` as `read_blocks` has it.

    A `.tsv` whose first line has no field `wanted` has no header. Where neither suffix nor `wanted` in the first line
    tells the form, a first `{`, `[{` or lone `[` means JSON, and anything else one text a line, in the field "body";
    the report remarks on it. A `.csv` of one column has no use for commas: a line in which nothing is quoted is one
    text, whole, and the report says how many had some. JSON is one record a line; what a service answered may be on a
    line, or be the whole file, and each comment in it is a record.

    Raises:
        UsageError: the source cannot be read at all, or needs a library that is not there.
        GruError: the disk failed, the file is damaged, or not one line comes before the damage in compressed data.
    """
    if source.file_format == "txt":
        raise UsageError(
            f"'{source.display_name}' is one running text, and rows are needed here", "name a .csv, .tsv or .jsonl"
        )
    if source.file_format == "parquet":
        return _parquet_records(source, report, on_bytes)
    max_line_bytes = MAX_DOCUMENT_BYTES if source.file_format == "json" else MAX_LINE_BYTES
    blocks = read_blocks(source, report, on_bytes, max_line_bytes, use_prefetch=use_prefetch)
    block = next((block for block in blocks if block.data is None or block.data.strip()), None)
    if block is None:
        return Records((), True, iter(()))
    blocks = chain([block], blocks)
    first_line = next(line for line in block.lines() if line[1] is None or line[1].strip())
    file_format = source.file_format or _detect_format(first_line, text_column)
    if file_format in ("json", "jsonl"):
        return _json_records(blocks, file_format == "json" and is_document(first_line[1]), text_column, report)
    lines = (line for block in blocks for line in block.lines() if line[0] >= first_line[0])
    if file_format == "csv":
        return _csv_records(source, lines, report)
    if file_format == "tsv":
        return _tsv_records(first_line, lines, text_column, report)
    report.warnings.append(
        (source.display_name, "is neither JSON lines nor a table: each line is taken as one comment")
    )
    return Records(("body",), True, _split_records(lines, ("body",), None, report))


def _parquet_records(source: InputSource, report: RowReport, on_bytes: ByteProgress | None) -> Records:
    if source.path is None or source.compression:
        raise UsageError(
            f"'{source.display_name}' is compressed twice: a .parquet is compressed inside",
            f"unpack the {source.compression}",
        )
    parquet = optional_imports.import_optional("grucli.read.parquet", "parquet", "reading a .parquet")
    columns, rows = parquet.read_parquet(source.path, source.display_name, on_bytes)
    return Records(columns, True, _count_rows(rows, report))


def _count_rows(rows: Iterator[tuple[int, dict[str, object]]], report: RowReport) -> Iterator[Record]:
    for row_number, fields in rows:
        report.read += 1
        yield Record(row_number, fields)


def _detect_format(first_line: NumberedLine, text_column: str) -> str:
    text = (first_line[1] or b"").decode("utf-8", "replace").strip()
    if text.startswith(("{", "[{")) or text == "[":
        return "json"
    if text_column in text.split("\t") and "\t" in text:
        return "tsv"
    try:
        return "csv" if text_column in next(csv.reader([text]), []) else "lines"
    except csv.Error:  # a lone \r, say
        return "lines"


def _json_records(blocks: Iterator[Block], is_single_document: bool, text_column: str, report: RowReport) -> Records:
    decoder = JsonLinesDecoder(dict[str, object], text_column)
    if is_single_document:
        return Records(None, True, (Record(number, row) for number, row in decoder.decode_document(blocks, report)))
    rows = (
        Record(number, fields)
        for numbers, values in (decoder.decode(block, report) for block in blocks)
        for number, fields in zip(numbers, values, strict=True)
    )
    return Records(None, True, rows, blocks)


class _CsvLines:
    """Lines as csv.reader takes them: `text` is the last one, `spoiled` what went wrong since the last record."""

    def __init__(self, lines: Iterator[NumberedLine]) -> None:
        self._lines = lines
        self.line_number = 0
        self.text = ""
        self.error: str | None = None

    def __iter__(self) -> "_CsvLines":
        return self

    def __next__(self) -> str:
        self.line_number, line = next(self._lines)
        if line is None:
            self.error = "line too long"
            return "\n"
        try:
            self.text = line.decode()
        except UnicodeDecodeError:
            self.error = "not UTF-8"
            self.text = line.decode("utf-8", "replace")
        return self.text + "\n"


def _csv_records(source: InputSource, lines: Iterator[NumberedLine], report: RowReport) -> Records:
    csv.field_size_limit(MAX_LINE_BYTES)
    csv_lines = _CsvLines(lines)
    # Strict: a row that swallowed the next ones for want of a closing quote is an error, not a long comment.
    reader = csv.reader(csv_lines, strict=True)
    try:
        columns = tuple(next(reader, ()))
    except csv.Error as error:
        csv_lines.error = _csv_reason(error)
    if csv_lines.error:
        raise UsageError(
            f"the first line of '{source.display_name}' names no columns ({csv_lines.error})",
            "give it a header line, as in: id,body",
        )
    if len(set(columns)) < len(columns):
        raise UsageError(
            f"'{source.display_name}' has two columns of one name: {', '.join(columns)}", "rename one of them"
        )
    return Records(columns, True, _csv_rows(source, csv_lines, reader, columns, report))


def _csv_rows(
    source: InputSource,
    csv_lines: _CsvLines,
    reader: "Iterator[list[str]]",
    columns: tuple[str, ...],
    report: RowReport,
) -> Iterator[Record]:
    unquoted_rows = 0
    while True:
        line_number = csv_lines.line_number + 1
        csv_lines.error = None
        values: list[str] = []
        try:
            values = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            csv_lines.error = _csv_reason(error)
        if not values and csv_lines.error is None:
            continue
        report.read += 1
        if len(columns) == 1 < len(values) and csv_lines.error is None:
            text = csv_lines.text.removesuffix("\r")
            if text.split(",") == values:  # nothing in it was quoted, so that its commas are the writer's own
                unquoted_rows += 1
                values = [text]
        reason = csv_lines.error or _field_count_error(values, columns)
        if reason:
            report.skip(reason, line_number)
        else:
            yield Record(line_number, dict(zip(columns, values, strict=True)))
    if unquoted_rows:
        rows = "1 row" if unquoted_rows == 1 else f"{unquoted_rows:,} rows"
        report.warnings.append(
            (source.display_name, f"has one column: {rows} with unquoted commas taken as one text each")
        )


def _csv_reason(error: csv.Error) -> str:
    message = str(error)
    return "field too long" if "limit" in message else "unfinished row" if "end of data" in message else "not CSV"


def _tsv_records(
    first_line: NumberedLine, lines: Iterator[NumberedLine], text_column: str, report: RowReport
) -> Records:
    values = (first_line[1] or b"").decode("utf-8", "replace").removesuffix("\r").split("\t")
    if text_column in values:
        next(lines)
        return Records(tuple(values), True, _split_records(lines, tuple(values), "\t", report))
    columns = tuple(str(place) for place in range(1, len(values) + 1))
    return Records(columns, False, _split_records(lines, columns, "\t", report))


def _split_records(
    lines: Iterator[NumberedLine], columns: tuple[str, ...], separator: str | None, report: RowReport
) -> Iterator[Record]:
    for line_number, line in lines:
        if line is not None and not line.strip():
            continue
        report.read += 1
        if line is None:
            report.skip("line too long", line_number)
            continue
        try:
            text = line.decode().removesuffix("\r")
        except UnicodeDecodeError:
            report.skip("not UTF-8", line_number)
            continue
        values = text.split(separator) if separator else [text]
        reason = _field_count_error(values, columns)
        if reason:
            report.skip(reason, line_number)
        else:
            yield Record(line_number, dict(zip(columns, values, strict=True)))


def _field_count_error(values: list[str], columns: tuple[str, ...]) -> str | None:
    if len(values) == len(columns):
        return None
    return "too few fields" if len(values) < len(columns) else "too many fields"
