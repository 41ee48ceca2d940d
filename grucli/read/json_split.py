"""Splits JSON text into its values without decoding it, so that text of any length is read in bounded memory."""

from collections.abc import Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

_DEPTH_CHANGE = np.zeros(256, np.int8)
_DEPTH_CHANGE[list(b"{[")] = 1
_DEPTH_CHANGE[list(b"}]")] = -1
_IS_STRUCTURAL = _DEPTH_CHANGE != 0
_IS_STRUCTURAL[ord(",")] = True


def mask_escapes(text: bytes) -> bytes:
    r"""Return text of the same length in which every quote begins or ends a string.

    >>> mask_escapes(rb'["a\"b\\"]')
    b'["a__b__"]'
    """
    return text.replace(b"\\\\", b"__").replace(b'\\"', b"__")


def line_starts(text: bytes, offsets: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each offset, [n] intp, the offset at which its line begins."""
    newlines = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    starts: NDArray[np.intp] = np.concatenate([[0], newlines + 1])[np.searchsorted(newlines, offsets)]
    return starts


def is_outside_strings(masked: bytes, offsets: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return for each offset, [n] bool, whether the byte there is outside of all strings.

    `masked`: the result of `mask_escapes`. A string ends with its line at the latest: one broken line does not change
    how the next are read.
    """
    quotes = np.flatnonzero(np.frombuffer(masked, np.uint8) == ord('"'))
    quotes_before: NDArray[np.intp] = np.searchsorted(quotes, offsets) - np.searchsorted(
        quotes, line_starts(masked, offsets)
    )
    is_outside: NDArray[np.bool_] = quotes_before % 2 == 0
    return is_outside


class ValueSplitter:
    """Splits text, fed in pieces of whole lines, into its values; of an array, into its elements.

    Values may follow each other with or without commas and newlines between them. A value over `max_bytes` is not held
    in memory: it becomes None.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._depth = 0
        self._in_array = False
        self._pending = bytearray()
        self._is_too_long = False
        self._line = 1

    def feed(self, text: bytes, first_line: int = 1) -> Iterator[tuple[int, bytes | None]]:
        """Yield each value that ends in `text`, with the number of its first line."""
        if not self._pending and not self._is_too_long:
            self._line = first_line
        start, line = 0, first_line
        for end, next_start in self._ends(text):
            yield from self._flush(text[start:end])
            line += text.count(b"\n", start, next_start)
            start, self._line = next_start, line
        self._append(text[start:])

    def close(self) -> Iterator[tuple[int, bytes | None]]:
        """Yield what is left, which is not a whole value."""
        yield from self._flush(b"")

    def _ends(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield where each value ends, and where the next may start."""
        octets = np.frombuffer(text, np.uint8)
        offsets = np.flatnonzero(_IS_STRUCTURAL[octets])
        offsets = offsets[is_outside_strings(mask_escapes(text), offsets)]
        chars = octets[offsets]
        change = _DEPTH_CHANGE[chars]
        depth = self._depth + np.cumsum(change, dtype=np.intp)
        depth -= np.minimum.accumulate(np.minimum(depth, 0))  # a bracket that nothing opened
        opens_value = (change > 0) & (depth == 1)
        last_opened = np.maximum.accumulate(np.where(opens_value, np.arange(1, len(depth) + 1), 0))
        in_array = np.concatenate([[self._in_array], chars == ord("[")])[last_opened]
        is_end = ((change <= 0) & (depth <= in_array)) | (opens_value & in_array)
        includes_char = (change < 0) & (depth == in_array)
        if len(depth):
            self._depth, self._in_array = int(depth[-1]), bool(in_array[-1])
        ends = offsets[is_end]
        return zip((ends + includes_char[is_end]).tolist(), (ends + 1).tolist(), strict=True)

    def _append(self, text: bytes) -> None:
        if not self._pending and not self._is_too_long:
            stripped = text.lstrip()
            self._line += text.count(b"\n", 0, len(text) - len(stripped))
            text = stripped
        self._is_too_long = self._is_too_long or len(self._pending) + len(text) > self._max_bytes
        self._pending += b"" if self._is_too_long else text

    def _flush(self, text: bytes) -> Iterator[tuple[int, bytes | None]]:
        self._append(text)
        value = bytes(self._pending).rstrip()
        is_too_long = self._is_too_long
        self._pending, self._is_too_long = bytearray(), False
        if is_too_long or value:
            yield self._line, None if is_too_long else value


def split_values(text: bytes) -> list[bytes]:
    """Return the values that stand one after the other in a text, with or without commas between them.

    >>> split_values(b'{"a": 1}{"b": "}"}, {"c": {}}')
    [b'{"a": 1}', b'{"b": "}"}', b'{"c": {}}']
    """
    splitter = ValueSplitter(len(text))
    return [value for _, value in chain(splitter.feed(text), splitter.close()) if value is not None]
