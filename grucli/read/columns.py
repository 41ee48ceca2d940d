"""Which field of a row is its text: decided once per source, for training and cleaning alike."""

from collections.abc import Collection

from grucli.errors import UsageError
from grucli.read.records import Records
from grucli.read.sources import InputSource

DEFAULT_COLUMN = "body"
MAX_ROWS_WITHOUT_COLUMN = 1000
"""After this many JSON records without the text column, from the first on, the source is refused."""

_MAX_NAMED_COLUMNS = 20


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
