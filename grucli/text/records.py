"""The records of a corpus: every field of every row, whatever the form it is kept in, and a report of the bad ones.

A bad row is counted under a reason, with its line number, and reading goes on. No line or field is held that is longer
than `LONGEST` bytes, so that memory is bounded whatever comes.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import msgspec

from grucli.errors import UsageError
from grucli.text.sources import Damaged, OnBytes, Source, read_bytes, unreadable

LONGEST = 1 << 22
"""Bytes of a line, characters of a field."""

DAMAGED = "damaged compressed data"
BYTES = "bytes that are not UTF-8"
"""The reasons that leave out more, or less, than a row."""

_LINES_KEPT = 5

Line = tuple[int, bytes | None]
"""A line's number, from 1, and its bytes without the newline; None where they are more than `LONGEST`."""


@dataclass(slots=True)
class RowReport:
    """What became of the rows: `read` of them were met, and `skipped` says why some were left out.

    `lines` holds the first few line numbers of each reason. Of a running text, lines are counted in place of rows.
    `remarks`: what should be known about a source besides, as its name and the rest of the sentence.
    """

    read: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    lines: dict[str, list[int]] = field(default_factory=dict)
    remarks: list[tuple[str, str]] = field(default_factory=list)

    def skip(self, reason: str, line: int) -> None:
        """Count one bad row."""
        self.skipped[reason] += 1
        kept = self.lines.setdefault(reason, [])
        if len(kept) < _LINES_KEPT:
            kept.append(line)

    def cut(self, name: str, line: int) -> None:
        """Count the row in which the compressed data of a source are damaged, behind `line` whole lines."""
        self.skip(DAMAGED, line + 1)
        place = f"after line {line:,}" if line else "after what could be read of its first line"
        self.remarks.append((name, f"is damaged: everything {place} is missing"))

    def notes(self) -> list[str]:
        """All of it in sentences for the user, what weighs most first."""
        notes = [f"'{name}' {what}" for name, what in self.remarks]
        for reason, n in self.skipped.most_common():
            if reason == BYTES:
                notes.append(f"{BYTES} were removed in {n:,} place{'' if n == 1 else 's'}")
            elif reason != DAMAGED:
                notes.append(f"{n:,} row{'' if n == 1 else 's'} skipped: {reason}")
        return notes


class Record(NamedTuple):
    """One row: the line it begins on, and its fields by name."""

    line: int
    fields: dict[str, object]


@dataclass(frozen=True, slots=True)
class Records:
    """A source's records, to be read once.

    `columns`: the names of the fields, or None where every record brings its own. `named`: whether the file gave those
    names; else they are "1", "2", ….
    """

    columns: tuple[str, ...] | None
    named: bool
    rows: Iterator[Record]


def open_records(source: Source, wanted: str, report: RowReport, on_bytes: OnBytes | None = None) -> Records:
    """Read `source` up to its first row.

    A `.tsv` whose first line has no field `wanted` has no header. Where neither suffix nor `wanted` in the first line
    tells the form, a first `{` means JSON lines, and anything else one text a line, in the field "body"; the report
    remarks on it. A `.csv` of one column has no use for commas: a line in which nothing is quoted is one text, whole,
    and the report says how many had some.

    Raises:
        UsageError: the source cannot be read at all.
        GruError: the disk failed, or not one line comes before the damage in compressed data.
    """
    lines = read_lines(source, report, on_bytes)
    first = next((line for line in lines if line[1] is None or line[1].strip()), None)
    if first is None:
        return Records((), True, iter(()))
    lines = chain([first], lines)
    form = source.form or _form(first, wanted)
    if form == "jsonl":
        return Records(None, True, _json_records(lines, wanted, report))
    if form == "csv":
        return _csv_records(source, lines, report)
    if form == "tsv":
        return _tsv_records(first, lines, wanted, report)
    if form == "lines":
        report.remarks.append((source.name, "is neither JSON lines nor a table: each line is taken as one comment"))
        return Records(("body",), True, _split_records(lines, ("body",), None, report))
    raise UsageError(f"'{source.name}' is one running text, and rows are needed here", "name a .csv, .tsv or .jsonl")


def read_lines(source: Source, report: RowReport, on_bytes: OnBytes | None = None) -> Iterator[Line]:
    """The lines of `source`. Where compressed data are damaged they end, and the report says so.

    Raises:
        UsageError: the source cannot be read at all.
        GruError: the disk failed, or not one line comes before the damage.
    """
    number = 0
    begun = bytearray()
    length = 0
    try:
        for piece in read_bytes(source, on_bytes):
            head, *others = piece.split(b"\n")
            length += len(head)
            if length <= LONGEST:
                begun += head
            if others:
                yield number + 1, bytes(begun) if length <= LONGEST else None
                yield from enumerate(others[:-1], number + 2)
                number += len(others)
                begun = bytearray(others[-1])
                length = len(begun)
    except Damaged as damage:
        if not number:
            raise unreadable(source) from damage
        report.read += 1
        report.cut(source.name, number)
        return
    if length:
        yield number + 1, bytes(begun) if length <= LONGEST else None


def _form(first: Line, wanted: str) -> str:
    text = (first[1] or b"").decode("utf-8", "replace").strip()
    if text.startswith("{"):
        return "jsonl"
    if wanted in text.split("\t") and "\t" in text:
        return "tsv"
    return "csv" if text and wanted in next(csv.reader([text])) else "lines"


def _json_records(lines: Iterator[Line], wanted: str, report: RowReport) -> Iterator[Record]:
    decoder = msgspec.json.Decoder(dict[str, object])
    mark = b'"%s"' % wanted.encode("utf-8", "replace")
    for number, line in lines:
        if line is not None and not line.strip():
            continue
        report.read += 1
        if line is None:
            report.skip("line too long", number)
            continue
        try:
            fields = decoder.decode(line)
            twice = line.count(mark) > 1 and _is_twice(line, wanted)
        except (ValueError, RecursionError) as error:
            report.skip(_json_reason(error), number)
            continue
        if twice:
            report.skip(f"'{wanted}' twice", number)
        else:
            yield Record(number, fields)


def _json_reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deep"
    if isinstance(error, msgspec.ValidationError):
        return "number out of range" if "out of range" in str(error) else "not a JSON object"
    return "not JSON"


def _is_twice(line: bytes, key: str) -> bool:
    """Whether the outermost object of a valid JSON text has `key` more than once."""
    keys: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> None:
        # Called for the outermost object last, whose keys are the ones that stay.
        keys[:] = [name for name, _ in pairs]

    json.loads(line, object_pairs_hook=note)
    return keys.count(key) > 1


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
