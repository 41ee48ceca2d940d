"""Comments of JSON documents of several lines, value by value, in bounded memory."""

from collections.abc import Iterator
from itertools import islice

import msgspec

from grucli.errors import UsageError, quote
from grucli.read.blocks import Block, RowReport
from grucli.read.fields import TEXT
from grucli.read.json_lines import TOO_LONG, json_error_reason, parse_values
from grucli.read.json_repair import decode_json, has_too_many_values, looks_like_python, repair_text
from grucli.read.json_split import ValueSplitter
from grucli.read.json_tree import NOT_A_COMMENT, NOT_AN_OBJECT, POST, CommentFinder, Fields

MAX_DOCUMENT_BYTES = 1 << 26
"""Bytes of one value of a document: the elements of an array count by themselves."""

_MAX_WITHOUT_COMMENTS = 10_000
"""After so many values that are none, from the first on, no comments are expected."""

_KNOWN_SHAPES = (
    "known are comments in lines, lists, objects by id or columns, in posts with 'comments', and with 'replies'; "
    "--column names their text"
)


def is_document(block: Block, column: str | None) -> bool:
    """Return True if the first block of a JSON file begins a document of several lines, or is one that holds comments.

    A comment per line, also as the elements of an array, is no document.

    >>> is_document(Block(1, b'{ "data": ['), None), is_document(Block(1, b'{"body": "one"}'), None)
    (True, False)
    """
    first, second = [*islice((line.strip() for _, line in block.lines() if line and line.strip()), 2), b"", b""][:2]
    value = _parse(first)
    if value is not None:
        is_row = isinstance(value, dict) and (
            CommentFinder(column).text_key(value) is not None
            or not any(isinstance(one, dict | list) for one in value.values())
        )
        return not second and not is_row
    is_element = isinstance(_parse(first.lstrip(b"[ ").rstrip(b", ") or second.rstrip(b", ")), dict)
    if first.startswith(b"["):
        is_cut_short = not second and not first.endswith((b"]", b"}"))
        return not is_element and (is_cut_short or first.endswith((b"[", b"{", b",", b":")))
    is_torn = first.endswith(b",") and second.startswith(b"{")
    return first.startswith(b"{") and first.endswith((b"{", b"[", b":", b",")) and not is_element and not is_torn


def _parse(text: bytes) -> object:
    try:
        return decode_json(repair_text(text, by_line=False)[0])
    except (ValueError, RecursionError):
        return None


class DocumentReader:
    """Reads the comments of a source that is a JSON document, or several.

    Args:
        name: of the source, for errors.
        column: the field of the text; None for any usual one.
        report: counts the rows.
    """

    def __init__(self, name: str, column: str | None, report: RowReport) -> None:
        self._name = name
        self._finder = CommentFinder(column)
        self._report = report
        self._has_comments, self._is_empty = False, True
        self._reasons: set[str] = set()
        self._num_skipped = 0

    def read(self, blocks: Iterator[Block]) -> Iterator[tuple[int, Fields]]:
        """Yield the comments, each with the number of the line on which its value begins.

        Raises:
            UsageError: there are values, but none of them holds a comment.
        """
        for line, text in _split(blocks):
            for value in self._parse(line, text):
                yield from ((line, fields) for fields in self._comments(value, line))
            if self._num_skipped > _MAX_WITHOUT_COMMENTS and not self._has_comments:
                break
        self._check_found()
        self._report.warn_of_repairs(self._name)

    def _parse(self, line: int, text: bytes | None) -> list[object]:
        reason = TOO_LONG
        try:
            if text is not None:
                return list(_parse_repaired(text, self._report))
        except (ValueError, RecursionError) as error:
            reason = json_error_reason(error)
        self._skip(reason, line)
        return []

    def _comments(self, value: object, line: int) -> Iterator[Fields]:
        self._is_empty = self._is_empty and _is_empty(value)
        if isinstance(value, str):
            value = {TEXT: value}
        if not isinstance(value, dict | list):
            self._skip(NOT_AN_OBJECT, line)
        is_first = True
        for found in self._finder.find(value):
            if isinstance(found, str):
                self._skip(found, line)
            else:
                self._has_comments = True
                self._report.read += 1
                self._report.nested += not (is_first and self._finder.is_comment(value))
                yield found
            is_first = False

    def _skip(self, reason: str, line: int) -> None:
        self._reasons.add(reason)
        self._num_skipped += 1
        self._report.read += 1
        self._report.skip(reason, line)

    def _check_found(self) -> None:
        name = quote(self._name)
        if self._has_comments:
            return
        if TOO_LONG in self._reasons:
            raise UsageError(
                f"{name} has a JSON value that is too long: over {MAX_DOCUMENT_BYTES >> 20} MiB, or millions of values",
                "write one comment per line, as with: jq -c '.[]' FILE > FILE.jsonl",
            )
        if self._is_empty:
            return
        if POST in self._reasons:
            raise UsageError(f"{name} has posts, not comments", "choose their text with --column, such as selftext")
        if not self._reasons - {NOT_A_COMMENT, NOT_AN_OBJECT}:
            raise UsageError(f"no comments found in {name}", _KNOWN_SHAPES)


def _split(blocks: Iterator[Block]) -> Iterator[tuple[int, bytes | None]]:
    splitter = ValueSplitter(MAX_DOCUMENT_BYTES)
    for block in blocks:
        if block.data is None or has_too_many_values(block.data):
            yield block.first_line, None
        else:
            yield from splitter.feed(block.data + b"\n", block.first_line)
    yield from splitter.close()


def _parse_repaired(text: bytes, report: RowReport) -> Iterator[object]:
    try:
        yield decode_json(text)
    except msgspec.DecodeError:
        if looks_like_python(text):
            yield from parse_values(text, report)
            return
        repaired, counts = repair_text(text, by_line=False)
        report.repaired.update(counts)
        yield from parse_values(repaired, report)


def _is_empty(value: object) -> bool:
    """Return True for a response without results, or a post without comments."""
    return value in ([], {}) or (isinstance(value, dict) and [] in (value.get("data"), value.get("comments")))
