"""Records of a corpus in any format: every field of every row, and what each field is.

Bad rows are counted by reason, and skipped. No line or field over `MAX_LINE_BYTES` is held in memory, which is thus
bounded for any input. The `Schema` is decided once per source, for every command alike.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, cast

from grucli import optional_imports
from grucli.errors import UsageError
from grucli.read.blocks import (
    LINE_TOO_LONG,
    MAX_LINE_BYTES,
    Block,
    NumberedLine,
    Record,
    RowReport,
    is_blank,
    read_blocks,
)
from grucli.read.columns import OTHER_KINDS, ColumnChooser, count_usual_names, kind_column, names_text
from grucli.read.encoding import TextDecoder
from grucli.read.fields import TEXT
from grucli.read.json_documents import MAX_DOCUMENT_BYTES, DocumentReader, is_document
from grucli.read.json_lines import JsonLinesDecoder
from grucli.read.schema import ReadOptions, Schema
from grucli.read.sources import ByteProgress, InputSource
from grucli.read.tables import (
    SAMPLE_LINES,
    TableFormat,
    detect_table,
    invalid_header_error,
    names_delimiter,
    table_rows,
)

_SIGNS_OF_ERROR = frozenset({"error", "errors", "detail", "reason", "code", "status", "statusCode"})
_SIGNS_OF_COMMENT = frozenset({TEXT, "id", "author"})
"""What tells an answer such as `{"message": "Forbidden", "error": 403}` from the only comment of a file."""

MIN_RECORDS_WITHOUT_TEXT = 1000
"""A source of JSON is refused if none of so many records, from the first on, or of all, has the text."""

_MAX_PEEKED_BYTES = 1 << 23
_SAMPLE_RECORDS = 100
_USUAL_DELIMITERS = {"tsv": "\t"}


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a source, to be read once: as `rows` or, for JSON lines, as `blocks` still to be decoded.

    `blocks` is None for every format but JSON lines.
    """

    schema: Schema
    rows: Iterator[Record]
    blocks: Iterator[Block] | None = None


def open_records(
    source: InputSource,
    options: ReadOptions,
    report: RowReport,
    on_bytes: ByteProgress | None = None,
    *,
    use_prefetch: bool = False,
    needs_text: bool = True,
) -> Records:
    """Read `source` up to its first rows, and decide its schema, which `report` notes.

    The suffix names the format. Without one, a first line that starts with `{` or `[{`, or is `[`, means JSON; a first
    line that names the text a table; anything else one text per line, as the field "body", with a warning.

    In a table with one column, unquoted delimiters belong to the text; a warning tells the number of such rows. JSON
    has one record per line, but a saved response of a service, on one line or as the whole file, holds one record per
    comment.

    Args:
        source: the source.
        options: what the user says about it.
        report: counts the rows.
        on_bytes: as in `read_blocks`.
        use_prefetch: as in `read_blocks`.
        needs_text: whether a source is refused if none of its columns is the text.

    Raises:
        UsageError: the source cannot be read, needs a library that is not installed, or it is not clear which column is
            the text; or an option does not fit it.
        GruError: the disk failed, the file is corrupt, or compressed data are before the first line ends.
    """
    if source.file_format == "txt":
        raise UsageError(f"'{source.display_name}' is running text, not rows", "name a .csv, .tsv or .jsonl file")
    opener = _Opener(source, options, report, needs_text)
    if source.file_format == "parquet":
        records = opener.open_parquet(on_bytes)
    else:
        max_line_bytes = MAX_DOCUMENT_BYTES if source.file_format == "json" else MAX_LINE_BYTES
        decoder = TextDecoder(source.display_name, options.encoding)
        records = opener.open_blocks(
            read_blocks(source, report, on_bytes, max_line_bytes, use_prefetch=use_prefetch, decoder=decoder)
        )
        records = replace(records, schema=replace(records.schema, encoding=decoder.encoding))
    report.schemas.append(records.schema)
    return records


class _Opener:
    def __init__(self, source: InputSource, options: ReadOptions, report: RowReport, needs_text: bool) -> None:
        self._source, self._name = source, source.display_name
        self._options = options
        self._report = report
        self._needs_text = needs_text

    def open_parquet(self, on_bytes: ByteProgress | None) -> Records:
        source = self._source
        if source.path is None or source.compression:
            raise UsageError(
                f"cannot read '{self._name}': compressed .parquet files are not supported",
                f"decompress the {source.compression} file",
            )
        parquet = optional_imports.import_optional("grucli.read.parquet", "parquet", "reading a .parquet")
        names, rows = cast(Any, parquet).read_parquet(source.path, self._name, self._report, on_bytes)
        first = list(islice(rows, _SAMPLE_RECORDS))
        sample = [record.fields for record in first]
        chooser = ColumnChooser(self._name, names, names, sample, self._options)
        comments = self._comments(chain(first, rows), kind_column(names, names, sample))
        return Records(self._schema("parquet", chooser), comments)

    def open_blocks(self, blocks: Iterator[Block]) -> Records:
        block = next((block for block in blocks if block.data is None or block.data.strip()), None)
        if block is None:
            return Records(Schema(name=self._name, file_format=self._source.file_format or "lines"), iter(()))
        blocks = chain([block], blocks)
        first_line = next(line for line in block.lines() if not is_blank(line))
        file_format = self._source.file_format or self._detect_format(first_line, block)
        if file_format in ("json", "jsonl"):
            is_too_long = block.data is None and file_format == "json"
            if is_too_long or is_document(block, self._options.text_column):
                return self._open_document(blocks)
            return self._open_json_lines(file_format, blocks)
        lines = (line for block in blocks for line in block.lines() if line[0] >= first_line[0])
        if file_format == "lines":
            self._report.warnings.append(
                (self._name, "is neither JSON lines nor a table: each line is read as one comment")
            )
            table = TableFormat("\0", False, False, False, False, 0, [])
            schema = Schema(name=self._name, file_format="lines", names=(TEXT,), columns={TEXT: TEXT})
            return Records(schema, table_rows(self._name, lines, first_line[0], table, (TEXT,), 0, self._report))
        return self._open_table(block, first_line[0], lines)

    def _detect_format(self, first_line: NumberedLine, block: Block) -> str:
        text = (first_line[1] or b"").decode("utf-8", "replace").strip()
        if text.startswith("{") or text.replace(" ", "").startswith("[{") or text == "[":
            return "json" if is_document(block, self._options.text_column) else "jsonl"
        if self._options != ReadOptions(encoding=self._options.encoding):
            return "csv"  # it is read in a way that texts without columns are not
        table = detect_table(_sample_lines(block), ",", self._options)
        names = table.rows[0]
        if len(names) == 1:  # other words that are usual for a text may be a text as well
            return "csv" if names[0] == TEXT else "lines"
        if table.has_header:
            return "csv" if names_text(names) or count_usual_names(names) > 1 or table.is_regular() else "lines"
        return "csv" if table.is_regular() and table.has_typed_column() else "lines"

    def _open_document(self, blocks: Iterator[Block]) -> Records:
        reader = DocumentReader(self._name, self._options.text_column, self._report)
        rows = (Record(number, fields) for number, fields in reader.read(blocks))
        first = list(islice(rows, MIN_RECORDS_WITHOUT_TEXT))
        return Records(self._json_schema("json", [record.fields for record in first]), chain(first, rows))

    def _open_json_lines(self, file_format: str, blocks: Iterator[Block]) -> Records:
        decoder = JsonLinesDecoder(dict[str, object], self._options.text_column)
        peeked: list[Block] = []
        num_bytes = 0
        first: list[dict[str, object]] = []
        for block in blocks:
            peeked.append(block)
            num_bytes += len(block.data or b"")
            values = decoder.decode(block, RowReport()).values[: MIN_RECORDS_WITHOUT_TEXT - len(first)]
            first += values
            is_enough = len(first) >= MIN_RECORDS_WITHOUT_TEXT or num_bytes >= _MAX_PEEKED_BYTES
            if is_enough or any(map(self._has_text, values)):
                break
        schema = self._json_schema(file_format, first)
        blocks = chain(peeked, blocks)
        return Records(schema, _json_rows(self._name, blocks, schema.text_column, self._report), blocks)

    def _has_text(self, fields: dict[str, object]) -> bool:
        given = self._options.text_column
        return names_text(fields, of_posts=False) if given is None else given in fields

    def _json_schema(self, file_format: str, first: list[dict[str, object]]) -> Schema:
        names = tuple(dict.fromkeys(name for fields in first for name in fields))
        if not names:
            columns = {TEXT: TEXT, **self._options.columns}
            return Schema(name=self._name, file_format=file_format, columns=columns)
        if len(first) == 1 and not _SIGNS_OF_ERROR.isdisjoint(names) and _SIGNS_OF_COMMENT.isdisjoint(names):
            raise UsageError(f"'{self._name}' has an error of a service, not comments", "fetch it again")
        chooser = ColumnChooser(self._name, names, names, first[:_SAMPLE_RECORDS], self._options, numbered=False)
        return self._schema(file_format, chooser)

    def _open_table(self, block: Block, first_line: int, lines: Iterator[NumberedLine]) -> Records:
        usual = _USUAL_DELIMITERS.get(self._source.file_format or "", ",")
        if block.data is None:
            raise invalid_header_error(self._name, LINE_TOO_LONG)
        sample_lines = _sample_lines(block)
        table = detect_table(sample_lines, usual, self._options)
        is_tsv = usual == table.delimiter == "\t"
        is_certain = table.has_header is not None
        if not is_certain:
            table = replace(table, has_header=not is_tsv)
        names = table.names()
        if too_long := table.num_too_long():
            raise UsageError(
                f"'{self._name}' has more fields than columns in {too_long} of its first {len(table.rows)} lines",
                "quote the fields that contain delimiters, or choose another with --delimiter",
            )
        keys = _unique_keys(names)
        rows = table.rows[1 if table.has_header else 0 :]
        sample = [dict(zip(keys, row, strict=True)) for row in rows if len(row) == len(keys)]
        chooser = ColumnChooser(self._name, names, keys, sample, self._options, named=is_certain or is_tsv)
        if not table.has_header and self._options.has_header is None:
            chooser.check_headerless(is_tsv)
        schema = replace(
            self._schema("csv", chooser, has_header=bool(table.has_header)),
            delimiter=table.delimiter,
            usual_delimiter=usual,
            quoted=table.quoted,
            title_lines=0 if names_delimiter(sample_lines[0]) else table.skipped_lines,
        )
        text_index = keys.index(schema.columns[TEXT]) if TEXT in schema.columns else len(keys) - 1
        table_records = table_rows(self._name, lines, first_line, table, keys, text_index, self._report)
        return Records(schema, self._comments(table_records, kind_column(names, keys, sample)))

    def _comments(self, rows: Iterator[Record], kind: str | None) -> Iterator[Record]:
        """Return the rows that are comments by the column `kind`; without a need for texts all of them."""
        return rows if kind is None or not self._needs_text else _without_posts(rows, kind, self._report)

    def _schema(self, file_format: str, chooser: ColumnChooser, *, has_header: bool = True) -> Schema:
        options = self._options
        if file_format != "csv" and (options.delimiter is not None or options.has_header is not None):
            raise UsageError(f"'{self._name}' is not a delimited table", "remove --delimiter and --no-header")
        columns = chooser.choose(needs_text=self._needs_text) if has_header else chooser.choose_by_values()
        return Schema(
            name=self._name,
            file_format=file_format,
            has_header=has_header,
            names=chooser.names,
            columns=columns,
            given=frozenset(options.columns),
            passed_over=chooser.passed_over,
        )


def _without_posts(rows: Iterator[Record], kind: str, report: RowReport) -> Iterator[Record]:
    for row in rows:
        if str(row.fields[kind]).lower() in OTHER_KINDS:
            report.skip("not a comment", row.line)
        else:
            yield row


def _json_rows(name: str, blocks: Iterator[Block], text_column: str, report: RowReport) -> Iterator[Record]:
    decoder = JsonLinesDecoder(dict[str, object], text_column)
    for block in blocks:
        rows = decoder.decode(block, report)
        yield from map(Record, rows.line_numbers, rows.values)
    report.warn_of_repairs(name)


def _sample_lines(block: Block) -> list[str]:
    """Return the first lines that are not blank, as text."""
    lines = (line or b"" for _, line in islice(block.lines(), SAMPLE_LINES))
    return [line.decode("utf-8", "replace").removesuffix("\r") for line in lines if line.strip()] or [""]


def _unique_keys(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, and for those that are empty or occur twice the numbers of their columns."""
    counts = Counter(names)
    return tuple(name if name and counts[name] == 1 else f"column {number}" for number, name in enumerate(names, 1))
