"""The decision about one source: its format, and which of its columns is the text, the author, the score, ….

Every command uses the same decision. It is made from the names of the columns and the first rows, and the user's
`ReadOptions` override it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from grucli.errors import UsageError, list_names, pluralize, quote
from grucli.json_record import JsonRecord
from grucli.read.encoding import UTF8, encoding_label, lookup_encoding
from grucli.read.fields import FIELDS, TEXT

_DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "space"}
_MAX_FILE_NAME_CHARS = 200
"""Characters of the name of a file that a message quotes."""


def quote_source(name: str) -> str:
    """Return the name of a source in quotes; a path is longer than most of what messages quote."""
    return quote(name, _MAX_FILE_NAME_CHARS)


def parse_delimiter(text: str) -> str:
    r"""Return the delimiter that the user named: one character, or a word.

    >>> parse_delimiter("tab"), parse_delimiter(r"\t"), parse_delimiter(";"), parse_delimiter("pipe")
    ('\t', '\t', ';', '|')

    Raises:
        UsageError: it is neither, or cannot separate columns.
    """
    named = {name: delimiter for delimiter, name in _DELIMITER_NAMES.items()} | {r"\t": "\t"}
    delimiter = named.get(text.strip().lower(), text)
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise UsageError(
            f"--delimiter is not one character: {quote(text)}",
            f"use a character, or one of: {', '.join(_DELIMITER_NAMES.values())}",
        )
    return delimiter


_FORMAT_NAMES = {
    "csv": "a table",
    "tsv": "a table",
    "json": "JSON",
    "jsonl": "JSON",
    "parquet": "Parquet",
    "lines": "lines",
    "txt": "running text",
}


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    r"""How the user says to read the sources. Everything is decided by the source itself if not given.

    `columns`: the name or the number (from 1) of the column of each field of `FIELDS`. `delimiter`: see
    `parse_delimiter`. `encoding`: a Python text codec. `has_header`: whether the first line of a table names the
    columns.

    >>> ReadOptions(columns={"body": "comment"}, delimiter="tab").delimiter
    '\t'

    Raises:
        UsageError: a field or the encoding is unknown, or the delimiter is invalid.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    encoding: str | None = None
    has_header: bool | None = None

    def __post_init__(self) -> None:
        named = [name for name, each in FIELDS.items() if each.flag]
        unknown = [name for name in self.columns if name not in named]
        if unknown:
            raise UsageError(f"unknown field: {quote(unknown[0])}", f"use one of: {', '.join(named)}")
        if self.delimiter is not None:
            object.__setattr__(self, "delimiter", parse_delimiter(self.delimiter))
        if self.encoding is not None:
            object.__setattr__(self, "encoding", lookup_encoding(self.encoding))

    @property
    def text_column(self) -> str | None:
        """The column of the text that was given."""
        return self.columns.get(TEXT)

    def with_column(self, column: str | None) -> "ReadOptions":
        """Return the options with another column of the text, if `column` is not None."""
        return self if column is None else replace(self, columns={**self.columns, TEXT: column})

    def flags(self) -> list[str]:
        """Return the arguments of the command line that give these options."""
        words = [word for name, column in self.columns.items() for word in (FIELDS[name].flag, column)]
        words += ["--delimiter", _DELIMITER_NAMES.get(self.delimiter, self.delimiter)] if self.delimiter else []
        words += ["--encoding", self.encoding] if self.encoding is not None else []
        return [*words, "--no-header"] if self.has_header is False else words


@dataclass(frozen=True, kw_only=True)
class Schema(JsonRecord):
    """What was decided about a source.

    Attributes:
        name: the source, as the user typed it.
        file_format: "csv" for any delimited table, "jsonl", "json", "parquet", "lines" (one text per line) or "txt".
        encoding: the Python codec of its bytes.
        delimiter: of a delimited table, else None.
        usual_delimiter: of tables with the suffix of the source.
        quoted: whether quotes enclose a field, and are not part of it.
        has_header: whether the first line names the columns.
        title_lines: lines before the header that are not read.
        names: the columns as the source names them; of JSON, all names in its first records.
        columns: the key in `Record.fields` of each field of `FIELDS` that the source has.
        given: the fields whose column the user chose.
        passed_over: another column that might be the field, of each field for which there is one.
    """

    name: str
    file_format: str
    encoding: str = UTF8
    delimiter: str | None = None
    usual_delimiter: str = ","
    quoted: bool = True
    has_header: bool = True
    title_lines: int = 0
    names: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    given: frozenset[str] = frozenset()
    passed_over: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_json(self) -> bool:
        """Whether each record has its own fields."""
        return self.file_format in ("json", "jsonl")

    @property
    def text_column(self) -> str:
        """The key of the text in `Record.fields`."""
        return self.columns.get(TEXT, TEXT)

    @property
    def is_plain(self) -> bool:
        """Whether nothing needs to be said: UTF-8, the delimiter of the suffix, columns called as Reddit does."""
        return not self.remarks()

    def describe(self) -> str:
        """Return the decision in one line.

        >>> Schema(name="talk.csv", file_format="csv", delimiter=";", columns={"body": "comment"}).describe()
        "reading 'talk.csv': semicolon-separated, text in 'comment' (--column chooses another)"
        """
        remarks = self.remarks() or [self._remark(TEXT, self.text_column)]
        return f"reading {quote_source(self.name)}: {', '.join(remarks)}"

    def to_json(self) -> dict[str, object]:
        """Return the decision without the names of all columns."""
        return {
            "file": self.name,
            "format": self.file_format,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "header": self.has_header,
            "columns": dict(self.columns),
        }

    def remarks(self) -> list[str]:
        """Return what is not as expected, in parts of a sentence."""
        from grucli.read.sources import FORMATS, split_suffixes  # late: the help of commands loads this module

        expected_format = FORMATS.get(split_suffixes(Path(self.name))[0], self.file_format)
        is_expected = _FORMAT_NAMES.get(expected_format) == _FORMAT_NAMES.get(self.file_format)
        remarks = [] if is_expected else [_FORMAT_NAMES[self.file_format]]
        if self.delimiter is not None and self.delimiter != self.usual_delimiter:
            sign = quote(self.delimiter) if self.delimiter.isprintable() else f"U+{ord(self.delimiter):04X}"
            remarks.append(f"{_DELIMITER_NAMES.get(self.delimiter, sign)}-separated")
        if self.encoding != UTF8:
            remarks.append(encoding_label(self.encoding))
        if self.title_lines:
            remarks.append(f"{pluralize(self.title_lines, 'line')} before the header")
        if not self.has_header:
            remarks.append("no header")
        others = [self._remark(name, column) for name, column in self.columns.items() if name not in (TEXT, column)]
        if not remarks and not others and self.text_column == TEXT:
            return []
        text = [self._remark(TEXT, self.columns[TEXT])] if TEXT in self.columns else []
        return [*remarks, *text, *others]

    def _remark(self, name: str, column: str) -> str:
        place = quote(column) if self.has_header else f"column {column}"
        if name != TEXT:
            other = self.passed_over.get(name)
            return f"{FIELDS[name].plural} in {place}" + (f", not {quote(other)}" if other is not None else "")
        is_guessed = column != TEXT and TEXT not in self.given
        return f"text in {place}" + (f" ({FIELDS[TEXT].flag} chooses another)" if is_guessed else "")


def describe_inputs(schemas: Iterable[Schema]) -> list[str]:
    """Return one line for each different decision that needs to be said, about the first source of it."""
    first = {tuple(schema.remarks()): schema for schema in reversed(list(schemas)) if not schema.is_plain}
    return [schema.describe() for schema in reversed(first.values())]


def missing_field_error(schema: Schema, option: str, field: str) -> UsageError:
    """Return the error for an option that needs a field which a source does not have."""
    return UsageError(
        f"{quote_source(schema.name)} has no {FIELDS[field].plural}, which {option} needs",
        f"name their column with {FIELDS[field].flag}; it has: {list_names(schema.names)}",
    )
