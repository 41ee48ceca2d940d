"""Rows of JSON: a block of lines in one call if all of them are valid, else line by line.

Saved responses of services are read too, on one line or as a whole document: an object whose `data` is a list of
comments (Arctic Shift), Reddit's own listings with their replies, or a bare list. Each comment in them is a row.
"""

import re
from collections.abc import Iterator
from operator import attrgetter, methodcaller
from typing import Generic, NamedTuple, TypeVar

import msgspec
import numpy as np

from grucli.read.blocks import Block, RowReport

MAX_DOCUMENT_BYTES = 1 << 26
"""Bytes of a JSON document of several lines; responses of the known services have less than 1/1000 of it."""

WRONG_TYPE = "of a wrong type"
"""The end of the reason for a row with such a field."""

T = TypeVar("T")

_LONE_SURROGATE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""Any escape in JSON; the group is a surrogate without its other half."""

_DATA_KEY = b'"data"'
"""A line with neither this nor a list is not a saved response: inside JSON strings the quotes are escaped."""


class DecodedRows(NamedTuple, Generic[T]):
    """The rows of a block, and the line number of each."""

    line_numbers: range | list[int]
    values: list[T]


class JsonLinesDecoder(Generic[T]):
    """Decodes rows of `type_`, a dict or a msgspec Struct, that should have the field `required_key`.

    If a key occurs twice in one object, the last value wins, as in most JSON readers.
    """

    def __init__(self, type_: type[T], required_key: str) -> None:
        self._type = type_
        self._required_key = required_key
        self._decoder = msgspec.json.Decoder(type_)

    def decode(self, block: Block, report: RowReport) -> DecodedRows[T]:
        """Return the rows of a block; `report` counts all rows, and the bad ones by reason."""
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

    def decode_document(self, blocks: Iterator[Block], report: RowReport) -> Iterator[tuple[int, T]]:
        """Yield the rows of a response of several lines, with its first line number; anything else is one bad row."""
        line_number, reason = 1, "not a comment, nor a response with comments"
        items = None
        try:
            line_number, text = _join_blocks(blocks)
            items = response_items(_decode_lenient(_any_decoder, text))
        except (ValueError, RecursionError) as error:
            reason = json_error_reason(error)
        if items is None:
            report.read += 1
            report.skip(reason, line_number)
        else:
            for value in self._convert_items(items, line_number, report):
                yield line_number, value

    def _decode_fast(self, block: Block) -> list[T] | None:
        """Return the rows of a block if each line is one object with the required key, else None.

        With the key, a line is not a saved response. If every newline is between two objects, and there are as many
        objects as lines, each line is one object.
        """
        if block.data is None or not _has_object_per_line(block):
            return None
        try:
            values = self._decoder.decode_lines(block.data)
        except (ValueError, RecursionError):
            return None
        return values if len(values) == 1 + len(block.newline_offsets) and self._all_have_key(values) else None

    def _all_have_key(self, values: list[T]) -> bool:
        if isinstance(values[0], msgspec.Struct):
            return None not in map(attrgetter(self._required_key), values)
        return all(map(methodcaller("__contains__", self._required_key), values))

    def _decode_line(self, line_number: int, line: bytes | None, report: RowReport) -> Iterator[T]:
        if line is None:
            report.read += 1
            report.skip("line too long", line_number)
            return
        if not line.strip():
            return
        items = self._response_items(line)
        if items is not None:
            yield from self._convert_items(items, line_number, report)
            return
        report.read += 1
        try:
            yield _decode_lenient(self._decoder, line)
        except (ValueError, RecursionError) as error:
            report.skip(json_error_reason(error), line_number, line)

    def _response_items(self, line: bytes) -> Iterator[object] | None:
        if _DATA_KEY not in line and not line.lstrip().startswith(b"["):
            return None
        try:
            value = _decode_lenient(_any_decoder, line)
        except (ValueError, RecursionError):
            return None
        if isinstance(value, dict) and self._required_key in value:
            return None
        return response_items(value)

    def _convert_items(self, items: Iterator[object], line_number: int, report: RowReport) -> Iterator[T]:
        for value in items:
            report.read += 1
            if not isinstance(value, dict):
                report.skip("not a comment" if value is None else "not a JSON object", line_number)
                continue
            try:
                yield msgspec.convert(value, self._type)
            except msgspec.ValidationError as error:
                report.skip(json_error_reason(error), line_number)


_any_decoder = msgspec.json.Decoder()


def first_fields(block: Block) -> dict[str, object]:
    """Return the fields of a block's first row, or {} if that is not a JSON object, or a saved response."""
    line = next((line for _, line in block.lines() if line is None or line.strip()), None)
    try:
        fields = _decode_lenient(_any_decoder, line or b"{}")
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) and "data" not in fields else {}


def _decode_lenient(decoder: msgspec.json.Decoder[T], text: bytes) -> T:
    """Decode JSON, with lone surrogates replaced."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        repaired = replace_lone_surrogates(text)
        if repaired == text:
            raise
        return decoder.decode(repaired)


def replace_lone_surrogates(text: bytes) -> bytes:
    r"""Replace each escaped surrogate without its other half by U+FFFD: JSON can spell it, UTF-8 cannot hold it.

    >>> replace_lone_surrogates(rb'["\ud83d!", "\ud83d\ude00", "\\ud83d"]')
    b'["\\ufffd!", "\\ud83d\\ude00", "\\\\ud83d"]'
    """
    return _LONE_SURROGATE.sub(lambda match: rb"\ufffd" if match[1] else match[0], text)


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


def response_items(value: object) -> Iterator[object] | None:
    """Return the comments in a service's response, each before its replies; None if `value` is not a response.

    An item that is not a comment is not a dict either: posts and Reddit's "more" items become None.

    >>> list(response_items({"data": [{"body": "one"}, {"body": "two"}]}))
    [{'body': 'one'}, {'body': 'two'}]
    >>> listing = {"kind": "Listing", "data": {"children": [{"kind": "t1", "data": {"body": "one", "replies": ""}}]}}
    >>> list(response_items(listing)), response_items({"body": "one"})
    ([{'body': 'one', 'replies': ''}], None)
    """
    children = _children(value)
    return None if children is None else _traverse(children)


def _children(value: object) -> list[object] | None:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or value.get("kind") == "more":  # "more" lists only the ids of comments
        return None
    data = value.get("data")
    if isinstance(data, dict):
        data = data.get("children")
    return data if isinstance(data, list) else None


def _traverse(elements: list[object]) -> Iterator[object]:
    """Yield every comment in nested listings and replies, depth first; without recursion, at any depth."""
    stack: list[Iterator[object]] = [iter(elements)]
    while stack:
        for element in stack[-1]:
            children = None if isinstance(element, dict) and "body" in element else _children(element)
            if children is not None:
                stack.append(iter(children))
                break
            comment = _unwrap_thing(element)
            yield comment
            replies = _children(comment.get("replies")) if isinstance(comment, dict) else None
            if replies:
                stack.append(iter(replies))
                break
        else:
            stack.pop()


def _unwrap_thing(element: object) -> object:
    """Unwrap one of Reddit's "things": a comment is `t1`; posts (`t3`) and `more` are not comments."""
    if isinstance(element, dict) and isinstance(element.get("data"), dict) and "kind" in element:
        return element["data"] if element["kind"] == "t1" else None
    return element


def is_document(first_line: bytes | None) -> bool:
    """Return True if the first line of a `.json` file is the start of a longer JSON text, and not a row.

    >>> is_document(b'{ "data": ['), is_document(b'{"body": "one"}')
    (True, False)
    """
    return first_line is not None and first_line.rstrip().endswith((b"{", b"[", b",", b":"))


def _join_blocks(blocks: Iterator[Block]) -> tuple[int, bytes]:
    text = bytearray()
    first_line = 0
    for block in blocks:
        first_line = first_line or block.first_line
        if block.data is None or len(text) + len(block.data) > MAX_DOCUMENT_BYTES:
            raise _DocumentTooLongError
        text += block.data + b"\n"
    return first_line, bytes(text)


class _DocumentTooLongError(ValueError):
    """A document is longer than `MAX_DOCUMENT_BYTES`."""


def json_error_reason(error: Exception) -> str:
    """Return why JSON could not be decoded, as the reason of a bad row."""
    if isinstance(error, _DocumentTooLongError):
        return "document too long"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deep"
    if isinstance(error, msgspec.ValidationError):
        message = str(error)
        if "out of range" in message:
            return "number out of range"
        _, _, path = message.partition(" - at `$.")
        return f"'{path.rstrip('`')}' {WRONG_TYPE}" if path else "not a JSON object"
    return "not JSON"
