"""A source cut into blocks of whole lines: what is quick to count, to decode at once, and to hand to another process.

No line is held that is longer than `LONGEST` bytes, so that memory is bounded whatever comes.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grucli.read.prefetch import prefetch
from grucli.read.row_report import RowReport
from grucli.read.sources import ByteProgress, CorruptDataError, InputSource, read_bytes, unreadable_error

MAX_LINE_BYTES = 1 << 22
"""Bytes of a line, characters of a field."""

TARGET_BLOCK_BYTES = 1 << 19
"""Bytes of whole lines that make a block: enough that what a block costs by itself does not count."""

_PREFETCH_DEPTH = 2
_PREFETCH_SLICE_BYTES = 1 << 22
"""Slices that are read ahead, and their bytes: the thread has to wait for its turn, 5 ms, a few times for each."""

NumberedLine = tuple[int, bytes | None]
"""A line's number, from 1, and its bytes without the newline; None where they are too many."""


@dataclass(slots=True)
class Block:
    """Lines that follow one another, joined by newlines: `number` is the first one's, from 1.

    `data` is None for a single line that is too long to be held.
    """

    first_line: int
    data: bytes | None
    _newline_offsets: NDArray[np.intp] | None = field(default=None, repr=False, compare=False)

    @property
    def newline_offsets(self) -> NDArray[np.intp]:
        """Where the newlines are. They are looked for once, and faster than by `bytes`, which takes one by one."""
        if self._newline_offsets is None:
            self._newline_offsets = np.flatnonzero(np.frombuffer(self.data or b"", np.uint8) == ord("\n"))
        return self._newline_offsets

    def lines(self) -> Iterator[NumberedLine]:
        """Each line with its number."""
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
) -> Iterator[Block]:
    """The lines of `source`, in blocks. Where compressed data are damaged they end, and the report says so.

    `reads_ahead`: a compressed file is unpacked in a thread of its own, for which there should be a core.

    Raises:
        UsageError: the source cannot be read at all.
        GruError: the disk failed, or not one line comes before the damage.
    """
    splitter = _LineSplitter(max_line_bytes)
    try:
        for chunk in _prefetched_chunks(source, on_bytes) if use_prefetch else read_bytes(source, on_bytes):
            yield from splitter.feed(chunk)
    except CorruptDataError as error:
        yield from splitter.flush()
        if splitter.next_line == 1:
            raise unreadable_error(source) from error
        report.read += 1
        report.mark_truncated(source.display_name, splitter.next_line - 1)
        return
    yield from splitter.close()


def _prefetched_chunks(source: InputSource, on_bytes: ByteProgress | None) -> Iterator[bytes]:
    """The bytes of a source; of a file that is compressed, they are read ahead."""
    if not source.compression or source.path is None or not source.path.is_file():
        yield from read_bytes(source, on_bytes)
        return
    for chunk, count in prefetch(_chunks_with_byte_counts(source), _PREFETCH_DEPTH):
        if count and on_bytes is not None:
            on_bytes(count)  # here, and not in the thread: whoever is told may draw
        yield chunk


def _chunks_with_byte_counts(source: InputSource) -> Generator[tuple[bytes, int], None, None]:
    """The bytes of a source, each time with how many of the file have been read since the last."""
    counts: list[int] = []
    for chunk in read_bytes(source, counts.append, _PREFETCH_SLICE_BYTES):
        yield chunk, sum(counts)
        counts.clear()
    yield b"", sum(counts)


class _LineSplitter:
    """Takes slices of bytes and gives blocks. `number` is that of the first line that no block has been given of."""

    def __init__(self, max_line_bytes: int) -> None:
        self.next_line = 1
        self._max_line_bytes = max_line_bytes
        self._complete: list[bytes | memoryview] = []
        self._complete_bytes = 0
        self._partial: list[bytes] = []
        self._partial_bytes = 0

    def feed(self, chunk: bytes) -> Iterator[Block]:
        """Take a slice; the blocks that it completes."""
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

    def flush(self) -> Iterator[Block]:
        """What there is of whole lines."""
        if not self._complete:
            return
        self._complete[-1] = self._complete[-1][:-1]
        data = b"".join(self._complete)
        self._complete, self._complete_bytes = [], 0
        block = Block(self.next_line, data)
        self.next_line += 1 + len(block.newline_offsets)
        yield block

    def close(self) -> Iterator[Block]:
        """The rest, with the last line, which has no newline."""
        if self._partial_bytes > self._max_line_bytes:
            yield from self.flush()
            yield self._oversized_block()
        elif self._partial_bytes:
            self._complete += [*self._partial, b"\n"]
            yield from self.flush()
        else:
            yield from self.flush()

    def _append_partial(self, chunk: bytes) -> None:
        """Take in a part of a line that is not finished; of one that is too long already, only its length."""
        self._partial_bytes += len(chunk)
        if self._partial_bytes <= self._max_line_bytes:
            self._partial.append(chunk)
        else:
            self._partial.clear()

    def _oversized_block(self) -> Block:
        self.next_line += 1
        return Block(self.next_line - 1, None)
