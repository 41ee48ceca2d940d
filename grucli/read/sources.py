"""Input of a corpus: a file or standard input, compressed or not, as bounded slices of decompressed bytes.

Corrupt compressed data end the slices early with an error, so that the data before are kept. A directory or a binary
file is refused.
"""

import bz2
import gzip
import io
import lzma
import os
import select
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from grucli.errors import GruError, UsageError
from grucli.read.encoding import HEAD_BYTES, TextDecoder, unknown_encoding_error
from grucli.read.file_types import COMPRESSION_MAGIC, PARQUET_MAGIC, compression_of, content_format, refuse_other
from grucli.read.zstd import zstd

STDIN = "-"
FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jl": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".txt": "txt",
}
_ROW_FORMATS = ("csv", "tsv", "jsonl", "json")
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
SLICE_BYTES = 1 << 16
_WINDOW_LOG_MAX = 31
_POLL_SECONDS = 0.1
_ZSTD_READ_BYTES, _ZSTD_RETRY_BYTES = 1 << 19, 1 << 10
"""Bytes of a zstd file read per step, and per step once it is known to be corrupt."""

_DECOMPRESSION_ERRORS = (EOFError, lzma.LZMAError, zlib.error, zstd.ZstdError)
"""Besides an `OSError` without an errno, which gzip and bz2 raise."""

_MAX_EXPANSION, _EXPANSION_BYTES = 1000, 1 << 24
"""More decompressed bytes than the second, and than the first per compressed one, are no text that people wrote."""

_MAX_INVALID_BYTES = 8
"""Invalid bytes up to which a file is not binary: a few bad rows are counted instead."""

_CONTROL_BYTES = bytes({*range(32)} - {*b"\t\r"})
"""Bytes that do not occur in the first line of a text."""

ByteProgress = Callable[[int], None]
"""Called with the number of bytes read from the (compressed) file since the last call."""


class CorruptDataError(Exception):
    """The compressed data are truncated or corrupt from here on."""


@dataclass(frozen=True, slots=True)
class InputSource:
    """A corpus to read.

    `display_name`: as the user typed it. `path`: the file, or None for standard input. `file_format`: a value of
    `FORMATS`, or None if the content has to tell. `compression`: ".gz", ".bz2", ".xz", ".zst" or "".
    """

    display_name: str
    path: Path | None
    file_format: str | None
    compression: str = ""


def resolve_source(name: str) -> InputSource:
    """Return the source that the user named; its suffixes tell the format and the compression.

    The content of a file overrides the suffixes where it is certain: compressed data, Parquet, JSON.

    Raises:
        UsageError: no such file, a directory, an unsupported suffix, or a file that is something else.
    """
    if name == STDIN:
        return InputSource(name, None, None)
    path = find_file(name)
    suffix, compression = split_suffixes(path)
    file_format, compression = _content_type(name, path, FORMATS.get(suffix), compression)
    # Dumps are named RC_2005-12.zst, or RC_2005-12: without a suffix of a format, the content tells it.
    if file_format is None and not compression and suffix.strip(".0123456789-"):
        raise UsageError(
            f"unsupported file type: '{name}'",
            f"use a {', '.join(FORMATS)} file, optionally compressed ({', '.join(COMPRESSIONS)})",
        )
    # File names are bytes: what is not UTF-8 in them cannot be stored in a report or a header.
    return InputSource(os.fsencode(name).decode("utf-8", "replace"), path, file_format, compression)


def resolve_sources(names: Iterable[str | InputSource]) -> tuple[InputSource, ...]:
    """Return the sources that the user named, and those that are resolved already.

    Raises:
        UsageError: as `resolve_source`; or standard input is named twice.
    """
    sources = tuple(name if isinstance(name, InputSource) else resolve_source(name) for name in names)
    if sum(source.path is None for source in sources) > 1:
        raise UsageError(f"standard input ('{STDIN}') is named twice", "name it once")
    return sources


def find_file(name: str) -> Path:
    """Return the path of a file, which may be a pipe.

    Raises:
        UsageError: there is no such file, or it is a directory.
    """
    path = Path(name)
    try:
        exists, is_directory = path.exists(), path.is_dir()
    except (OSError, ValueError):  # an invalid file name
        exists, is_directory = False, False
    if not exists:
        raise UsageError(f"no such file: '{name}'", "check the name and the directory")
    if is_directory:
        raise UsageError(f"'{name}' is a directory", "name the files in it")
    return path


def _content_type(name: str, path: Path, file_format: str | None, compression: str) -> tuple[str | None, str]:
    """Return the format and the compression of a file by its content, or those given, of its suffixes.

    Raises:
        UsageError: the file is something else.
    """
    head = _read_head(path)
    found = compression_of(head) if head else None
    if found is not None:
        compression = found
        head = _decompressed_head(path, compression) if compression else head
    if head.startswith(PARQUET_MAGIC):
        return "parquet", compression if found else ""
    refuse_other(name, head)
    with suppress(UsageError):  # the user may name the encoding
        head = b"".join(TextDecoder(name).decode([head]))
    refuse_other(name, head)
    return content_format(head, file_format), compression


def _read_head(path: Path) -> bytes:
    """Return the first bytes of a regular file, b"" for a pipe or a file that cannot be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as raw:
            return raw.read(HEAD_BYTES)
    except OSError:
        return b""


def _decompressed_head(path: Path, compression: str) -> bytes:
    try:
        with path.open("rb") as raw:
            return next(_decompress(raw, compression, HEAD_BYTES), b"")
    except (*_DECOMPRESSION_ERRORS, OSError):
        return b""


def split_suffixes(path: Path) -> tuple[str, str]:
    """Return the suffix of a file's format, and that of its compression or "", in lower case.

    >>> split_suffixes(Path("a.csv.GZ")), split_suffixes(Path("a.csv")), split_suffixes(Path("RC_2005-12.zst"))
    (('.csv', '.gz'), ('.csv', ''), ('', '.zst'))
    """
    suffix = path.suffix.lower()
    return (Path(path.stem).suffix.lower(), suffix) if suffix in COMPRESSIONS else (suffix, "")


def read_bytes(
    source: InputSource,
    on_bytes: ByteProgress | None = None,
    size: int = SLICE_BYTES,
    decoder: TextDecoder | None = None,
) -> Iterator[bytes]:
    """Yield slices of about `size` bytes of the text of `source` in UTF-8, decompressed, without a byte-order mark.

    Lines that end with a lone carriage return, as Excel for Mac writes them, end with a newline here.
    `decoder` decides its encoding; by default as `TextDecoder` does for a source about which the user said nothing.

    Raises:
        UsageError: the source cannot be opened, is not compressed as its suffix says, or is not text.
        GruError: the disk failed, or the compressed data are corrupt from the start.
        CorruptDataError: the compressed data are corrupt from here on.
    """
    decoder = decoder or TextDecoder(source.display_name)
    first, has_mac_lines = True, False
    try:
        for chunk in decoder.decode(_decompressed_chunks(source, on_bytes, size)):
            if first:
                _refuse_binary(source, chunk)
                first, has_mac_lines = False, b"\r" in chunk and b"\n" not in chunk
            yield chunk.replace(b"\r", b"\n") if has_mac_lines and b"\n" not in chunk else chunk
    except (*_DECOMPRESSION_ERRORS, OSError) as error:
        raise (corrupt_error(source.display_name) if first else CorruptDataError()) from error


def corrupt_error(name: str, rows: int = 0) -> GruError:
    """Return the error for a corrupt file of which only the first `rows` are readable."""
    location = f"unreadable after row {rows:,}" if rows else "nothing in it is readable"
    return GruError(f"'{name}' is corrupt: {location}", "fetch or copy the file again")


def read_raw(source: InputSource, on_bytes: ByteProgress | None = None, size: int = SLICE_BYTES) -> Iterator[bytes]:
    """Yield slices of the bytes of `source` as stored or received, without decompressing.

    Raises:
        UsageError: the source cannot be opened.
        GruError: the disk failed.
    """
    with _open_source(source, on_bytes) as raw, _wrap_oserror(source):
        while chunk := raw.read(size):
            yield chunk
            if on_bytes is not None:
                on_bytes(len(chunk))


def _decompressed_chunks(source: InputSource, on_bytes: ByteProgress | None, size: int) -> Iterator[bytes]:
    with _open_source(source, on_bytes) as raw, _wrap_oserror(source):
        head = _peek(raw, HEAD_BYTES)
        compression = source.compression or compression_of(head) or ""
        if not compression:
            refuse_other(source.display_name, head)
            chunks = iter(lambda: raw.read(size), b"")
        elif not head:
            return
        else:
            _check_compressed(source, compression, head)
            chunks = _decompress(raw, compression, size)
        reported = total = 0
        for chunk in chunks:
            if compression and not total:
                refuse_other(source.display_name, chunk)
            total += len(chunk)
            position = raw.tell() if compression and raw.seekable() else total
            if total > max(_EXPANSION_BYTES, position * _MAX_EXPANSION):
                raise UsageError(
                    f"'{source.display_name}' expands to over {_MAX_EXPANSION:,} times its size: it is hardly a text",
                    "check where it comes from",
                )
            yield chunk
            if on_bytes is not None:
                on_bytes(position - reported)
                reported = position


def _peek(raw: BinaryIO, size: int) -> bytes:
    """Return the next bytes without reading them; of a pipe at least one, and those that are there."""
    if isinstance(raw, io.BufferedReader) and not raw.seekable():
        return raw.peek(size)[:size]
    head = raw.read(size)
    raw.seek(-len(head), io.SEEK_CUR)
    return head


def _check_compressed(source: InputSource, compression: str, head: bytes) -> None:
    """Check the first bytes of compressed data, which may be cut.

    Raises:
        UsageError: they are not those of the format that the suffix names.
    """
    if not any(magic.startswith(head[: len(magic)]) for magic in COMPRESSION_MAGIC[compression]):
        refuse_other(source.display_name, head)
        raise UsageError(
            f"cannot decompress '{source.display_name}': not a {compression} file", "rename it to match its format"
        )


def _open_source(source: InputSource, on_bytes: ByteProgress | None = None) -> AbstractContextManager[BinaryIO]:
    if source.path is None:
        if sys.stdin is None:  # closed by the shell, as in <&-
            raise UsageError("standard input ('-') is closed", "pipe a file into it, or name one")
        return nullcontext(_open_stdin(sys.stdin.buffer, on_bytes))
    try:
        if on_bytes is not None and sys.platform == "linux" and source.path.is_fifo():
            # Opening it otherwise waits until another process writes, and cannot be stopped in a thread.
            fifo = _PolledPipe(os.open(source.path, os.O_RDONLY | os.O_NONBLOCK), on_bytes, is_owner=True)
            return cast(BinaryIO, io.BufferedReader(fifo))
        return source.path.open("rb")
    except OSError as error:
        raise UsageError(
            f"cannot open '{source.display_name}': {error.strerror}", "check its permissions, or name another file"
        ) from error


def _open_stdin(stdin: BinaryIO, on_bytes: ByteProgress | None) -> BinaryIO:
    try:
        is_file = stat.S_ISREG(os.fstat(stdin.fileno()).st_mode)
    except OSError:  # it is replaced by something in memory
        is_file = True
    if is_file or on_bytes is None or sys.platform == "win32":  # there only sockets can be polled
        return stdin
    return cast(BinaryIO, io.BufferedReader(_PolledPipe(stdin.fileno(), on_bytes)))


class _PolledPipe(io.RawIOBase):
    """A pipe or terminal that reports no bytes several times per second while it is silent.

    A report can raise: a thread that only waited for bytes could not be stopped.
    """

    def __init__(self, fd: int, on_bytes: ByteProgress, *, is_owner: bool = False) -> None:
        self._fd, self._on_bytes, self._is_owner = fd, on_bytes, is_owner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not select.select([self._fd], [], [], _POLL_SECONDS)[0]:
            self._on_bytes(0)
        data = os.read(self._fd, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if self._is_owner and not self.closed:
            os.close(self._fd)
        super().close()


@contextmanager
def _wrap_oserror(source: InputSource) -> Iterator[None]:
    """Convert an `OSError` of the disk; without an errno it is gzip or bz2 reporting corrupt data."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise GruError(f"cannot read '{source.display_name}': {error.strerror}", "check the disk it is on") from error


def _decompress(raw: BinaryIO, compression: str, size: int) -> Iterator[bytes]:
    if compression == ".zst":
        return _decompress_zstd(raw, size)
    openers: dict[str, Callable[[BinaryIO], gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]] = {
        ".gz": lambda raw: gzip.GzipFile(fileobj=raw),
        ".bz2": bz2.BZ2File,
        ".xz": lzma.LZMAFile,
    }
    stream = openers[compression](raw)
    return iter(lambda: stream.read1(size), b"")


def _decompress_zstd(raw: BinaryIO, size: int) -> Iterator[bytes]:
    """Decompress zstd in larger steps than `ZstdFile`: a prefetch thread waits for the GIL after each.

    The step that hits corrupt data gives nothing, so the file is then read again in small steps.
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
    # Reddit's dumps use a window of 2 GiB, over the default limit of decoders.
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
    invalid = chunk.decode("utf-8", "replace").count("\ufffd") - chunk.count("\ufffd".encode())
    has_nuls = chunk.count(0) > max(_MAX_INVALID_BYTES, len(chunk) // 100) and not _begins_with_rows(source, chunk)
    if has_nuls:
        raise UsageError(f"'{source.display_name}' is not text: it has NUL bytes", "name a text file")
    if invalid > max(_MAX_INVALID_BYTES, len(chunk) // 10):
        raise unknown_encoding_error(source.display_name, chunk)


def _begins_with_rows(source: InputSource, chunk: bytes) -> bool:
    """Return True if NULs are bad rows, as a crash leaves them, by the suffix and the first line of the file."""
    first_line = chunk.partition(b"\n")[0]
    if (
        source.file_format not in _ROW_FORMATS
        or not first_line.strip()
        or first_line.translate(None, _CONTROL_BYTES) != first_line
    ):
        return False
    return "\ufffd" not in first_line.decode("utf-8", "replace")
