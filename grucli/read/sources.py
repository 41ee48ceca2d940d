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
from grucli.read.zstd import zstd

STDIN = "-"
FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".txt": "txt",
}
_ROW_FORMATS = ("csv", "tsv", "jsonl", "json")
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
SLICE_BYTES = 1 << 16
_WINDOW_LOG_MAX = 31
_ZSTD_READ_BYTES, _ZSTD_RETRY_BYTES = 1 << 19, 1 << 10
"""Bytes of a zstd file that are read at a time, and up to some damage."""

_DECOMPRESSION_ERRORS = (EOFError, lzma.LZMAError, zlib.error, zstd.ZstdError)
"""Besides an `OSError` without a number, which is how gzip and bz2 say it."""

_MAGIC: dict[str, tuple[bytes, ...]] = {
    ".gz": (b"\x1f\x8b",),
    ".bz2": (b"BZh",),
    ".xz": (b"\xfd7zXZ\0", b"\x5d\0\0"),
    ".zst": (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + kind]) + b"\x2a\x4d\x18" for kind in range(16))),
}
"""How compressed data begin: those that do, and cannot be read, are damaged; others never were what the suffix says."""

_MAX_INVALID_BYTES = 8
"""Odd bytes that do not yet make a file binary: a bad row or two are counted, not refused."""

_CONTROL_BYTES = bytes({*range(32)} - {*b"\t\r"})
"""What the first line of a text has none of."""

_BOM = b"\xef\xbb\xbf"

ByteProgress = Callable[[int], None]
"""Told how many more bytes of a file, as it lies on the disk, have been read."""


class CorruptDataError(Exception):
    """The compressed data are cut short or corrupt from here on."""


@dataclass(frozen=True, slots=True)
class InputSource:
    """A corpus to read.

    `name`: as the user typed it. `path`: the file, or None for standard input. `form`: one of the values of
    `FORMS`, or None where only the content can tell. `compression`: ".gz", ".bz2", ".xz", ".zst" or "".
    """

    display_name: str
    path: Path | None
    file_format: str | None
    compression: str = ""


class _Compressed(Protocol):
    def read1(self, size: int, /) -> bytes: ...


def resolve_source(name: str) -> InputSource:
    """Find the corpus that a user named; its suffixes tell form and compression.

    Raises:
        UsageError: no such file, a folder, or a suffix that names no form of corpus.
    """
    if name == STDIN:
        return InputSource(name, None, None)
    path = Path(name)
    try:
        exists, is_directory = path.exists(), path.is_dir()
    except (OSError, ValueError):  # a name that no file can have
        exists, is_directory = False, False
    if not exists:
        raise UsageError(f"there is no file '{name}'", "check the name and the folder")
    if is_directory:
        raise UsageError(f"'{name}' is a folder", "name the files in it")
    suffix = path.suffix.lower()
    compression = suffix if suffix in COMPRESSIONS else ""
    inner_suffix = Path(path.stem).suffix.lower() if compression else suffix
    # A dump is called RC_2005-12.zst: without a known inner suffix, its content tells.
    if inner_suffix not in FORMATS and not compression:
        raise UsageError(
            f"'{name}' has no suffix of a corpus",
            f"name a {', '.join(FORMATS)} file, compressed or not ({', '.join(COMPRESSIONS)})",
        )
    return InputSource(name, path, FORMATS.get(inner_suffix), compression)


def read_bytes(source: InputSource, on_bytes: ByteProgress | None = None, size: int = SLICE_BYTES) -> Iterator[bytes]:
    """Slices of the decompressed bytes of `source`, none longer than `size`, without a byte-order mark.

    Raises:
        UsageError: it cannot be opened, is not compressed the way its suffix says, or is no UTF-8 text.
        GruError: the disk failed, or the compressed data are damaged from their beginning on.
        Damaged: the compressed data end here; all that could be read has been yielded.
    """
    first = True
    try:
        if source.compression and not _check_compressed(source):
            return
        for chunk in _read_chunks(source, on_bytes, size) if source.compression else read_raw(source, on_bytes, size):
            if first:
                _refuse_binary(source, chunk)
                chunk = chunk.removeprefix(_BOM)
                first = False
            yield chunk
    except (*_DECOMPRESSION_ERRORS, OSError) as error:
        raise (unreadable_error(source) if first else CorruptDataError()) from error


def unreadable_error(source: InputSource) -> GruError:
    """The error for compressed data of which nothing can be read."""
    return GruError(f"'{source.display_name}' is damaged: nothing in it can be read", "fetch or copy the file again")


def _check_compressed(source: InputSource) -> bool:
    """Tell a file that is not what its suffix says from one that is, and is cut short; and from one without a byte.

    Raises:
        UsageError: it begins like none that is compressed so.
    """
    magics = _MAGIC[source.compression]
    with _open_source(source) as raw, _wrap_oserror(source):
        head = raw.read(max(map(len, magics)))
    if head and not any(magic.startswith(head[: len(magic)]) for magic in magics):
        raise UsageError(
            f"'{source.display_name}' cannot be decompressed: it is no {source.compression} file",
            "give it the suffix of what it is",
        )
    return bool(head)


def read_raw(source: InputSource, on_bytes: ByteProgress | None = None, size: int = SLICE_BYTES) -> Iterator[bytes]:
    """Slices of the bytes of `source` as they lie on the disk, or arrive.

    Raises:
        UsageError: it cannot be opened.
        GruError: the disk failed.
    """
    with _open_source(source) as raw, _wrap_oserror(source):
        while chunk := raw.read(size):
            yield chunk
            if on_bytes is not None:
                on_bytes(len(chunk))


def _read_chunks(source: InputSource, on_bytes: ByteProgress | None, size: int) -> Iterator[bytes]:
    with _open_source(source) as raw, _wrap_oserror(source):
        reported = 0
        for chunk in _decompress(raw, source.compression, size):
            yield chunk
            if on_bytes is not None:
                position = raw.tell()
                on_bytes(position - reported)
                reported = position


def _open_source(source: InputSource) -> AbstractContextManager[BinaryIO]:
    if source.path is None:
        if sys.stdin is None:  # the shell closed it, as in <&-
            raise UsageError("standard input ('-') is closed", "pipe a corpus into it, or name a file")
        return nullcontext(sys.stdin.buffer)
    try:
        return source.path.open("rb")
    except OSError as error:
        raise UsageError(
            f"'{source.display_name}' cannot be opened: {error.strerror}", "check its permissions, or name another file"
        ) from error


@contextmanager
def _wrap_oserror(source: InputSource) -> Iterator[None]:
    """Turn a failure of the disk into an error for the user; damaged gzip and bz2 data are an `OSError` too."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise GruError(
            f"'{source.display_name}' cannot be read: {error.strerror}", "check the disk it is on"
        ) from error


def _decompress(raw: BinaryIO, compression: str, size: int) -> Iterator[bytes]:
    if compression == ".zst":
        return _decompress_zstd(raw, size)
    openers: dict[str, Callable[[BinaryIO], _Compressed]] = {
        ".gz": lambda raw: cast(_Compressed, gzip.GzipFile(fileobj=raw)),
        ".bz2": bz2.BZ2File,
        ".xz": lzma.LZMAFile,
    }
    stream = openers[compression](raw)
    return iter(lambda: stream.read1(size), b"")


def _decompress_zstd(raw: BinaryIO, size: int) -> Iterator[bytes]:
    """What zstd packed, by larger steps than `ZstdFile` makes: a thread that reads has to wait after each.

    The step in which damage shows gives nothing. By small ones, all that comes before the damage can be had.
    """
    yielded = 0
    try:
        for chunk in _zstd_frames(raw, size, _ZSTD_READ_BYTES):
            yield chunk
            yielded += len(chunk)
    except zstd.ZstdError:
        if not raw.seekable():
            raise
        raw.seek(0)
        for chunk in _zstd_frames(raw, size, _ZSTD_RETRY_BYTES):
            if yielded < len(chunk):
                yield chunk[yielded:]
            yielded = max(0, yielded - len(chunk))


def _zstd_frames(raw: BinaryIO, size: int, read_size: int) -> Iterator[bytes]:
    """What zstd packed, frame by frame, so many bytes of the file at a time.

    Reddit's dumps are packed with a window that no decoder accepts unasked.
    """
    compressed = raw.read(read_size)
    while compressed:
        frame = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG_MAX})
        while True:
            if chunk := frame.decompress(compressed, size):
                yield chunk
            if frame.eof:
                break
            compressed = raw.read(read_size) if frame.needs_input else b""
            if frame.needs_input and not compressed:
                raise EOFError
        compressed = frame.unused_data or raw.read(read_size)


def _refuse_binary(source: InputSource, chunk: bytes) -> None:
    if chunk.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError(f"'{source.display_name}' is UTF-16 text", "save it as UTF-8")
    invalid = chunk.decode("utf-8", "replace").count("\ufffd") - chunk.count("\ufffd".encode())
    has_nuls = chunk.count(0) > max(_MAX_INVALID_BYTES, len(chunk) // 100) and not _begins_with_rows(source, chunk)
    if has_nuls or invalid > max(_MAX_INVALID_BYTES, len(chunk) // 10):
        raise UsageError(
            f"'{source.display_name}' is a binary file, or text that is not UTF-8", "name a text file in UTF-8"
        )


def _begins_with_rows(source: InputSource, chunk: bytes) -> bool:
    """Whether NULs are bad rows of a file, such as a crash leaves, and not its nature: by its name and first line."""
    first_line = chunk.partition(b"\n")[0]
    if (
        source.file_format not in _ROW_FORMATS
        or not first_line.strip()
        or first_line.translate(None, _CONTROL_BYTES) != first_line
    ):
        return False
    return "\ufffd" not in first_line.decode("utf-8", "replace")
