"""Rows of JSON lines: a block in one call if each line is a comment, else line by line.

A line may also hold several comments: a saved response of a service, a post with its comments, a comment with replies,
a part of an array. Each comment is a row.
"""

from collections.abc import Iterator
from typing import Any, Generic, NamedTuple, TypeVar, cast, get_origin

import msgspec
import numpy as np

from grucli.read.blocks import LINE_TOO_LONG, NOT_UTF8, Block, RowReport
from grucli.read.json_repair import (
    MAX_VALUES,
    PYTHON_LITERALS_READ,
    TooManyValuesError,
    decode_json,
    looks_like_python,
    parse_python_literal,
    repair_text,
)
from grucli.read.json_split import split_values
from grucli.read.json_tree import CHILD_KEYS, NOT_AN_OBJECT, CommentFinder, Fields, plain_value

WRONG_TYPE = "of a wrong type"
"""The end of the reason for a row with such a field."""

T = TypeVar("T")

TOO_LONG = "JSON value too long"
"""Why a value was not read."""

_PUNCTUATION = b"[], \t\r"
"""What stands around the elements of an array that has one per line."""


class DecodedRows(NamedTuple, Generic[T]):
    """The rows of a block, and the line number of each."""

    line_numbers: range | list[int]
    values: list[T]


class JsonLinesDecoder(Generic[T]):
    """Decodes rows of `type_`, a dict or a msgspec Struct, whose text is in the field `column`.

    If `column` is None, each row has its text under any of the usual names. If a key occurs twice in one object, the
    last value wins, as in most JSON readers.
    """

    def __init__(self, type_: type[T], column: str | None) -> None:
        self._type = type_
        self._column = column
        self._finder = CommentFinder(column)
        is_struct = issubclass(get_origin(type_) or type_, msgspec.Struct)  # dict[str, object] is no class
        self._decoder = msgspec.json.Decoder(_flat_type(type_, column) if is_struct else type_)

    def decode(self, block: Block, report: RowReport) -> DecodedRows[T]:
        """Return the rows of a block; `report` counts all rows, and the bad ones by reason."""
        values = self._decode_fast(block)
        if values is None and block.data is not None:
            text, repaired = repair_text(block.data, by_line=True)
            if text != block.data:
                report.repaired.update(repaired)
                block = Block(block.first_line, text)
                values = self._decode_fast(block)
        if values is not None:
            report.read += len(values)
            return DecodedRows(range(block.first_line, block.first_line + len(values)), values)
        line_numbers: list[int] = []
        values = []
        for line_number, line in block.lines():
            for value in self._decode_line(line_number, line, report):
                line_numbers.append(line_number)
                values.append(value)
        return DecodedRows(line_numbers, values)

    def _decode_fast(self, block: Block) -> list[T] | None:
        """Return the rows of a block if each line is one comment without nested ones, else None.

        If every newline is between two objects, and there are as many objects as lines, each line is one object.
        """
        if block.data is None or len(block.data) > MAX_VALUES or not _has_object_per_line(block):
            return None
        try:
            values = self._decoder.decode_lines(block.data)
        except (ValueError, RecursionError):
            return None
        return values if len(values) == 1 + len(block.newline_offsets) and self._are_flat(values) else None

    def _are_flat(self, values: list[T]) -> bool:
        if isinstance(values[0], msgspec.Struct):
            return True  # the decoder has checked it
        column = self._column
        for row in cast(list[dict[str, object]], values):
            if column not in row or "replies" in row or "children" in row or "comments" in row or "title" in row:
                return False
        return True

    def _decode_line(self, line_number: int, line: bytes | None, report: RowReport) -> Iterator[T]:
        if line is None:
            report.read += 1
            report.skip(LINE_TOO_LONG, line_number)
            return
        row = self._decode_flat(line)
        if row is not None:
            report.read += 1
            yield row
            return
        if not line.strip(_PUNCTUATION) and line.strip() != b"[]":
            return
        try:
            found = list(parse_values(line, report))
        except (ValueError, RecursionError) as error:
            report.read += 1
            report.skip(json_error_reason(error), line_number, line)
            return
        for value in found:
            yield from self._rows(value, line_number, report)

    def _decode_flat(self, line: bytes) -> T | None:
        if len(line) > MAX_VALUES:
            return None
        try:
            row = self._decoder.decode(line)
        except (ValueError, RecursionError):
            return None
        return row if self._are_flat([row]) else None

    def _rows(self, value: object, line_number: int, report: RowReport) -> Iterator[T]:
        """Yield the comments in a value; an object without any is a row as well, without a text."""
        found: list[Fields | str] = [NOT_AN_OBJECT]
        if isinstance(value, dict | list):
            found = list(self._finder.find(value))
        comments = sum(isinstance(one, dict) for one in found)
        if isinstance(value, dict) and not comments and self._finder.text_key(value) is None:
            found = [value]
        else:
            direct = sum(map(self._finder.is_comment, value if isinstance(value, list) else [value]))
            report.nested += max(0, comments - direct)
        for one in found:
            report.read += 1
            if isinstance(one, str):
                report.skip(one, line_number)
                continue
            try:
                yield self._convert(one)
            except msgspec.ValidationError as error:
                report.skip(json_error_reason(error), line_number)

    def _convert(self, fields: dict[str, object]) -> T:
        try:
            return msgspec.convert(fields, self._type)
        except msgspec.ValidationError:
            plain = {key: plain_value(one) for key, one in fields.items()}
            return msgspec.convert(plain, self._type)


def _flat_type(type_: type[T], column: str | None) -> type[T]:
    """Return a Struct that only decodes from an object with a text, without nested comments, and without a title.

    So the decoder checks this on the way, which costs less than a second look at each row. What has a title may be a
    post.
    """
    fields: list[Any] = [(str(column), str), *((key, str | None, None) for key in CHILD_KEYS), ("title", None, None)]
    bases = (cast(Any, type_),)
    return cast(type[T], msgspec.defstruct(f"Flat{type_.__name__}", fields, bases=bases, kw_only=True, gc=False))


def parse_values(text: bytes, report: RowReport) -> Iterator[object]:
    """Yield the values in JSON text: one, or several that follow each other; also of a part of an array.

    Raises:
        ValueError: it is not JSON, not UTF-8, or too long.
        RecursionError: it is nested too deep.
    """
    try:
        yield decode_json(text)
        return
    except msgspec.DecodeError:
        bare = text.strip(_PUNCTUATION)
        if looks_like_python(text):
            values = [_parse_python(text if text.lstrip()[:1] == b"[" and bare != text else bare)]
            report.repaired[PYTHON_LITERALS_READ] += 1
        elif bare[:1] == b"{":
            values = [decode_json(part) for part in split_values(bare)]
        else:
            raise
    yield from values


def _parse_python(line: bytes) -> object:
    try:
        return parse_python_literal(line)
    except ValueError as error:
        raise _PythonLiteralsError from error


class _PythonLiteralsError(ValueError):
    """A line looks like Python, but not all of it is a value of JSON."""


def _has_object_per_line(block: Block) -> bool:
    """Return True if each newline is between "}" and "{": inside an object there would be a comma between these."""
    newline_offsets = block.newline_offsets
    if not len(newline_offsets):
        return True
    octets = np.frombuffer(block.data or b"", np.uint8)
    if newline_offsets[0] < len("{}") or newline_offsets[-1] == len(octets) - 1:
        return False
    before = octets[newline_offsets - 1]
    before = np.where(before == ord("\r"), octets[newline_offsets - 2], before)
    return bool(((before == ord("}")) & (octets[newline_offsets + 1] == ord("{"))).all())


def json_error_reason(error: Exception) -> str:
    """Return why JSON could not be decoded, as the reason of a bad row."""
    if isinstance(error, _PythonLiteralsError):
        return "Python literals, not JSON"
    if isinstance(error, TooManyValuesError):
        return TOO_LONG
    if isinstance(error, UnicodeDecodeError):
        return NOT_UTF8
    if isinstance(error, RecursionError):
        return "nested too deep"
    if isinstance(error, msgspec.ValidationError):
        message = str(error)
        if "out of range" in message:
            return "number out of range"
        _, _, path = message.partition(" - at `$.")
        return f"'{path.rstrip('`')}' {WRONG_TYPE}" if path else NOT_AN_OBJECT
    return "not JSON"
