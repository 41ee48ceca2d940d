"""Reads the sources of a cleaning run as batches of raw comments."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from grucli.errors import UsageError
from grucli.read.blocks import Block, Record, RowReport
from grucli.read.records import Records, open_records
from grucli.read.schema import Schema
from grucli.read.sources import ByteProgress
from grucli.reddit.clean.options import CleanOptions

_ROWS_PER_BATCH = 500


class RawBatch(NamedTuple):
    """Comments to clean: a block of JSON lines, or records of any other format.

    `source_index`: the source they come from. `columns`: the column of each field, see `Schema`.
    """

    source_index: int
    columns: Mapping[str, str]
    block: Block | None
    records: list[Record]


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
        for source_index, (source, report) in enumerate(zip(self._options.sources, self.reports, strict=True)):
            records = open_records(source, self._options.read, report, self._on_bytes, use_prefetch=self._use_prefetch)
            self._refuse_conversations(source.display_name, records)
            columns = records.schema.columns
            if records.blocks is not None:
                for block in records.blocks:
                    yield RawBatch(source_index, columns, block, [])
            else:
                yield from _chunks(source_index, columns, records.rows)

    def _refuse_conversations(self, name: str, records: Records) -> None:
        """Raise for a corpus of conversations: it no longer says which comment replies to which."""
        columns = records.schema.columns
        if self._options.replies and "thread" in columns and "turn" in columns and "parent_id" not in columns:
            raise UsageError(
                f"'{name}' already contains conversations", "train on it directly, or clean the original comments"
            )


def _chunks(source_index: int, columns: Mapping[str, str], rows: Iterator[Record]) -> Iterator[RawBatch]:
    chunk: list[Record] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _ROWS_PER_BATCH:
            yield RawBatch(source_index, columns, None, chunk)
            chunk = []
    if chunk:
        yield RawBatch(source_index, columns, None, chunk)
