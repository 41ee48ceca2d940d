"""Reads the sources of a cleaning run as batches of raw comments."""

from collections.abc import Collection, Iterator
from itertools import chain
from typing import NamedTuple

from grucli.errors import UsageError
from grucli.read.blocks import Block, RowReport
from grucli.read.json_lines import first_fields
from grucli.read.records import DEFAULT_COLUMN, JsonTextColumn, Record, Records, open_records, table_column
from grucli.read.sources import ByteProgress, InputSource
from grucli.reddit.clean.options import CleanOptions

_ROWS_PER_BATCH = 500


class RawBatch(NamedTuple):
    """Comments to clean: a block of JSON lines, or records of any other format.

    `source_index`: the source they come from. `column`: the text column.
    """

    source_index: int
    column: str
    block: Block | None
    records: list[Record]


class BatchReader:
    """The sources as batches. `reports`: counts of the rows decoded here, per source."""

    def __init__(
        self, options: CleanOptions, on_bytes: ByteProgress | None = None, *, use_prefetch: bool = False
    ) -> None:
        self.reports = [RowReport() for _ in options.sources]
        self._options = options
        self._on_bytes = on_bytes
        self._use_prefetch = use_prefetch
        self._json_columns: dict[int, JsonTextColumn] = {}

    def batches(self) -> Iterator[RawBatch]:
        """Yield the batches of all sources.

        Raises:
            UsageError: as `open_records`; also a table without the text column, or with conversations if they are to be
                built.
            GruError: as `open_records`.
        """
        for source_index, source in enumerate(self._options.sources):
            column, report = self._options.column or DEFAULT_COLUMN, self.reports[source_index]
            records = open_records(source, column, report, self._on_bytes, use_prefetch=self._use_prefetch)
            yield from self._source_batches(source_index, source, records)

    def count_texts(self, source_index: int, found: int, missing: int) -> None:
        """Count the rows of a batch that have a text, and those that have none.

        Raises:
            UsageError: the source is JSON, and none of its first rows has the text column.
        """
        column = self._json_columns.get(source_index)
        if column is not None and found:
            column.record_found()
        elif column is not None:
            column.record_missing(missing)

    def finish(self) -> None:
        """Check the sources that have few rows.

        Raises:
            UsageError: as `count_texts`.
        """
        for column in self._json_columns.values():
            column.finish()

    def _source_batches(self, source_index: int, source: InputSource, records: Records) -> Iterator[RawBatch]:
        if records.blocks is not None:
            first_block = next(records.blocks)
            column = self._json_column(source_index, source, first_fields(first_block))
            for block in chain([first_block], records.blocks):
                yield RawBatch(source_index, column, block, [])
        elif records.columns is None:
            first_record = next(records.rows, None)
            if first_record is not None:
                column = self._json_column(source_index, source, first_record.fields)
                yield from _chunks(source_index, column, chain([first_record], records.rows))
        elif records.columns:
            self._refuse_conversations(source, records.columns)
            column = table_column(source, records, self._options.column)
            yield from _chunks(source_index, column, records.rows)

    def _json_column(self, source_index: int, source: InputSource, fields: Collection[str]) -> str:
        self._refuse_conversations(source, fields)
        column = JsonTextColumn(source, self._options.column, fields)
        self._json_columns[source_index] = column
        return column.name

    def _refuse_conversations(self, source: InputSource, fields: Collection[str]) -> None:
        """Raise for a corpus of conversations: it no longer says which comment replies to which."""
        if self._options.replies and "thread" in fields and "turn" in fields and "parent_id" not in fields:
            raise UsageError(
                f"'{source.display_name}' already contains conversations",
                "train on it directly, or clean the original comments",
            )


def _chunks(source_index: int, column: str, rows: Iterator[Record]) -> Iterator[RawBatch]:
    chunk: list[Record] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _ROWS_PER_BATCH:
            yield RawBatch(source_index, column, None, chunk)
            chunk = []
    if chunk:
        yield RawBatch(source_index, column, None, chunk)
