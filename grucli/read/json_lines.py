"""Rows out of JSON: a block of lines at once where it is sound, line by line where it is not.

What a service answered and somebody saved is read too, on one line or as a whole document: an object whose `data` is a
list of comments (Arctic Shift), Reddit's own listings with their replies, or a bare list. Each comment in it is a row.
"""

import json
import re
import sys
from collections.abc import Iterator
from operator import attrgetter, methodcaller
from typing import Generic, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from grucli.read.blocks import Block
from grucli.read.row_report import RowReport

MAX_DOCUMENT_BYTES = 1 << 26
"""Bytes of a JSON document of many lines: a thousand times what any service answers with."""

T = TypeVar("T")

_LONE_SURROGATE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""An escape in a JSON text, from its backslash on; the group is half of a surrogate pair without the other."""

_DATA_KEY = b'"data"'
"""Where this is not in a line, nor a list, the line is no saved answer; inside a JSON text the quotes are escaped."""


class DecodedRows(NamedTuple, Generic[T]):
    """The rows of a block, and the number of the line that each stands on."""

    line_numbers: range | list[int]
    values: list[T]


class JsonLinesDecoder(Generic[T]):
    """Decodes rows of one type, a dict or a msgspec Struct, of which the field `wanted` matters most."""

    def __init__(self, type_: type[T], required_key: str) -> None:
        self._type = type_
        self._required_key = required_key
        self._quoted_key = b'"%s"' % required_key.encode("utf-8", "replace")
        self._decoder = msgspec.json.Decoder(type_)

    def decode(self, block: Block, report: RowReport) -> DecodedRows[T]:
        """The rows of a block; `report` counts all, the bad ones under their reasons."""
        values = self._decode_fast(block)
        if values is not None:
            report.read += len(values)
            return DecodedRows(range(block.first_line, block.first_line + len(values)), values)
        rows: DecodedRows[T] = DecodedRows([], [])
        assert isinstance(rows.line_numbers, list)
        for line_number, line in block.lines():
            for value in self._decode_line(line_number, line, report):
                rows.line_numbers.append(line_number)
                rows.values.append(value)
        return rows

    def decode_document(self, blocks: Iterator[Block], report: RowReport) -> Iterator[tuple[int, T]]:
        """The rows of an answer of several lines, each with the number of its first; anything else is a bad row."""
        line_number, reason = 1, "not a comment, nor an answer with comments"
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
        """The rows of a block of sound lines, each with the wanted field once, and None for any other block.

        A line that has the field is no saved answer. Where every newline is one between two objects, and there are as
        many objects as lines, each line is one. Where each has the field, and the block names it no more often than it
        has lines, no line has it twice.
        """
        data = block.data
        if data is None:
            return None
        octets, count = np.frombuffer(data, np.uint8), 1 + len(block.newline_offsets)
        if not _are_objects(octets, block.newline_offsets):
            return None
        try:
            values = self._decoder.decode_lines(data)
        except (ValueError, RecursionError):
            return None
        complete = len(values) == count and self._all_have_key(values)
        return values if complete and _count_quoted(octets, self._quoted_key) == count else None

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
            value = _decode_lenient(self._decoder, line)
            is_duplicate = line.count(self._quoted_key) > 1 and _has_duplicate_key(line, self._required_key)
        except (ValueError, RecursionError) as error:
            report.skip(json_error_reason(error), line_number)
            return
        if is_duplicate:
            report.skip(f"'{self._required_key}' twice", line_number)
        else:
            yield value

    def _response_items(self, line: bytes) -> Iterator[object] | None:
        """The comments of a line that is a saved answer, None where it is anything else."""
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


def _decode_lenient(decoder: msgspec.json.Decoder[T], text: bytes) -> T:
    """What a JSON text says; half of a surrogate pair in it is no reason to lose the rest.

    Raises:
        ValueError, RecursionError: it is none.
    """
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
    r"""A JSON text with U+FFFD for each half of a surrogate pair that JSON can spell and no text can hold.

    >>> without_halves(rb'["\ud83d!", "\ud83d\ude00", "\\ud83d"]')
    b'["\\ufffd!", "\\ud83d\\ude00", "\\\\ud83d"]'
    """
    return _LONE_SURROGATE.sub(lambda found: rb"\ufffd" if found[1] else found[0], text)


def _are_objects(octets: NDArray[np.uint8], newline_offsets: NDArray[np.intp]) -> bool:
    """Whether each newline, of which `ends` has the place, stands between two objects, as "}" and "{" beside it show.

    Inside of one nothing looks so: there a comma would be needed.
    """
    if not len(newline_offsets):
        return True
    if newline_offsets[0] < len("{}") or newline_offsets[-1] == len(octets) - 1:
        return False
    before = octets[newline_offsets - 1]
    before = np.where(before == ord("\r"), octets[newline_offsets - 2], before)
    return bool(((before == ord("}")) & (octets[newline_offsets + 1] == ord("{"))).all())


def _count_quoted(octets: NDArray[np.uint8], needle: bytes) -> int:
    """How often a mark, in quotes, is there: ten times as fast as `bytes.count`, and faster than a search by `re`.

    Its last two bytes are looked for first, as one number: in the pairs that begin at even places, and at odd ones.
    """
    last = int.from_bytes(needle[-2:], sys.byteorder)
    count = 0
    for shift in range(2):
        pairs = octets[shift : shift + (len(octets) - shift) // 2 * 2].view(np.uint16)
        positions = np.flatnonzero(pairs == last) * 2 + shift + 1
        positions = positions[positions >= len(needle) - 1]
        for back, octet in enumerate(reversed(needle[:-2]), 2):
            positions = positions[octets[positions - back] == octet]
        count += len(positions)
    return count


def response_items(value: object) -> Iterator[object] | None:
    """What a service's answer holds, comment by comment, replies behind what they reply to; None for anything else.

    What stands in the place of a comment and is none is no dict: None for a post, or for "more".

    >>> list(answer({"data": [{"body": "one"}, {"body": "two"}]}))
    [{'body': 'one'}, {'body': 'two'}]
    >>> listing = {"kind": "Listing", "data": {"children": [{"kind": "t1", "data": {"body": "one", "replies": ""}}]}}
    >>> list(answer(listing)), answer({"body": "one"})
    ([{'body': 'one', 'replies': ''}], None)
    """
    children = _children(value)
    return None if children is None else _traverse(children)


def _children(value: object) -> list[object] | None:
    """The elements of an answer. What `more` lists are only the names of comments."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or value.get("kind") == "more":
        return None
    data = value.get("data")
    if isinstance(data, dict):
        data = data.get("children")
    return data if isinstance(data, list) else None


def _traverse(elements: list[object]) -> Iterator[object]:
    """Every comment of some elements, which may be listings and hold replies, however deep; without recursion."""
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
    """What an element holds: Reddit wraps a comment (`t1`) with its kind; posts (`t3`) and `more` are no comments."""
    if isinstance(element, dict) and isinstance(element.get("data"), dict) and "kind" in element:
        return element["data"] if element["kind"] == "t1" else None
    return element


def is_document(first: bytes | None) -> bool:
    """Whether the first line of a `.json` is only the beginning of its JSON text, and not a row by itself.

    >>> is_document(b'{ "data": ['), is_document(b'{"body": "one"}')
    (True, False)
    """
    return first is not None and first.rstrip().endswith((b"{", b"[", b",", b":"))


def _join_blocks(blocks: Iterator[Block]) -> tuple[int, bytes]:
    """A document's text, and the number of its first line.

    Raises:
        _TooLongError: it is longer than `LONGEST_DOCUMENT`.
    """
    text = bytearray()
    first_line = 0
    for block in blocks:
        first_line = first_line or block.first_line
        if block.data is None or len(text) + len(block.data) > MAX_DOCUMENT_BYTES:
            raise _DocumentTooLongError
        text += block.data + b"\n"
    return first_line, bytes(text)


class _DocumentTooLongError(ValueError):
    """A document that is longer than `LONGEST_DOCUMENT`."""


def json_error_reason(error: Exception) -> str:
    """Why a JSON text is a bad row, in words."""
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
        return f"'{path.rstrip('`')}' of a wrong type" if path else "not a JSON object"
    return "not JSON"


def _has_duplicate_key(line: bytes, key: str) -> bool:
    """Whether the outermost object of a valid JSON text has `key` more than once."""
    keys: list[str] = []

    def collect_keys(pairs: list[tuple[str, object]]) -> None:
        # Called for the outermost object last, whose keys are the ones that stay.
        keys[:] = [name for name, _ in pairs]

    json.loads(line, object_pairs_hook=collect_keys)
    return keys.count(key) > 1
