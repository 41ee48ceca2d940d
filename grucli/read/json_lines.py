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

LONGEST_DOCUMENT = 1 << 26
"""Bytes of a JSON document of many lines: a thousand times what any service answers with."""

T = TypeVar("T")

_HALF = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""An escape in a JSON text, from its backslash on; the group is half of a surrogate pair without the other."""

_DATA = b'"data"'
"""Where this is not in a line, nor a list, the line is no saved answer; inside a JSON text the quotes are escaped."""


class Rows(NamedTuple, Generic[T]):
    """The rows of a block, and the number of the line that each stands on."""

    numbers: range | list[int]
    values: list[T]


class JsonLines(Generic[T]):
    """Decodes rows of one type, a dict or a msgspec Struct, of which the field `wanted` matters most."""

    def __init__(self, type_: type[T], wanted: str) -> None:
        self._type = type_
        self._wanted = wanted
        self._mark = b'"%s"' % wanted.encode("utf-8", "replace")
        self._decoder = msgspec.json.Decoder(type_)

    def decode(self, block: Block, report: RowReport) -> Rows[T]:
        """The rows of a block; `report` counts all, the bad ones under their reasons."""
        values = self._at_once(block)
        if values is not None:
            report.read += len(values)
            return Rows(range(block.number, block.number + len(values)), values)
        rows: Rows[T] = Rows([], [])
        assert isinstance(rows.numbers, list)
        for number, line in block.lines():
            for value in self._line(number, line, report):
                rows.numbers.append(number)
                rows.values.append(value)
        return rows

    def document(self, blocks: Iterator[Block], report: RowReport) -> Iterator[tuple[int, T]]:
        """The rows of an answer of several lines, each with the number of its first; anything else is a bad row."""
        number, reason = 1, "not a comment, nor an answer with comments"
        found = None
        try:
            number, text = _joined(blocks)
            found = answer(_decoded(_anything, text))
        except (ValueError, RecursionError) as error:
            reason = fault(error)
        if found is None:
            report.read += 1
            report.skip(reason, number)
        else:
            for value in self._converted(found, number, report):
                yield number, value

    def _at_once(self, block: Block) -> list[T] | None:
        """The rows of a block of sound lines, each with the wanted field once, and None for any other block.

        A line that has the field is no saved answer. Where every newline is one between two objects, and there are as
        many objects as lines, each line is one. Where each has the field, and the block names it no more often than it
        has lines, no line has it twice.
        """
        data = block.data
        if data is None:
            return None
        octets, count = np.frombuffer(data, np.uint8), 1 + len(block.ends)
        if not _are_objects(octets, block.ends):
            return None
        try:
            values = self._decoder.decode_lines(data)
        except (ValueError, RecursionError):
            return None
        whole = len(values) == count and self._all_have(values)
        return values if whole and _count(octets, self._mark) == count else None

    def _all_have(self, values: list[T]) -> bool:
        if issubclass(self._decoder.type, msgspec.Struct):
            return None not in map(attrgetter(self._wanted), values)
        return all(map(methodcaller("__contains__", self._wanted), values))

    def _line(self, number: int, line: bytes | None, report: RowReport) -> Iterator[T]:
        if line is None:
            report.read += 1
            report.skip("line too long", number)
            return
        if not line.strip():
            return
        found = self._answer(line)
        if found is not None:
            yield from self._converted(found, number, report)
            return
        report.read += 1
        try:
            value = _decoded(self._decoder, line)
            twice = line.count(self._mark) > 1 and _is_twice(line, self._wanted)
        except (ValueError, RecursionError) as error:
            report.skip(fault(error), number)
            return
        if twice:
            report.skip(f"'{self._wanted}' twice", number)
        else:
            yield value

    def _answer(self, line: bytes) -> Iterator[object] | None:
        """The comments of a line that is a saved answer, None where it is anything else."""
        if _DATA not in line and not line.lstrip().startswith(b"["):
            return None
        try:
            value = _decoded(_anything, line)
        except (ValueError, RecursionError):
            return None
        if isinstance(value, dict) and self._wanted in value:
            return None
        return answer(value)

    def _converted(self, found: Iterator[object], number: int, report: RowReport) -> Iterator[T]:
        for value in found:
            report.read += 1
            if not isinstance(value, dict):
                report.skip("not a comment" if value is None else "not a JSON object", number)
                continue
            try:
                yield msgspec.convert(value, self._type)
            except msgspec.ValidationError as error:
                report.skip(fault(error), number)


_anything = msgspec.json.Decoder()


def _decoded(decoder: msgspec.json.Decoder[T], text: bytes) -> T:
    """What a JSON text says; half of a surrogate pair in it is no reason to lose the rest.

    Raises:
        ValueError, RecursionError: it is none.
    """
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        whole = without_halves(text)
        if whole == text:
            raise
        return decoder.decode(whole)


def without_halves(text: bytes) -> bytes:
    r"""A JSON text with U+FFFD for each half of a surrogate pair that JSON can spell and no text can hold.

    >>> without_halves(rb'["\ud83d!", "\ud83d\ude00", "\\ud83d"]')
    b'["\\ufffd!", "\\ud83d\\ude00", "\\\\ud83d"]'
    """
    return _HALF.sub(lambda found: rb"\ufffd" if found[1] else found[0], text)


def _are_objects(octets: NDArray[np.uint8], ends: NDArray[np.intp]) -> bool:
    """Whether each newline, of which `ends` has the place, stands between two objects, as "}" and "{" beside it show.

    Inside of one nothing looks so: there a comma would be needed.
    """
    if not len(ends):
        return True
    if ends[0] < len("{}") or ends[-1] == len(octets) - 1:
        return False
    before = octets[ends - 1]
    before = np.where(before == ord("\r"), octets[ends - 2], before)
    return bool(((before == ord("}")) & (octets[ends + 1] == ord("{"))).all())


def _count(octets: NDArray[np.uint8], mark: bytes) -> int:
    """How often a mark, in quotes, is there: ten times as fast as `bytes.count`, and faster than a search by `re`.

    Its last two bytes are looked for first, as one number: in the pairs that begin at even places, and at odd ones.
    """
    last = int.from_bytes(mark[-2:], sys.byteorder)
    count = 0
    for shift in range(2):
        pairs = octets[shift : shift + (len(octets) - shift) // 2 * 2].view(np.uint16)
        places = np.flatnonzero(pairs == last) * 2 + shift + 1
        places = places[places >= len(mark) - 1]
        for back, octet in enumerate(reversed(mark[:-2]), 2):
            places = places[octets[places - back] == octet]
        count += len(places)
    return count


def answer(value: object) -> Iterator[object] | None:
    """What a service's answer holds, comment by comment, replies behind what they reply to; None for anything else.

    What stands in the place of a comment and is none is no dict: None for a post, or for "more".

    >>> list(answer({"data": [{"body": "one"}, {"body": "two"}]}))
    [{'body': 'one'}, {'body': 'two'}]
    >>> listing = {"kind": "Listing", "data": {"children": [{"kind": "t1", "data": {"body": "one", "replies": ""}}]}}
    >>> list(answer(listing)), answer({"body": "one"})
    ([{'body': 'one', 'replies': ''}], None)
    """
    inside = _inside(value)
    return None if inside is None else _walk(inside)


def _inside(value: object) -> list[object] | None:
    """The elements of an answer. What `more` lists are only the names of comments."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or value.get("kind") == "more":
        return None
    data = value.get("data")
    if isinstance(data, dict):
        data = data.get("children")
    return data if isinstance(data, list) else None


def _walk(elements: list[object]) -> Iterator[object]:
    """Every comment of some elements, which may be listings and hold replies, however deep; without recursion."""
    waiting: list[Iterator[object]] = [iter(elements)]
    while waiting:
        for element in waiting[-1]:
            inside = None if isinstance(element, dict) and "body" in element else _inside(element)
            if inside is not None:
                waiting.append(iter(inside))
                break
            comment = _thing(element)
            yield comment
            replies = _inside(comment.get("replies")) if isinstance(comment, dict) else None
            if replies:
                waiting.append(iter(replies))
                break
        else:
            waiting.pop()


def _thing(element: object) -> object:
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


def _joined(blocks: Iterator[Block]) -> tuple[int, bytes]:
    """A document's text, and the number of its first line.

    Raises:
        _TooLongError: it is longer than `LONGEST_DOCUMENT`.
    """
    text = bytearray()
    number = 0
    for block in blocks:
        number = number or block.number
        if block.data is None or len(text) + len(block.data) > LONGEST_DOCUMENT:
            raise _TooLongError
        text += block.data + b"\n"
    return number, bytes(text)


class _TooLongError(ValueError):
    """A document that is longer than `LONGEST_DOCUMENT`."""


def fault(error: Exception) -> str:
    """Why a JSON text is a bad row, in words."""
    if isinstance(error, _TooLongError):
        return "document too long"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deep"
    if isinstance(error, msgspec.ValidationError):
        message = str(error)
        if "out of range" in message:
            return "number out of range"
        _, _, place = message.partition(" - at `$.")
        return f"'{place.rstrip('`')}' of a wrong type" if place else "not a JSON object"
    return "not JSON"


def _is_twice(line: bytes, key: str) -> bool:
    """Whether the outermost object of a valid JSON text has `key` more than once."""
    keys: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> None:
        # Called for the outermost object last, whose keys are the ones that stay.
        keys[:] = [name for name, _ in pairs]

    json.loads(line, object_pairs_hook=note)
    return keys.count(key) > 1
