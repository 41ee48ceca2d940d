"""Splits a source into blocks of whole lines, and counts the rows that are read or skipped.

Blocks are cheap to count, to decode and to send to another process. Lines over `max_line_bytes` are
not held in memory, which is thus bounded for any input.
"""

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.errors import pluralize, quote
from grucli.read.encoding import TextDecoder
from grucli.read.prefetch import prefetch
from grucli.read.schema import Schema
from grucli.read.sources import (
    SLICE_BYTES,
    ByteProgress,
    CorruptDataError,
    InputSource,
    corrupt_error,
    read_bytes,
)

MAX_LINE_BYTES = 1 << 22
"""Longest line in bytes, and longest CSV field in characters."""

TARGET_BLOCK_BYTES = 1 << 19
"""Bytes of a block: enough that the fixed cost of a block is negligible."""

_PREFETCH_DEPTH = 2
_PREFETCH_SLICE_BYTES = 1 << 22
"""Large slices: the thread waits for the GIL (up to 5 ms) several times per slice."""

CORRUPT = "corrupt compressed data"
INVALID_UTF8 = "bytes that are not UTF-8"
"""The two reasons that stand for more, or less, than one row."""

NOT_UTF8, LINE_TOO_LONG = "not UTF-8", "line too long"
"""The reasons of a row with undecodable bytes, and of one of over `MAX_LINE_BYTES`."""

_MAX_LINES_PER_REASON = 5
_MAX_NAMED_PLACEHOLDERS = 2
MAX_BAD_ROW_CHARS = 1000
"""Characters that are kept of a row that is not one."""

NumberedLine = tuple[int, bytes | None]
"""A line number, from 1, and the line without its newline; None if the line is too long."""


class Record(NamedTuple):
    """One row: the number of its first line, and its fields by name."""

    line: int
    fields: dict[str, object]


class BadRow(NamedTuple):
    """A row that is skipped: the number of its line, the reason, and the line or its last part."""

    line: int
    reason: str
    raw: str


def is_blank(line: NumberedLine) -> bool:
    """Return True for a line of white space; one that is too long is none."""
    return line[1] is not None and not line[1].strip()


@dataclass(slots=True)
class RowReport:
    """Counts of rows: `read` in total, of which `skipped` by reason. Of a running text, lines are counted.

    `lines`: the first line numbers of each reason. `warnings`: pairs of a source's name and what the user should know
    about it, as the rest of a sentence. `schemas`: what was decided about the sources. `repaired`: rows that were not
    valid but certain in their meaning, by what to say about them, with `{rows}` for their number. `nested`: rows that
    stood inside of other objects. `bad_rows`: each row that is skipped, unless None. `placeholders`: rows that say
    only that their text is missing or gone.
    """

    read: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    lines: dict[str, list[int]] = field(default_factory=dict)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    schemas: list[Schema] = field(default_factory=list)
    repaired: Counter[str] = field(default_factory=Counter)
    nested: int = 0
    bad_rows: list[BadRow] | None = None
    placeholders: int = 0

    def skip(self, reason: str, line: int, raw: bytes | str | None = None) -> None:
        """Count one bad row; `raw` is what it consists of."""
        if self.bad_rows is not None:
            text = (raw or b"")[:MAX_BAD_ROW_CHARS]
            text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
            self.bad_rows.append(BadRow(line, reason, text))
        self.skipped[reason] += 1
        recorded = self.lines.setdefault(reason, [])
        if len(recorded) < _MAX_LINES_PER_REASON:
            recorded.append(line)

    def mark_truncated(self, name: str, line: int) -> None:
        """Count the row in which the compressed data of a source are corrupt, after `line` complete lines."""
        self.skip(CORRUPT, line + 1)
        location = f"after line {line:,}" if line else "after the readable part of line 1"
        self.warnings.append((name, f"is corrupt: everything {location} is missing"))

    def warn_of_repairs(self, name: str) -> None:
        """Turn the counts of repaired rows into warnings about a source, at its end."""
        for repair, count in self.repaired.items():
            self.warnings.append((name, repair.format(rows=pluralize(count, "row"))))
        self.repaired.clear()

    def add_placeholders(self, name: str, counts: Counter[str]) -> None:
        """Count rows of a source that say only that their text is missing or gone, by what they say."""
        self.placeholders += counts.total()
        rows = f"{pluralize(counts.total(), 'row')} that {'is' if counts.total() == 1 else 'are'}"
        texts = " or ".join(quote(text) for text, _ in counts.most_common(_MAX_NAMED_PLACEHOLDERS))
        self.warnings.append((name, f"has {rows} {texts}: gru clean drops them"))

    def messages(self) -> list[str]:
        """Return all of it as sentences for the user: the warnings, then the reasons, most frequent first."""
        messages = [f"'{name}' {warning}" for name, warning in self.warnings]
        for reason, count in self.skipped.most_common():
            if reason == INVALID_UTF8:
                messages.append(f"removed {INVALID_UTF8} in {pluralize(count, 'place')}")
            elif reason != CORRUPT:
                messages.append(f"{pluralize(count, 'row')} skipped: {reason}")
        return messages


@dataclass(slots=True)
class Block:
    """Consecutive lines joined by newlines; `first_line` is the number of the first, from 1.

    `data` is None for a single line that is too long.
    """

    first_line: int
    data: bytes | None
    _newline_offsets: NDArray[np.intp] | None = field(default=None, repr=False, compare=False)

    @property
    def newline_offsets(self) -> NDArray[np.intp]:
        """Offsets of the newlines in `data`, [n] intp."""
        if self._newline_offsets is None:
            self._newline_offsets = np.flatnonzero(np.frombuffer(self.data or b"", np.uint8) == ord("\n"))
        return self._newline_offsets

    def lines(self) -> Iterator[NumberedLine]:
        """Return the lines with their numbers."""
        if self.data is None:
            return iter([(self.first_line, None)])
        return enumerate(self.data.split(b"\n"), self.first_line)


def read_blocks(
    source: InputSource,
    report: RowReport,
    on_bytes: ByteProgress | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
    *,
    use_prefetch: bool = False,
    decoder: TextDecoder | None = None,
) -> Iterator[Block]:
    """Yield the lines of `source` in blocks. Corrupt compressed data end it early, which `report` records.

    `use_prefetch`: decompress a file in another thread, which should have its own core. `decoder`: see `read_bytes`;
    what it says about the source is in `report` at the end.

    Raises:
        UsageError: the source cannot be read.
        GruError: the disk failed, or compressed data are corrupt before the first line ends.
    """
    splitter = _LineSplitter(max_line_bytes)
    decoder = decoder or TextDecoder(source.display_name)
    use_prefetch = use_prefetch and bool(source.compression) and source.path is not None and source.path.is_file()
    chunks = (
        _prefetched_chunks(source, on_bytes, decoder)
        if use_prefetch
        else read_bytes(source, on_bytes, SLICE_BYTES, decoder)
    )
    try:
        for chunk in chunks:
            yield from splitter.feed(chunk)
    except CorruptDataError as error:
        yield from splitter.flush()
        if splitter.next_line == 1:
            raise corrupt_error(source.display_name) from error
        report.read += 1
        report.mark_truncated(source.display_name, splitter.next_line - 1)
    else:
        yield from splitter.close()
    report.warnings += [(source.display_name, note) for note in decoder.notes()]


def _prefetched_chunks(source: InputSource, on_bytes: ByteProgress | None, decoder: TextDecoder) -> Iterator[bytes]:
    for chunk, count in prefetch(_chunks_with_byte_counts(source, decoder), _PREFETCH_DEPTH):
        if count and on_bytes is not None:
            on_bytes(count)  # not in the thread: the callback may draw on the terminal
        yield chunk


def _chunks_with_byte_counts(source: InputSource, decoder: TextDecoder) -> Generator[tuple[bytes, int], None, None]:
    counts: list[int] = []
    for chunk in read_bytes(source, counts.append, _PREFETCH_SLICE_BYTES, decoder):
        yield chunk, sum(counts)
        counts.clear()
    yield b"", sum(counts)


class _LineSplitter:
    """Turns slices of bytes into blocks. `next_line` is the number of the first line not yet in a block."""

    def __init__(self, max_line_bytes: int) -> None:
        self.next_line = 1
        self._max_line_bytes = max_line_bytes
        self._complete: list[bytes | memoryview] = []
        self._complete_bytes = 0
        self._partial: list[bytes] = []
        self._partial_bytes = 0
        self._newline_run = 0

    def feed(self, chunk: bytes) -> Iterator[Block]:
        if self._is_blank(chunk):
            yield from self.flush()
            self.next_line += chunk.count(b"\n")
            self._partial, self._partial_bytes = [], 0
            self._append_partial(chunk[chunk.rfind(b"\n") + 1 :])
            return
        start, first_newline = 0, chunk.find(b"\n")
        if first_newline < 0:
            self._append_partial(chunk)
            return
        if self._partial_bytes + first_newline > self._max_line_bytes:
            yield from self.flush()
            yield self._oversized_block()
            start = first_newline + 1
        else:
            self._complete += self._partial
            self._complete_bytes += self._partial_bytes
        self._partial, self._partial_bytes = [], 0
        view, tail_start = memoryview(chunk), chunk.rfind(b"\n") + 1
        while start < tail_start:
            end = (
                chunk.rfind(b"\n", start, max(start, start + TARGET_BLOCK_BYTES - self._complete_bytes)) + 1
                or chunk.find(b"\n", start) + 1
            )
            self._complete.append(view[start:end])
            self._complete_bytes += end - start
            start = end
            if start < tail_start or self._complete_bytes >= TARGET_BLOCK_BYTES:
                yield from self.flush()
        self._append_partial(chunk[tail_start:])

    def _is_blank(self, chunk: bytes) -> bool:
        """Return True for newlines alone after so many of them that they cannot be inside a quoted field."""
        if not chunk.startswith((b"\n", b"\r\n")) or chunk.strip(b"\r\n"):
            self._newline_run = 0
            return False
        self._newline_run += len(chunk)
        return self._newline_run - len(chunk) > self._max_line_bytes

    def flush(self) -> Iterator[Block]:
        if not self._complete:
            return
        self._complete[-1] = self._complete[-1][:-1]
        data = b"".join(self._complete)
        self._complete, self._complete_bytes = [], 0
        block = Block(self.next_line, data)
        self.next_line += 1 + len(block.newline_offsets)
        yield block

    def close(self) -> Iterator[Block]:
        """Yield the rest, with a last line that has no newline."""
        if self._partial_bytes > self._max_line_bytes:
            yield from self.flush()
            yield self._oversized_block()
        elif self._partial_bytes:
            self._complete += [*self._partial, b"\n"]
            yield from self.flush()
        else:
            yield from self.flush()

    def _append_partial(self, chunk: bytes) -> None:
        # Of a line that is already too long only the length is kept.
        self._partial_bytes += len(chunk)
        if self._partial_bytes <= self._max_line_bytes:
            self._partial.append(chunk)
        else:
            self._partial.clear()

    def _oversized_block(self) -> Block:
        self.next_line += 1
        return Block(self.next_line - 1, None)
