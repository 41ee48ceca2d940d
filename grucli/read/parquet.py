"""Rows of Parquet files, one bounded batch at a time. The only module that needs the optional pyarrow."""

import datetime
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet

from grucli.errors import UsageError, list_names
from grucli.read.blocks import Record, RowReport
from grucli.read.file_types import PARQUET_MAGIC
from grucli.read.sources import ByteProgress, corrupt_error

_BATCH_ROWS = 1024
_BUFFER_BYTES = 1 << 20
_MAX_STRING_BYTES = 1 << 20
_MAX_CONTAINER_ITEMS = 1 << 20
"""Limits for the file's own metadata, so that a hostile file cannot exhaust memory."""

_JSON_TYPES = (str, int, float, bool, type(None))


def read_parquet(
    path: Path, name: str, report: RowReport, on_bytes: ByteProgress | None
) -> tuple[tuple[str, ...], Iterator[Record]]:
    """Return the columns and the records of a file, numbered from 1; `report` counts them, errors call it `name`.

    Nested columns are left out. Times become seconds since 1970. `on_bytes` gets the file size in proportion to the
    rows read.

    Raises:
        UsageError: the file cannot be opened, is not a Parquet file, or repeats a column name.
        GruError: the file is corrupt; also raised by the iterator.
    """
    try:
        size = path.stat().st_size
        file = pyarrow.parquet.ParquetFile(
            path,
            buffer_size=_BUFFER_BYTES,
            thrift_string_size_limit=_MAX_STRING_BYTES,
            thrift_container_size_limit=_MAX_CONTAINER_ITEMS,
        )
        columns = tuple(field.name for field in file.schema_arrow if not pyarrow.types.is_nested(field.type))
    except OSError as error:
        if error.errno is None:
            raise corrupt_error(name) from error
        raise UsageError(f"'{name}' cannot be opened: {error.strerror}", "check its permissions") from error
    except pyarrow.ArrowInvalid as error:
        with path.open("rb") as raw:
            if raw.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC:
                raise corrupt_error(name) from error
        raise UsageError(f"'{name}' is not a Parquet file", "rename it to match its format") from error
    except (pyarrow.ArrowException, ValueError) as error:
        raise corrupt_error(name) from error
    if len(set(columns)) < len(columns):
        raise UsageError(f"'{name}' has duplicate column names: {list_names(columns)}", "rename one of them")
    return columns, _rows(file, name, columns, size, report, on_bytes)


def _rows(
    file: pyarrow.parquet.ParquetFile,
    name: str,
    columns: tuple[str, ...],
    size: int,
    report: RowReport,
    on_bytes: ByteProgress | None,
) -> Iterator[Record]:
    total = max(1, file.metadata.num_rows)
    row_number = reported = 0
    try:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns), use_threads=False):
            for row in batch.to_pylist():
                row_number += 1
                report.read += 1
                yield Record(row_number, {column: _to_json_value(value) for column, value in row.items()})
            done = min(size, size * row_number // total)
            if on_bytes is not None:
                on_bytes(done - reported)
            reported = done
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise corrupt_error(name, row_number) from error
    finally:
        file.close()


def _to_json_value(value: object) -> object:
    if isinstance(value, _JSON_TYPES):
        return value
    if isinstance(value, datetime.datetime):
        timestamp = value if value.tzinfo is not None else value.replace(tzinfo=datetime.UTC)
        return int(timestamp.timestamp())
    return str(value)
