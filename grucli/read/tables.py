"""Delimited tables: how a file separates its columns, whether its first line names them, and its rows.

All of it is decided by the first lines; the user's `ReadOptions` override it.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, islice

from grucli.errors import UsageError, pluralize
from grucli.read.blocks import LINE_TOO_LONG, MAX_LINE_BYTES, NOT_UTF8, NumberedLine, Record, RowReport, is_blank
from grucli.read.columns import count_usual_names, is_prose, kind_of, names_text, normalize_name
from grucli.read.schema import ReadOptions

SAMPLE_LINES = 200
"""Lines by which a table is decided."""

REPEATED_HEADER = "header repeated"
"""The reason of a row that is the header again, as where files were joined."""

_SAMPLE_ROWS = 50
_MAX_TITLES = 10
"""Lines among which the header is searched."""

_MIN_TOO_LONG, _MAX_TOO_LONG_SHARE = 3, 0.2
_DELIMITERS = (",", ";", "\t", "|", " ")
_RARE_DELIMITER = re.compile(r"[\x01-\x08\x1c-\x1f^~¦§¬¶·•]")
"""A delimiter if there are names of columns between; Hive writes \\x01."""

_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?')


@dataclass(frozen=True, slots=True)
class TableFormat:
    """How a table is written.

    `quoted`: quotes enclose fields, and are not part of them. `escaped`: a backslash stands before a quote that is part
    of a field, as MySQL writes it. `space_after`: a space after each delimiter is not part
    of the next field. `has_header`: the first line names the columns; None if nothing tells. `skipped_lines`: lines
    before it. `rows`: the first rows, with the header.
    """

    delimiter: str
    quoted: bool
    escaped: bool
    space_after: bool
    has_header: bool | None
    skipped_lines: int
    rows: list[list[str]]

    def names(self) -> tuple[str, ...]:
        """Return the names of the columns; without a header their numbers."""
        first, others = self.rows[0], self.rows[1:]
        if not self.has_header:
            return tuple(str(number + 1) for number in range(len(first)))
        # pandas and R can leave out the name of the row numbers.
        are_longer = len(first) > 1 and all(len(row) == len(first) + 1 for row in others)
        has_unnamed = are_longer and any(row[-1] for row in others)  # otherwise each row ends with a delimiter
        return ("", *first) if has_unnamed else tuple(first)

    def num_too_long(self) -> int:
        """Return the number of rows with more fields than there are columns, and so many that it is no mistake."""
        width = len(self.names())
        count = sum(any(row[width:]) for row in self.rows)
        return count if width > 1 and count >= max(_MIN_TOO_LONG, _MAX_TOO_LONG_SHARE * len(self.rows)) else 0

    def is_regular(self) -> bool:
        """Return True if there are several rows, and all have the same number of columns, two or more."""
        width = len(self.rows[0])
        return len(self.rows) > 1 < width and all(len(row) == width for row in self.rows)

    def has_typed_column(self) -> bool:
        """Return True if a column of a regular table without a header holds numbers, dates, …, and no text."""
        return any(all(kind_of(value) is not None for value in column) for column in zip(*self.rows, strict=True))


def names_delimiter(line: str) -> bool:
    """Return True for a first line such as `sep=;`, by which Excel is told the delimiter."""
    return _SEPARATOR_LINE.fullmatch(line.strip()) is not None


def detect_table(lines: Sequence[str], usual_delimiter: str, options: ReadOptions) -> TableFormat:
    """Decide how a table is written by its first lines, none of which is blank.

    >>> table = detect_table(["id;body", "1;Well; yes"], ",", ReadOptions())
    >>> table.delimiter, table.has_header
    (';', True)
    """
    csv.field_size_limit(MAX_LINE_BYTES)
    separator = _SEPARATOR_LINE.fullmatch(lines[0].strip())
    skipped = 1 if separator and len(lines) > 1 else _count_titles(lines, options)
    lines = lines[skipped:]
    if options.delimiter is not None:
        delimiter = options.delimiter
    elif skipped and separator:
        delimiter = separator[1]
    else:
        delimiter = _find_delimiter(lines, usual_delimiter, options)
    quoted = _is_quoted("\n".join(lines), delimiter, usual_delimiter, options)
    escaped = quoted and _is_escaped(lines, delimiter)
    header = next(iter(_split(lines[:1], delimiter, quoted=quoted)), [])
    space_after = quoted and delimiter != " " and len(header) > 1 and all(name.startswith(" ") for name in header[1:])
    rows = _split(lines, delimiter, quoted=quoted, space_after=space_after)
    if not rows:  # the first is not closed, or too long
        return TableFormat(delimiter, quoted, escaped, space_after, True, skipped, [[lines[0]]])
    has_header = options.has_header if options.has_header is not None else _has_header(rows, options)
    is_chosen = skipped or options.delimiter is not None or delimiter == "\t"
    if has_header is False and not is_chosen and _is_prose(lines, rows):
        space_after, rows = False, [[line] for line in lines[:_SAMPLE_ROWS]]
    return TableFormat(delimiter, quoted, escaped, space_after, has_header, skipped, rows)


def _count_titles(lines: Sequence[str], options: ReadOptions) -> int:
    """Return the number of lines before the header: the title of an export, or remarks that begin with `#`.

    Each is shorter than the header, and no header itself.
    """
    if options.has_header is False:
        return 0
    tables = [[(_split([line], each) or [[]])[0] for line in lines[:_MAX_TITLES]] for each in _DELIMITERS]
    for number in range(len(tables[0])):
        for table in tables:
            header = [name for name in table[number] if name]
            if _has_text_name(header, options) and (number == 0 or count_usual_names(header) > 1):
                is_title = (
                    line.startswith("#") or sum(map(bool, cells)) < len(header)
                    for line, cells in zip(lines[:number], table, strict=False)
                )
                return number if all(is_title) else 0
    return 0


def _split(lines: Sequence[str], delimiter: str, *, quoted: bool = True, space_after: bool = False) -> list[list[str]]:
    if not quoted:
        return [line.split(delimiter) for line in lines[:_SAMPLE_ROWS]]
    escaped = _is_escaped(lines, delimiter)
    reader = _csv_reader((line + "\n" for line in lines), delimiter, escaped=escaped, space_after=space_after)
    rows: list[list[str]] = []
    while len(rows) < _SAMPLE_ROWS:
        try:
            rows.append(next(reader))
        except StopIteration:
            break
        except csv.Error:
            if not rows:
                break
    return list(filter(None, rows))


def _csv_reader(
    lines: Iterable[str], delimiter: str, *, escaped: bool, space_after: bool = False
) -> Iterator[list[str]]:
    # Strict: a quote that is never closed is an error, not one long comment.
    escape = "\\" if escaped else None
    return csv.reader(lines, delimiter=delimiter, escapechar=escape, skipinitialspace=space_after, strict=True)


def _is_escaped(lines: Sequence[str], delimiter: str) -> bool:
    if not any('\\"' in line for line in lines):
        return False
    return _count_errors(lines, delimiter, escaped=True) < _count_errors(lines, delimiter, escaped=False)


def _count_errors(lines: Sequence[str], delimiter: str, *, escaped: bool) -> int:
    reader, count = _csv_reader((line + "\n" for line in lines), delimiter, escaped=escaped), 0
    while True:
        try:
            next(reader)
        except StopIteration:
            return count
        except csv.Error:
            count += 1


def _find_delimiter(lines: Sequence[str], usual: str, options: ReadOptions) -> str:
    """Return the delimiter by which the first line names a text, else one that splits all lines alike."""
    # Prose has spaces: they separate columns only if the names are quoted, as R writes them.
    delimiters = [each for each in (usual, *_DELIMITERS) if each != " " or lines[0].startswith('"')]
    delimiters += sorted(set(_RARE_DELIMITER.findall(lines[0])))
    tables = {each: _split(lines, each, quoted=each != "\t") for each in delimiters}
    headers = {each: rows[0] if rows else [] for each, rows in tables.items()}
    # Columns between tabs are split as if there were no quotes; whether there are is decided later.
    headers["\t"] = [name.strip('"\r') for name in headers["\t"]]
    known = {each: (_has_text_name(names, options), count_usual_names(names)) for each, names in headers.items()}
    best = max(known, key=lambda each: known[each])  # the first of equals is the usual one
    if known[best][0] or known[best][1] > 1:
        return best
    return next((each for each in delimiters if each in _DELIMITERS and _is_consistent(tables[each])), usual)


def _has_text_name(names: Sequence[str], options: ReadOptions) -> bool:
    return names_text(names) or _is_given(names, options)


def _is_given(names: Sequence[str], options: ReadOptions) -> bool:
    given = {normalize_name(column) for column in options.columns.values() if not column.isdecimal()}
    return not given.isdisjoint(map(normalize_name, names))


def _is_prose(lines: Sequence[str], rows: list[list[str]]) -> bool:
    """Return True if the lines are texts with delimiters in them, and not rows of columns."""
    return len(rows) > 1 and not _is_consistent(rows) and not any(line.startswith('"') for line in lines)


def _is_consistent(rows: list[list[str]]) -> bool:
    width = len(rows[0]) if rows else 0
    return len(rows) > 1 < width and sum(len(row) == width for row in rows) >= 0.9 * len(rows)


def _is_quoted(text: str, delimiter: str, usual_delimiter: str, options: ReadOptions) -> bool:
    """Return True if quotes enclose fields.

    A `.tsv` has no quotes unless something shows it: all of its quotes are in their places, and one field needs them.
    Doubled quotes show it only below a header, which programs write that quote: in bare lines they belong to the texts.
    Any other table has quotes, unless most of its quotes are in other places. Commas always need quotes.
    """
    if delimiter == "," or '"' not in text:
        return delimiter != "\t" or usual_delimiter != "\t"
    other = re.escape(delimiter)
    field = re.compile(rf'(?<![^{other}\n])"(?:[^"]|"")*"(?=[{other}\r\n]|\Z)')
    unfinished = re.compile(rf'(?<![^{other}\n])"(?:[^"]|"")*\Z')
    fields = field.findall(text)
    misplaced = unfinished.sub("", field.sub("", text)).count('"')
    if (delimiter, usual_delimiter) != ("\t", "\t"):
        return misplaced <= 2 * len(fields)
    first_line = text.partition("\n")[0]
    signs = ("\t", "\n", '""') if _has_text_name(first_line.split("\t"), options) else ("\t", "\n")
    needs_quotes = any(sign in each[1:-1] for each in fields for sign in signs)
    return not misplaced and (needs_quotes or not field.sub("", first_line).strip("\t\r"))


def _has_header(rows: list[list[str]], options: ReadOptions) -> bool | None:
    """Return whether the first row names the columns, by what it looks like and how it differs from the others."""
    first, others = rows[0], rows[1:_SAMPLE_ROWS]
    if _is_given(first, options) or _is_range(first):
        return True
    known = count_usual_names(first)
    looks_like_data = any(kind_of(value) is not None for value in first)
    if known > 1 or (known and not looks_like_data):
        return True
    columns = [[row[place] for row in others if place < len(row)] for place in range(len(first))]
    if looks_like_data or any(value and value in column for value, column in zip(first, columns, strict=True)):
        return False  # a name does not occur below itself
    if any(map(_is_name_of, first, columns)):
        return True
    return False if any(map(is_prose, first)) else None


def _is_range(names: list[str]) -> bool:
    """Return True for 0, 1, 2, …, which pandas calls columns without names."""
    numbers = names[1:] if names[:1] == [""] else names
    return bool(numbers) and numbers == [str(number) for number in range(len(numbers))]


def _is_name_of(value: str, values: list[str]) -> bool:
    """Return True if all values below are of one kind, such as numbers, and this one is not."""
    kinds = {kind_of(each) for each in values if each}
    return bool(value) and len(kinds) == 1 and None not in kinds


def table_rows(
    source_name: str,
    lines: Iterator[NumberedLine],
    first_line: int,
    table: TableFormat,
    keys: tuple[str, ...],
    text_index: int,
    report: RowReport,
) -> Iterator[Record]:
    """Return an iterator over the rows below the header. Bad rows are counted in `report`.

    Args:
        source_name: for warnings.
        lines: the lines from the first that is not blank.
        first_line: the number of that line.
        table: how the table is written.
        keys: the key of each column.
        text_index: the place of the column that a row must have; fields missing after it are empty.
        report: the counts to fill.

    Raises:
        UsageError: the header cannot be read.
    """
    for _ in range(table.skipped_lines):  # blank lines were not counted
        next(line for line in lines if not is_blank(line))
    lines = dropwhile(is_blank, lines)
    rows = _parse_csv(source_name, lines, first_line, table) if table.quoted else _split_raw(lines, table)
    return _Fitter(source_name, table, keys, text_index, report).records(rows)


_ParsedRow = tuple[int, list[str], str, str | None]
"""The number of the first line of a row, its fields, its last line, and why it is not a row."""


def _parse_csv(
    source_name: str, lines: Iterator[NumberedLine], first_line: int, table: TableFormat
) -> Iterator[_ParsedRow]:
    csv_lines = _CsvLines(lines, first_line - 1)
    reader = _csv_reader(csv_lines, table.delimiter, escaped=table.escaped, space_after=table.space_after)
    if table.has_header:
        try:
            next(reader)
        except csv.Error as error:
            csv_lines.error = _csv_reason(error)
        if csv_lines.error:
            raise invalid_header_error(source_name, csv_lines.error)
    return _csv_rows(csv_lines, reader)


def invalid_header_error(source_name: str, reason: str) -> UsageError:
    """Return the error for a table whose first line cannot be read."""
    return UsageError(f"invalid header in '{source_name}': {reason}", "add a header line such as: id,body")


def _csv_rows(csv_lines: "_CsvLines", reader: Iterator[list[str]]) -> Iterator[_ParsedRow]:
    while True:
        line_number = csv_lines.line_number + 1
        csv_lines.error = None
        values: list[str] = []
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            csv_lines.error = _csv_reason(error)
        if values or csv_lines.error is not None:
            yield line_number, values, csv_lines.text, csv_lines.error


def _split_raw(lines: Iterator[NumberedLine], table: TableFormat) -> Iterator[_ParsedRow]:
    delimiter = table.delimiter.encode()
    for line_number, line in islice(lines, 1 if table.has_header else 0, None):
        if line is None:
            yield line_number, [], "", LINE_TOO_LONG
        elif line.strip() or delimiter in line:
            try:
                text = line.decode().removesuffix("\r")
            except UnicodeDecodeError:
                yield line_number, [], line.decode("utf-8", "replace"), NOT_UTF8
            else:
                yield line_number, text.split(table.delimiter), text, None


class _Fitter:
    """Makes records of the rows of a table, where their number of fields can be mended."""

    def __init__(
        self, source_name: str, table: TableFormat, keys: tuple[str, ...], text_index: int, report: RowReport
    ) -> None:
        self._source_name = source_name
        self._table = table
        self._header = list(keys) if table.has_header and len(keys) > 1 else []
        self._keys = keys
        self._text_index = text_index
        self._report = report
        self._num_padded = 0
        self._num_unquoted = 0

    def records(self, rows: Iterator[_ParsedRow]) -> Iterator[Record]:
        """Yield the rows with as many fields as there are columns, and count all of them."""
        report, header, keys = self._report, self._header, self._keys
        num_columns = len(keys)
        for line_number, values, text, reason in rows:
            report.read += 1
            if reason is None and (len(values) != num_columns or values == header):
                reason = self._fit(values, text)
            if reason is not None:
                report.skip(reason, line_number, text)
            else:
                yield Record(line_number, dict(zip(keys, values, strict=True)))
        self._warn()

    def _fit(self, values: list[str], line: str) -> str | None:
        """Give a row as many values as there are columns, or return why it is not a row."""
        num_columns = len(self._keys)
        if len(values) == num_columns:
            return REPEATED_HEADER
        if len(values) > num_columns:
            text = line.removesuffix("\r")
            if num_columns == 1 and text.split(self._table.delimiter) == values:
                self._num_unquoted += 1  # nothing is quoted, so the delimiters are part of the text
                values[:] = [text]
            elif any(values[num_columns:]):
                return "too many fields"
            del values[num_columns:]
        elif len(values) <= self._text_index:
            return "too few fields"
        else:
            self._num_padded += 1
            values += [""] * (num_columns - len(values))
        return None

    def _warn(self) -> None:
        delimiters = "commas" if self._table.delimiter == "," else "delimiters"
        for count, warning in (
            (self._num_unquoted, f"has one column: unquoted {delimiters} in {{}} are read as part of the text"),
            (self._num_padded, "has {} with fewer fields than columns: the missing ones are read as empty"),
        ):
            if count:
                self._report.warnings.append((self._source_name, warning.format(pluralize(count, "row"))))


class _CsvLines:
    """Lines for csv.reader: `text` is the last one, `error` the reason why the current record is bad."""

    def __init__(self, lines: Iterator[NumberedLine], line_number: int) -> None:
        self._lines = lines
        self.line_number = line_number
        self.text = ""
        self.error: str | None = None

    def __iter__(self) -> "_CsvLines":
        return self

    def __next__(self) -> str:
        self.line_number, line = next(self._lines)
        if line is None:
            self.error = LINE_TOO_LONG
            return "\n"
        try:
            self.text = line.decode()
        except UnicodeDecodeError:
            self.error = NOT_UTF8
            self.text = line.decode("utf-8", "replace")
        return self.text + "\n"


def _csv_reason(error: csv.Error) -> str:
    message = str(error)
    return "field too long" if "limit" in message else "unfinished row" if "end of data" in message else "not CSV"
