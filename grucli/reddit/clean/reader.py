"""Reads the sources of a cleaning run as batches of raw comments."""

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import NamedTuple

from grucli.errors import UsageError
from grucli.read.blocks import BadRow, Block, Record, RowReport
from grucli.read.fields import TEXT
from grucli.read.json_lines import JsonLinesDecoder
from grucli.read.records import Records, open_records
from grucli.read.schema import Schema
from grucli.read.sources import ByteProgress, InputSource
from grucli.reddit.clean.options import CleanOptions
from grucli.reddit.clean.required_fields import check_columns, required_fields
from grucli.reddit.timestamps import DateOrder, date_order, has_ordered_date

_ROWS_PER_BATCH = 500
_SAMPLE_LINES = 20
_TIME = "created_utc"


class RawBatch(NamedTuple):
    """Comments to clean: a block of JSON lines, or records of any other format.

    `source_index`: the source they come from. `columns`: the column of each field, see `Schema`. `date_order`: that of
    dates with slashes in the source. `bad_rows`: those before the last record, if they are kept.
    """

    source_index: int
    columns: Mapping[str, str]
    block: Block | None
    records: list[Record]
    date_order: DateOrder | None = None
    bad_rows: tuple[BadRow, ...] = ()


class BatchReader:
    """The sources as batches. `reports`: counts of the rows decoded here, per source.

    `schemas` receives what is decided about each source when it is opened.
    """

    def __init__(
        self,
        options: CleanOptions,
        on_bytes: ByteProgress | None = None,
        *,
        schemas: list[Schema] | None = None,
        use_prefetch: bool = False,
    ) -> None:
        schemas = [] if schemas is None else schemas
        self.reports = [RowReport(schemas=schemas) for _ in options.sources]
        self._options = options
        self._on_bytes = on_bytes
        self._use_prefetch = use_prefetch

    def batches(self) -> Iterator[RawBatch]:
        """Yield the batches of all sources.

        Raises:
            UsageError: as `open_records`; also a source with conversations if they are to be built.
            GruError: as `open_records`.
        """
        options = self._options
        required = required_fields(options.rule_config, replies=options.replies)
        for source_index, (source, report) in enumerate(zip(options.sources, self.reports, strict=True)):
            report.bad_rows = None if options.dropped is None else []
            records = open_records(source, options.read, report, self._on_bytes, use_prefetch=self._use_prefetch)
            self._refuse_conversations(source.display_name, records)
            check_columns(required, records.schema)
            yield from self._source_batches(source_index, source, records)

    def _source_batches(self, source_index: int, source: InputSource, records: Records) -> Iterator[RawBatch]:
        columns = records.schema.columns
        batches = (
            self._row_batches(source_index, columns, records.rows)
            if records.blocks is None
            else (RawBatch(source_index, columns, block, []) for block in records.blocks)
        )
        first = next(batches, None)
        if first is not None:
            order = self._date_order(source, _sample_times(first))
            for batch in chain([first], batches):
                yield batch._replace(date_order=order)
        if bad_rows := self._take_bad_rows(source_index):
            yield RawBatch(source_index, columns, None, [], None, bad_rows)

    def _row_batches(self, source_index: int, columns: Mapping[str, str], rows: Iterator[Record]) -> Iterator[RawBatch]:
        while chunk := list(islice(rows, _ROWS_PER_BATCH)):
            yield RawBatch(source_index, columns, None, chunk, None, self._take_bad_rows(source_index))

    def _take_bad_rows(self, source_index: int) -> tuple[BadRow, ...]:
        bad_rows = self.reports[source_index].bad_rows
        taken = tuple(bad_rows or ())
        if bad_rows:
            bad_rows.clear()
        return taken

    def _date_order(self, source: InputSource, sample: list[object]) -> DateOrder | None:
        """Return the order of dates with slashes, if the source has them. A file is read once more for all of them."""
        if not any(map(has_ordered_date, sample)):
            return None
        if source.path is None or not source.path.is_file():
            return date_order(sample)
        records = open_records(source, self._options.read, RowReport())
        column = records.schema.columns[_TIME]
        return date_order(fields.get(column) for _, fields in records.rows)

    def _refuse_conversations(self, name: str, records: Records) -> None:
        """Raise for a corpus of conversations: it no longer says which comment replies to which."""
        columns = records.schema.columns
        if self._options.replies and "thread" in columns and "turn" in columns and "parent_id" not in columns:
            raise UsageError(
                f"'{name}' already contains conversations", "train on it directly, or clean the original comments"
            )


def _sample_times(batch: RawBatch) -> list[object]:
    """Return the times of the first records, as they were read."""
    column = batch.columns.get(_TIME)
    if column is None:
        return []
    if batch.block is None:
        return [fields.get(column) for _, fields in batch.records]
    first_lines = Block(1, b"\n".join(line or b"" for _, line in islice(batch.block.lines(), _SAMPLE_LINES)))
    rows = JsonLinesDecoder(dict[str, object], batch.columns[TEXT]).decode(first_lines, RowReport())
    return [fields.get(column) for fields in rows.values]
