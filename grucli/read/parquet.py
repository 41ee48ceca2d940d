"""Rows of Parquet files, a bounded batch at a time. Only this module needs pyarrow; it is loaded when one is named."""

import datetime
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet

from grucli.errors import GruError, UsageError
from grucli.read.sources import OnBytes

_ROWS = 1024
_BUFFER = 1 << 20
_LONGEST_NAME = 1 << 20
"""Bytes of any text in the file's own description, so that a hostile one cannot ask for all memory."""
_MOST_PARTS = 1 << 20

_PLAIN = (str, int, float, bool, type(None))


def read_parquet(
    path: Path, name: str, on_bytes: OnBytes | None
) -> tuple[tuple[str, ...], Iterator[tuple[int, dict[str, object]]]]:
    """The names of a file's columns, and its rows by those names, each with its number from 1.

    Columns of lists and structures are left out. Times become seconds since 1970. `on_bytes` is told the rows' share
    of the file's size. `name` is the file's in errors.

    Raises:
        UsageError: it cannot be opened, or is no Parquet file.
        GruError: it is damaged, at once or while it is read.
    """
    try:
        size = path.stat().st_size
        file = pyarrow.parquet.ParquetFile(
            path,
            buffer_size=_BUFFER,
            thrift_string_size_limit=_LONGEST_NAME,
            thrift_container_size_limit=_MOST_PARTS,
        )
        columns = tuple(field.name for field in file.schema_arrow if not pyarrow.types.is_nested(field.type))
    except OSError as error:
        if error.errno is None:
            raise _damaged(name) from error
        raise UsageError(f"'{name}' cannot be opened: {error.strerror}", "check its permissions") from error
    except pyarrow.ArrowInvalid as error:
        with path.open("rb") as raw:
            if raw.read(4) == b"PAR1":
                raise _damaged(name) from error
        raise UsageError(f"'{name}' is no Parquet file", "give it the suffix of what it is") from error
    except (pyarrow.ArrowException, ValueError) as error:
        raise _damaged(name) from error
    if len(set(columns)) < len(columns):
        raise UsageError(f"'{name}' has two columns of one name: {', '.join(columns)}", "rename one of them")
    return columns, _rows(file, name, columns, size, on_bytes)


def _rows(
    file: pyarrow.parquet.ParquetFile, name: str, columns: tuple[str, ...], size: int, on_bytes: OnBytes | None
) -> Iterator[tuple[int, dict[str, object]]]:
    total = max(1, file.metadata.num_rows)
    number = told = 0
    try:
        for batch in file.iter_batches(batch_size=_ROWS, columns=list(columns), use_threads=False):
            for row in batch.to_pylist():
                number += 1
                yield number, {column: _plain(value) for column, value in row.items()}
            done = min(size, size * number // total)
            if on_bytes is not None:
                on_bytes(done - told)
            told = done
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise _damaged(name, number) from error
    finally:
        file.close()


def _plain(value: object) -> object:
    """A value as JSON would have it."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, datetime.datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=datetime.UTC)
        return int(moment.timestamp())
    return str(value)


def _damaged(name: str, rows: int = 0) -> GruError:
    where = f"behind row {rows:,}" if rows else "nothing in it can be read"
    return GruError(f"'{name}' is damaged: {where}", "fetch or copy the file again")
