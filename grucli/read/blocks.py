"""A source cut into blocks of whole lines: what is quick to count, to decode at once, and to hand to another process.

No line is held that is longer than `LONGEST` bytes, so that memory is bounded whatever comes.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grucli.read.prefetch import ahead
from grucli.read.row_report import RowReport
from grucli.read.sources import Damaged, OnBytes, Source, read_bytes, unreadable

LONGEST = 1 << 22
"""Bytes of a line, characters of a field."""

BLOCK = 1 << 19
"""Bytes of whole lines that make a block: enough that what a block costs by itself does not count."""

_AHEAD = 2
_SLICE = 1 << 22
"""Slices that are read ahead, and their bytes: the thread has to wait for its turn, 5 ms, a few times for each."""

Line = tuple[int, bytes | None]
"""A line's number, from 1, and its bytes without the newline; None where they are too many."""


@dataclass(slots=True)
class Block:
    """Lines that follow one another, joined by newlines: `number` is the first one's, from 1.

    `data` is None for a single line that is too long to be held.
    """

    number: int
    data: bytes | None
    _ends: NDArray[np.intp] | None = field(default=None, repr=False, compare=False)

    @property
    def ends(self) -> NDArray[np.intp]:
        """Where the newlines are. They are looked for once, and faster than by `bytes`, which takes one by one."""
        if self._ends is None:
            self._ends = np.flatnonzero(np.frombuffer(self.data or b"", np.uint8) == ord("\n"))
        return self._ends

    def lines(self) -> Iterator[Line]:
        """Each line with its number."""
        if self.data is None:
            return iter([(self.number, None)])
        return enumerate(self.data.split(b"\n"), self.number)


def read_blocks(
    source: Source,
    report: RowReport,
    on_bytes: OnBytes | None = None,
    longest: int = LONGEST,
    *,
    reads_ahead: bool = False,
) -> Iterator[Block]:
    """The lines of `source`, in blocks. Where compressed data are damaged they end, and the report says so.

    `reads_ahead`: a compressed file is unpacked in a thread of its own, for which there should be a core.

    Raises:
        UsageError: the source cannot be read at all.
        GruError: the disk failed, or not one line comes before the damage.
    """
    cutter = _Cutter(longest)
    try:
        for piece in _pieces_ahead(source, on_bytes) if reads_ahead else read_bytes(source, on_bytes):
            yield from cutter.push(piece)
    except Damaged as damage:
        yield from cutter.flush()
        if cutter.number == 1:
            raise unreadable(source) from damage
        report.read += 1
        report.cut(source.name, cutter.number - 1)
        return
    yield from cutter.end()


def _pieces_ahead(source: Source, on_bytes: OnBytes | None) -> Iterator[bytes]:
    """The bytes of a source; of a file that is compressed, they are read ahead."""
    if not source.compression or source.path is None or not source.path.is_file():
        yield from read_bytes(source, on_bytes)
        return
    for piece, count in ahead(_counted(source), _AHEAD):
        if count and on_bytes is not None:
            on_bytes(count)  # here, and not in the thread: whoever is told may draw
        yield piece


def _counted(source: Source) -> Generator[tuple[bytes, int], None, None]:
    """The bytes of a source, each time with how many of the file have been read since the last."""
    told: list[int] = []
    for piece in read_bytes(source, told.append, _SLICE):
        yield piece, sum(told)
        told.clear()
    yield b"", sum(told)


class _Cutter:
    """Takes slices of bytes and gives blocks. `number` is that of the first line that no block has been given of."""

    def __init__(self, longest: int) -> None:
        self.number = 1
        self._longest = longest
        self._whole: list[bytes | memoryview] = []
        self._size = 0
        self._begun: list[bytes] = []
        self._length = 0

    def push(self, piece: bytes) -> Iterator[Block]:
        """Take a slice; the blocks that it completes."""
        start, first = 0, piece.find(b"\n")
        if first < 0:
            self._begin(piece)
            return
        if self._length + first > self._longest:
            yield from self.flush()
            yield self._too_long()
            start = first + 1
        else:
            self._whole += self._begun
            self._size += self._length
        self._begun, self._length = [], 0
        view, last = memoryview(piece), piece.rfind(b"\n") + 1
        while start < last:
            end = piece.rfind(b"\n", start, max(start, start + BLOCK - self._size)) + 1 or piece.find(b"\n", start) + 1
            self._whole.append(view[start:end])
            self._size += end - start
            start = end
            if start < last or self._size >= BLOCK:
                yield from self.flush()
        self._begin(piece[last:])

    def flush(self) -> Iterator[Block]:
        """What there is of whole lines."""
        if not self._whole:
            return
        self._whole[-1] = self._whole[-1][:-1]
        data = b"".join(self._whole)
        self._whole, self._size = [], 0
        block = Block(self.number, data)
        self.number += 1 + len(block.ends)
        yield block

    def end(self) -> Iterator[Block]:
        """The rest, with the last line, which has no newline."""
        if self._length > self._longest:
            yield from self.flush()
            yield self._too_long()
        elif self._length:
            self._whole += [*self._begun, b"\n"]
            yield from self.flush()
        else:
            yield from self.flush()

    def _begin(self, piece: bytes) -> None:
        """Take in a part of a line that is not finished; of one that is too long already, only its length."""
        self._length += len(piece)
        if self._length <= self._longest:
            self._begun.append(piece)
        else:
            self._begun.clear()

    def _too_long(self) -> Block:
        self.number += 1
        return Block(self.number - 1, None)
