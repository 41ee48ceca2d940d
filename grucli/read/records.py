"""Records of a corpus in any format: every field of every row, and which field is the text.

Bad rows are counted by reason, and skipped. No line or field over `MAX_LINE_BYTES` is held in memory, which is thus
bounded for any input. The text column is decided once per source, for training and cleaning alike.
"""

import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, cast

from grucli import optional_imports
from grucli.errors import UsageError
from grucli.read.blocks import MAX_LINE_BYTES, NOT_UTF8, Block, NumberedLine, RowReport, read_blocks
from grucli.read.json_lines import MAX_DOCUMENT_BYTES, JsonLinesDecoder, is_document
from grucli.read.sources import ByteProgress, InputSource

DEFAULT_COLUMN = "body"
MAX_ROWS_WITHOUT_COLUMN = 1000
"""After this many JSON records without the text column, from the first on, the source is refused."""

_MAX_NAMED_COLUMNS = 20


class Record(NamedTuple):
    """One row: the number of its first line, and its fields by name."""

    line: int
    fields: dict[str, object]


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a source, to be read once: as `rows` or, for JSON lines, as `blocks` still to be decoded.

    `columns`: the field names, or None if each record has its own (JSON). `has_header`: whether the file names the
    columns; else they are "1", "2", …. `blocks` is None for every format but JSON lines.
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
    """Read `source` up to its first row; `use_prefetch` as in `read_blocks`.

    The suffix names the format. Without one, a first line that starts with `{` or `[{`, or is `[`, means JSON; a first
    line with `text_column` in it a table; anything else one text per line, as the field "body", with a warning.

    A `.tsv` whose first line lacks `text_column` has no header. In a `.csv` with one column, unquoted commas belong to
    the text; a warning tells the number of such rows. JSON has one record per line, but a saved response of a service,
    on one line or as the whole file, holds one record per comment.

    Raises:
        UsageError: the source cannot be read, or needs a library that is not installed.
        GruError: the disk failed, the file is corrupt, or compressed data are before the first line ends.
    """
    if source.file_format == "txt":
        raise UsageError(f"'{source.display_name}' is running text, not rows", "name a .csv, .tsv or .jsonl file")
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
    report.warnings.append((source.display_name, "is neither JSON lines nor a table: each line is read as one comment"))
    return Records(("body",), True, _split_records(lines, ("body",), None, report))


def _parquet_records(source: InputSource, report: RowReport, on_bytes: ByteProgress | None) -> Records:
    if source.path is None or source.compression:
        raise UsageError(
            f"cannot read '{source.display_name}': compressed .parquet files are not supported",
            f"decompress the {source.compression} file",
        )
    parquet = optional_imports.import_optional("grucli.read.parquet", "parquet", "reading a .parquet")
    return cast(Records, parquet.read_parquet(source.path, source.display_name, report, on_bytes))


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
    """Lines for csv.reader: `text` is the last one, `error` the reason why the current record is bad."""

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
            self.error = NOT_UTF8
            self.text = line.decode("utf-8", "replace")
        return self.text + "\n"


def _csv_records(source: InputSource, lines: Iterator[NumberedLine], report: RowReport) -> Records:
    csv.field_size_limit(MAX_LINE_BYTES)
    csv_lines = _CsvLines(lines)
    # Strict: a quote that is never closed is an error, not one long comment.
    reader = csv.reader(csv_lines, strict=True)
    try:
        columns = tuple(next(reader, ()))
    except csv.Error as error:
        csv_lines.error = _csv_reason(error)
    if csv_lines.error:
        raise UsageError(
            f"invalid header in '{source.display_name}': {csv_lines.error}",
            "add a header line such as: id,body",
        )
    if len(set(columns)) < len(columns):
        raise UsageError(
            f"'{source.display_name}' has duplicate column names: {', '.join(columns)}", "rename one of them"
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
            if text.split(",") == values:  # nothing is quoted, so the commas are part of the text
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
            (source.display_name, f"has one column: unquoted commas in {rows} are read as part of the text")
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
    columns = tuple(str(number) for number in range(1, len(values) + 1))
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
            report.skip(NOT_UTF8, line_number)
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


def table_column(source: InputSource, records: Records, column: str | None) -> str:
    """Return the text column of a table: `column` if given, else "body", else the only column.

    Raises:
        UsageError: the table has no such column.
    """
    columns = records.columns or ()
    if column is None and (not records.has_header or len(columns) == 1):
        return columns[0]
    name = column or DEFAULT_COLUMN
    if name not in columns:
        raise _missing_column_error(source, name, columns)
    return name


class JsonTextColumn:
    """The text column of a source of JSON records, by the same rule, and the check that its records have it.

    JSON records may each have other fields, so a source is only refused if none of its first
    `MAX_ROWS_WITHOUT_COLUMN` records, or of all records if there are fewer, has the column.
    """

    def __init__(self, source: InputSource, column: str | None, first_fields: Collection[str]) -> None:
        """Decide by the fields of the first record. If it has none, the source is not checked."""
        if column is None:
            column = DEFAULT_COLUMN
            if len(first_fields) == 1 and DEFAULT_COLUMN not in first_fields:
                (column,) = first_fields
        self.name = column
        self._source = source
        self._first_fields = tuple(first_fields)
        self._is_found = column in first_fields or not first_fields
        self._missing = 0

    def record_found(self) -> None:
        """Note that a record has the column: the source will not be refused."""
        self._is_found = True

    def record_missing(self, count: int = 1) -> None:
        """Count records without the column.

        Raises:
            UsageError: `MAX_ROWS_WITHOUT_COLUMN` is reached, and no record had it.
        """
        self._missing += count
        if self._missing >= MAX_ROWS_WITHOUT_COLUMN:
            self.finish()

    def finish(self) -> None:
        """Check a source that ends here.

        Raises:
            UsageError: it has records, and none has the column.
        """
        if self._missing and not self._is_found:
            raise _missing_column_error(self._source, self.name, self._first_fields)


def _missing_column_error(source: InputSource, name: str, columns: tuple[str, ...]) -> UsageError:
    available = ", ".join(columns[:_MAX_NAMED_COLUMNS]) + (", …" if len(columns) > _MAX_NAMED_COLUMNS else "")
    return UsageError(f"'{source.display_name}' has no column '{name}'", f"choose with --column among: {available}")
