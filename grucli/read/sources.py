"""Where a corpus comes from: a named file or standard input, compressed or not, as bounded slices of plain bytes.

Damage inside compressed data ends the slices early and is reported, so that what came before it is kept. What cannot be
a corpus at all (no such file, a folder, a binary file) is refused.
"""

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from grucli.errors import GruError, UsageError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STDIN = "-"
FORMS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".txt": "txt",
}
_ROWS = ("csv", "tsv", "jsonl", "json")
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
SLICE = 1 << 16
_DUMP_WINDOW = 31
_PACKED, _SMALL_STEP = 1 << 19, 1 << 10
"""Bytes of a zstd file that are read at a time, and up to some damage."""

_DAMAGE = (EOFError, lzma.LZMAError, zlib.error, zstd.ZstdError)
"""Besides an `OSError` without a number, which is how gzip and bz2 say it."""

_MAGIC: dict[str, tuple[bytes, ...]] = {
    ".gz": (b"\x1f\x8b",),
    ".bz2": (b"BZh",),
    ".xz": (b"\xfd7zXZ\0", b"\x5d\0\0"),
    ".zst": (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + kind]) + b"\x2a\x4d\x18" for kind in range(16))),
}
"""How compressed data begin: those that do, and cannot be read, are damaged; others never were what the suffix says."""

_FEW = 8
"""Odd bytes that do not yet make a file binary: a bad row or two are counted, not refused."""

_CONTROLS = bytes({*range(32)} - {*b"\t\r"})
"""What the first line of a text has none of."""

_BOM = b"\xef\xbb\xbf"

OnBytes = Callable[[int], None]
"""Told how many more bytes of a file, as it lies on the disk, have been read."""


class Damaged(Exception):  # noqa: N818 - it ends a stream as StopIteration does; no user meets it
    """The compressed data are cut short or corrupt from here on."""


@dataclass(frozen=True, slots=True)
class Source:
    """A corpus to read.

    `name`: as the user typed it. `path`: the file, or None for standard input. `form`: one of the values of
    `FORMS`, or None where only the content can tell. `compression`: ".gz", ".bz2", ".xz", ".zst" or "".
    """

    name: str
    path: Path | None
    form: str | None
    compression: str = ""


class _Compressed(Protocol):
    def read1(self, size: int, /) -> bytes: ...


def locate(name: str) -> Source:
    """Find the corpus that a user named; its suffixes tell form and compression.

    Raises:
        UsageError: no such file, a folder, or a suffix that names no form of corpus.
    """
    if name == STDIN:
        return Source(name, None, None)
    path = Path(name)
    try:
        exists, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError):  # a name that no file can have
        exists, is_folder = False, False
    if not exists:
        raise UsageError(f"there is no file '{name}'", "check the name and the folder")
    if is_folder:
        raise UsageError(f"'{name}' is a folder", "name the files in it")
    suffix = path.suffix.lower()
    compression = suffix if suffix in COMPRESSIONS else ""
    inner = Path(path.stem).suffix.lower() if compression else suffix
    # A dump is called RC_2005-12.zst: without a known inner suffix, its content tells.
    if inner not in FORMS and not compression:
        raise UsageError(
            f"'{name}' has no suffix of a corpus",
            f"name a {', '.join(FORMS)} file, compressed or not ({', '.join(COMPRESSIONS)})",
        )
    return Source(name, path, FORMS.get(inner), compression)


def read_bytes(source: Source, on_bytes: OnBytes | None = None, size: int = SLICE) -> Iterator[bytes]:
    """Slices of the decompressed bytes of `source`, none longer than `size`, without a byte-order mark.

    Raises:
        UsageError: it cannot be opened, is not compressed the way its suffix says, or is no UTF-8 text.
        GruError: the disk failed, or the compressed data are damaged from their beginning on.
        Damaged: the compressed data end here; all that could be read has been yielded.
    """
    first = True
    try:
        if source.compression and not _is_compressed(source):
            return
        for piece in _slices(source, on_bytes, size) if source.compression else read_raw(source, on_bytes, size):
            if first:
                _refuse_binary(source, piece)
                piece = piece.removeprefix(_BOM)
                first = False
            yield piece
    except (*_DAMAGE, OSError) as error:
        raise (unreadable(source) if first else Damaged()) from error


def unreadable(source: Source) -> GruError:
    """The error for compressed data of which nothing can be read."""
    return GruError(f"'{source.name}' is damaged: nothing in it can be read", "fetch or copy the file again")


def _is_compressed(source: Source) -> bool:
    """Tell a file that is not what its suffix says from one that is, and is cut short; and from one without a byte.

    Raises:
        UsageError: it begins like none that is compressed so.
    """
    magics = _MAGIC[source.compression]
    with _opened(source) as raw, _disk(source):
        head = raw.read(max(map(len, magics)))
    if head and not any(magic.startswith(head[: len(magic)]) for magic in magics):
        raise UsageError(
            f"'{source.name}' cannot be decompressed: it is no {source.compression} file",
            "give it the suffix of what it is",
        )
    return bool(head)


def read_raw(source: Source, on_bytes: OnBytes | None = None, size: int = SLICE) -> Iterator[bytes]:
    """Slices of the bytes of `source` as they lie on the disk, or arrive.

    Raises:
        UsageError: it cannot be opened.
        GruError: the disk failed.
    """
    with _opened(source) as raw, _disk(source):
        while piece := raw.read(size):
            yield piece
            if on_bytes is not None:
                on_bytes(len(piece))


def _slices(source: Source, on_bytes: OnBytes | None, size: int) -> Iterator[bytes]:
    with _opened(source) as raw, _disk(source):
        told = 0
        for piece in _decompressed(raw, source.compression, size):
            yield piece
            if on_bytes is not None:
                at = raw.tell()
                on_bytes(at - told)
                told = at


def _opened(source: Source) -> AbstractContextManager[BinaryIO]:
    if source.path is None:
        if sys.stdin is None:  # the shell closed it, as in <&-
            raise UsageError("standard input ('-') is closed", "pipe a corpus into it, or name a file")
        return nullcontext(sys.stdin.buffer)
    try:
        return source.path.open("rb")
    except OSError as error:
        raise UsageError(
            f"'{source.name}' cannot be opened: {error.strerror}", "check its permissions, or name another file"
        ) from error


@contextmanager
def _disk(source: Source) -> Iterator[None]:
    """Turn a failure of the disk into an error for the user; damaged gzip and bz2 data are an `OSError` too."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise GruError(f"'{source.name}' cannot be read: {error.strerror}", "check the disk it is on") from error


def _decompressed(raw: BinaryIO, compression: str, size: int) -> Iterator[bytes]:
    if compression == ".zst":
        return _unpacked(raw, size)
    opened: dict[str, Callable[[BinaryIO], _Compressed]] = {
        ".gz": lambda raw: cast(_Compressed, gzip.GzipFile(fileobj=raw)),
        ".bz2": bz2.BZ2File,
        ".xz": lzma.LZMAFile,
    }
    stream = opened[compression](raw)
    return iter(lambda: stream.read1(size), b"")


def _unpacked(raw: BinaryIO, size: int) -> Iterator[bytes]:
    """What zstd packed, by larger steps than `ZstdFile` makes: a thread that reads has to wait after each.

    The step in which damage shows gives nothing. By small ones, all that comes before the damage can be had.
    """
    given = 0
    try:
        for piece in _frames(raw, size, _PACKED):
            yield piece
            given += len(piece)
    except zstd.ZstdError:
        if not raw.seekable():
            raise
        raw.seek(0)
        for piece in _frames(raw, size, _SMALL_STEP):
            if given < len(piece):
                yield piece[given:]
            given = max(0, given - len(piece))


def _frames(raw: BinaryIO, size: int, step: int) -> Iterator[bytes]:
    """What zstd packed, frame by frame, so many bytes of the file at a time.

    Reddit's dumps are packed with a window that no decoder accepts unasked.
    """
    packed = raw.read(step)
    while packed:
        frame = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _DUMP_WINDOW})
        while True:
            if piece := frame.decompress(packed, size):
                yield piece
            if frame.eof:
                break
            packed = raw.read(step) if frame.needs_input else b""
            if frame.needs_input and not packed:
                raise EOFError
        packed = frame.unused_data or raw.read(step)


def _refuse_binary(source: Source, piece: bytes) -> None:
    if piece.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError(f"'{source.name}' is UTF-16 text", "save it as UTF-8")
    broken = piece.decode("utf-8", "replace").count("\ufffd") - piece.count("\ufffd".encode())
    nuls = piece.count(0) > max(_FEW, len(piece) // 100) and not _begins_with_rows(source, piece)
    if nuls or broken > max(_FEW, len(piece) // 10):
        raise UsageError(f"'{source.name}' is a binary file, or text that is not UTF-8", "name a text file in UTF-8")


def _begins_with_rows(source: Source, piece: bytes) -> bool:
    """Whether NULs are bad rows of a file, such as a crash leaves, and not its nature: by its name and first line."""
    first = piece.partition(b"\n")[0]
    if source.form not in _ROWS or not first.strip() or first.translate(None, _CONTROLS) != first:
        return False
    return "\ufffd" not in first.decode("utf-8", "replace")
