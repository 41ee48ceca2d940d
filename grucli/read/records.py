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
from grucli.read.blocks import LONGEST, Block, Line, read_blocks
from grucli.read.json_lines import LONGEST_DOCUMENT, JsonLines, is_document
from grucli.read.row_report import RowReport
from grucli.read.sources import OnBytes, Source


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
    named: bool
    rows: Iterator[Record]
    blocks: Iterator[Block] | None = None


def open_records(
    source: Source, wanted: str, report: RowReport, on_bytes: OnBytes | None = None, *, reads_ahead: bool = False
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
    if source.form == "txt":
        raise UsageError(
            f"'{source.name}' is one running text, and rows are needed here", "name a .csv, .tsv or .jsonl"
        )
    if source.form == "parquet":
        return _parquet_records(source, report, on_bytes)
    longest = LONGEST_DOCUMENT if source.form == "json" else LONGEST
    blocks = read_blocks(source, report, on_bytes, longest, reads_ahead=reads_ahead)
    block = next((block for block in blocks if block.data is None or block.data.strip()), None)
    if block is None:
        return Records((), True, iter(()))
    blocks = chain([block], blocks)
    first = next(line for line in block.lines() if line[1] is None or line[1].strip())
    form = source.form or _form(first, wanted)
    if form in ("json", "jsonl"):
        return _json_records(blocks, form == "json" and is_document(first[1]), wanted, report)
    lines = (line for block in blocks for line in block.lines() if line[0] >= first[0])
    if form == "csv":
        return _csv_records(source, lines, report)
    if form == "tsv":
        return _tsv_records(first, lines, wanted, report)
    report.remarks.append((source.name, "is neither JSON lines nor a table: each line is taken as one comment"))
    return Records(("body",), True, _split_records(lines, ("body",), None, report))


def _parquet_records(source: Source, report: RowReport, on_bytes: OnBytes | None) -> Records:
    if source.path is None or source.compression:
        raise UsageError(
            f"'{source.name}' is compressed twice: a .parquet is compressed inside", f"unpack the {source.compression}"
        )
    parquet = optional_imports.load("grucli.read.parquet", "parquet", "reading a .parquet")
    columns, rows = parquet.read_parquet(source.path, source.name, on_bytes)
    return Records(columns, True, _counted(rows, report))


def _counted(rows: Iterator[tuple[int, dict[str, object]]], report: RowReport) -> Iterator[Record]:
    for number, fields in rows:
        report.read += 1
        yield Record(number, fields)


def _form(first: Line, wanted: str) -> str:
    text = (first[1] or b"").decode("utf-8", "replace").strip()
    if text.startswith(("{", "[{")) or text == "[":
        return "json"
    if wanted in text.split("\t") and "\t" in text:
        return "tsv"
    try:
        return "csv" if wanted in next(csv.reader([text]), []) else "lines"
    except csv.Error:  # a lone \r, say
        return "lines"


def _json_records(blocks: Iterator[Block], document: bool, wanted: str, report: RowReport) -> Records:
    reader = JsonLines(dict[str, object], wanted)
    if document:
        return Records(None, True, (Record(number, row) for number, row in reader.document(blocks, report)))
    rows = (
        Record(number, fields)
        for numbers, values in (reader.decode(block, report) for block in blocks)
        for number, fields in zip(numbers, values, strict=True)
    )
    return Records(None, True, rows, blocks)


class _CsvLines:
    """Lines as csv.reader takes them: `text` is the last one, `spoiled` what went wrong since the last record."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self.number = 0
        self.text = ""
        self.spoiled: str | None = None

    def __iter__(self) -> "_CsvLines":
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        if line is None:
            self.spoiled = "line too long"
            return "\n"
        try:
            self.text = line.decode()
        except UnicodeDecodeError:
            self.spoiled = "not UTF-8"
            self.text = line.decode("utf-8", "replace")
        return self.text + "\n"


def _csv_records(source: Source, lines: Iterator[Line], report: RowReport) -> Records:
    csv.field_size_limit(LONGEST)
    feed = _CsvLines(lines)
    # Strict: a row that swallowed the next ones for want of a closing quote is an error, not a long comment.
    reader = csv.reader(feed, strict=True)
    try:
        columns = tuple(next(reader, ()))
    except csv.Error as error:
        feed.spoiled = _csv_reason(error)
    if feed.spoiled:
        raise UsageError(
            f"the first line of '{source.name}' names no columns ({feed.spoiled})",
            "give it a header line, as in: id,body",
        )
    if len(set(columns)) < len(columns):
        raise UsageError(f"'{source.name}' has two columns of one name: {', '.join(columns)}", "rename one of them")
    return Records(columns, True, _csv_rows(source, feed, reader, columns, report))


def _csv_rows(
    source: Source, feed: _CsvLines, reader: "Iterator[list[str]]", columns: tuple[str, ...], report: RowReport
) -> Iterator[Record]:
    whole = 0
    while True:
        number = feed.number + 1
        feed.spoiled = None
        values: list[str] = []
        try:
            values = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            feed.spoiled = _csv_reason(error)
        if not values and feed.spoiled is None:
            continue
        report.read += 1
        if len(columns) == 1 < len(values) and feed.spoiled is None:
            text = feed.text.removesuffix("\r")
            if text.split(",") == values:  # nothing in it was quoted, so that its commas are the writer's own
                whole += 1
                values = [text]
        reason = feed.spoiled or _miscounted(values, columns)
        if reason:
            report.skip(reason, number)
        else:
            yield Record(number, dict(zip(columns, values, strict=True)))
    if whole:
        rows = "1 row" if whole == 1 else f"{whole:,} rows"
        report.remarks.append((source.name, f"has one column: {rows} with unquoted commas taken as one text each"))


def _csv_reason(error: csv.Error) -> str:
    message = str(error)
    return "field too long" if "limit" in message else "unfinished row" if "end of data" in message else "not CSV"


def _tsv_records(first: Line, lines: Iterator[Line], wanted: str, report: RowReport) -> Records:
    values = (first[1] or b"").decode("utf-8", "replace").removesuffix("\r").split("\t")
    if wanted in values:
        next(lines)
        return Records(tuple(values), True, _split_records(lines, tuple(values), "\t", report))
    columns = tuple(str(place) for place in range(1, len(values) + 1))
    return Records(columns, False, _split_records(lines, columns, "\t", report))


def _split_records(
    lines: Iterator[Line], columns: tuple[str, ...], separator: str | None, report: RowReport
) -> Iterator[Record]:
    for number, line in lines:
        if line is not None and not line.strip():
            continue
        report.read += 1
        if line is None:
            report.skip("line too long", number)
            continue
        try:
            text = line.decode().removesuffix("\r")
        except UnicodeDecodeError:
            report.skip("not UTF-8", number)
            continue
        values = text.split(separator) if separator else [text]
        reason = _miscounted(values, columns)
        if reason:
            report.skip(reason, number)
        else:
            yield Record(number, dict(zip(columns, values, strict=True)))


def _miscounted(values: list[str], columns: tuple[str, ...]) -> str | None:
    if len(values) == len(columns):
        return None
    return "too few fields" if len(values) < len(columns) else "too many fields"
