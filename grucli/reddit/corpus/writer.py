"""The corpus that comes out: comments as rows of a `.csv` or `.jsonl`, or as the text of a `.txt`; compressed or not.

What is written here is what `text` reads. Encoding a row knows nothing of files, so that other processes can do it;
the file is the old one or the new one, whatever happens while it is written.
"""

import bz2
import csv
import gzip
import lzma
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self, cast

import msgspec

from grucli.errors import UsageError
from grucli.files import atomic_writer
from grucli.read.sources import COMPRESSIONS, FORMATS
from grucli.reddit.comments import Comment

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COLUMNS = ("id", "author", "subreddit", "score", "created_utc", "body")
"""The columns of a corpus of comments: fields of a `Comment`, the author as a keyed hash."""

CONVERSATION_COLUMNS = ("thread", "turn", *COLUMNS)
"""The columns of a corpus of conversations, whose rows of one `thread` stand together."""

OUTPUT_FORMATS = ("csv", "jsonl", "txt")
_BUFFER_BYTES = 1 << 18
_json = msgspec.json.Encoder()
_CRLF, _LF = "\r\n", "\n"

RowEncoder = Callable[[msgspec.Struct], bytes]
"""Gives the bytes of one row, with the line end that closes it."""


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """A corpus to write. `form`: "csv", "jsonl", "txt" or "tsv"; `compression`: ".gz", ".bz2", ".xz", ".zst" or ""."""

    path: Path
    file_format: str
    compression: str


def parse_output(name: str | Path, *, conversations: bool = False) -> OutputSpec:
    """What is to be written under a name; its suffixes tell form and compression.

    Raises:
        UsageError: a suffix that names no form that is written, or a `.txt`, which cannot hold `conversations`.
    """
    path = Path(name)
    suffix = path.suffix.lower()
    compression = suffix if suffix in COMPRESSIONS else ""
    file_format = FORMATS.get(Path(path.stem).suffix.lower() if compression else suffix)
    if file_format not in OUTPUT_FORMATS:
        formats = ", ".join(f".{form}" for form in OUTPUT_FORMATS)
        raise UsageError(
            f"'{name}' has no suffix of a corpus that can be written",
            f"end its name in {formats}, compressed or not ({', '.join(COMPRESSIONS)})",
        )
    if conversations and file_format == "txt":
        raise UsageError(f"'{name}' cannot hold conversations: a .txt is one running text", "write a .csv or a .jsonl")
    return OutputSpec(path, file_format, compression)


def make_row_encoder(file_format: str, columns: Sequence[str] = COLUMNS) -> RowEncoder:
    r"""What turns a comment into a row of a corpus of this form: a pure function.

    In a `.csv` a missing value is empty. A `.txt` is read as one running text, in which nothing but the text itself can
    say where a comment ends: it has the bodies alone, an empty line behind each. What no file in UTF-8 can hold (half
    of a surrogate pair) becomes a question mark.

    >>> make_row_encoder("csv", ("id", "score", "body"))(Comment("Well, yes.", "c1"))
    b'c1,,"Well, yes."\n'
    >>> make_row_encoder("jsonl", ("id", "score", "body"))(Comment("Well, yes.", "c1", score=3))
    b'{"id":"c1","score":3,"body":"Well, yes."}\n'
    >>> make_row_encoder("txt")(Comment("Well, yes.", "c1"))
    b'Well, yes.\n\n'
    """
    if file_format == "txt":
        return _encode_text
    values = attrgetter(*columns) if len(columns) > 1 else _single_getter(columns[0])
    if file_format == "csv":
        return lambda row: csv_line(values(row))
    encode, names = json_line, tuple(columns)
    return lambda row: encode(dict(zip(names, values(row), strict=True)))


def make_batch_encoder(file_format: str) -> Callable[[Sequence[Comment]], list[bytes]]:
    r"""What gives for many comments, of sound fields, what `row_encoder` gives for each, in less time.

    >>> make_batch_encoder("csv")([Comment("Well.", "c1", "", "pics", 3, 0), Comment("Well, yes.", "c2")])
    [b'c1,,pics,3,0,Well.\n', b'c2,,,,,"Well, yes."\n']
    """
    encode = make_row_encoder(file_format)
    if file_format != "csv":
        return lambda rows: list(map(encode, rows))

    def encode_all(rows: Sequence[Comment]) -> list[bytes]:
        heads = [f"{row.id},{row.author},{row.subreddit},{row.score},{row.created_utc}," for row in rows]
        if not _need_no_quoting("".join(heads), len(heads) * (len(COLUMNS) - 1)):
            return list(map(encode, rows))
        texts = [row.body or "" for row in rows]
        return [
            (f"{head}{_quote(text)}\n" if _needs_quoting(text) else f"{head}{text}\n").encode("utf-8", "replace")
            for head, text in zip(heads, texts, strict=True)
        ]

    return encode_all


def _need_no_quoting(heads: str, commas: int) -> bool:
    """Whether no field in the heads of some rows needs quotes, nor is missing, so that they have `commas` commas."""
    return heads.isprintable() and '"' not in heads and heads.count(",") == commas and "None" not in heads


def _needs_quoting(text: str) -> bool:
    return "," in text or '"' in text or "\n" in text or "\r" in text


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


class _LineCapture:
    """A file that hands back what is written to it: `csv.writer` returns what its file returns."""

    def write(self, text: str) -> str:
        return text


_csv = csv.writer(_LineCapture(), lineterminator=_CRLF)
"""Every Python quotes a field for the characters of its line terminator, and not every one for a lone \\r besides."""


def csv_line(values: Sequence[object]) -> bytes:
    r"""One record of a CSV file, its end a plain `\n`.

    >>> csv_line(["c1", None, 'a "b"\r'])
    b'c1,,"a ""b""\r"\n'
    """
    # The writer looks at every character by itself: it is left the rows in which anything but the last field is odd.
    names, text = values[:-1], values[-1] if values else None
    head = ",".join(map(str, names) if None not in names else ["" if name is None else str(name) for name in names])
    if type(text) is str and '"' not in head and head.count(",") == len(names) - 1 and head.isprintable():
        return f"{head},{_quote(text) if _needs_quoting(text) else text}\n".encode("utf-8", "replace")
    text = cast(str, _csv.writerow(values))
    return (text[: -len(_CRLF)] + _LF).encode("utf-8", "replace")


def _tsv_line(values: Sequence[object]) -> bytes:
    return ("\t".join(map(str, values)) + _LF).encode("utf-8", "replace")


def make_record_encoder(file_format: str) -> Callable[[dict[str, object]], bytes]:
    r"""What turns a record's fields into its line, for rows that were read from a file of this form.

    >>> make_record_encoder("csv")({"id": "c1", "body": "a, b"}), make_record_encoder("tsv")({"id": "c1", "body": "a, b"})
    (b'c1,"a, b"\n', b'c1\ta, b\n')
    """
    if file_format == "jsonl":
        return json_line
    encode_line = _TABLE_ENCODERS[file_format]
    return lambda fields: encode_line(list(fields.values()))


_TABLE_ENCODERS: dict[str, Callable[[Sequence[object]], bytes]] = {"csv": csv_line, "tsv": _tsv_line}
"""The forms whose first line names the columns. A `.tsv` quotes nothing, and so is only written as it was read."""


def json_line(fields: dict[str, object]) -> bytes:
    r"""One record of JSON lines.

    >>> json_line({"id": "c1", "body": "a\nb"})
    b'{"id":"c1","body":"a\\nb"}\n'
    """
    try:
        return _json.encode(fields) + b"\n"
    except UnicodeEncodeError:
        return _json.encode({str(_encodable(name)): _encodable(value) for name, value in fields.items()}) + b"\n"


def _encodable(value: object) -> object:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _encode_text(row: msgspec.Struct) -> bytes:
    body = cast(str, row.body)  # type: ignore[attr-defined]
    return body.encode("utf-8", "replace") + b"\n\n"


def _single_getter(column: str) -> Callable[[object], tuple[object]]:
    get = attrgetter(column)
    return lambda row: (get(row),)


class _Stream(Protocol):
    def write(self, data: bytes, /) -> object: ...
    def close(self) -> None: ...


class CorpusWriter:
    """Writes a corpus: `with CorpusWriter(output(name)) as corpus: corpus.write(row)`.

    The file takes its name when the block ends well; otherwise nothing is left, and a file that was there stays. The
    same rows give the same bytes, compressed or not.

    Raises:
        UsageError: the path is a folder.
        OSError: the file system refused, the disk is full; it names the file.
    """

    def __init__(self, output: OutputSpec, columns: Sequence[str] = COLUMNS) -> None:
        """Prepare to write rows of these columns; nothing happens to the disk yet."""
        self.output = output
        self._columns = columns
        self._stack = ExitStack()
        self._stream: _Stream | None = None
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._stream = _open_compressed(
                stack.enter_context(atomic_writer(self.output.path)), self.output.compression
            )
            stack.push(self._finish)
            if self.output.file_format in _TABLE_ENCODERS:
                self.write(_TABLE_ENCODERS[self.output.file_format](self._columns))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._stack.__exit__(exc_type, exc, tb)

    def write(self, rows: bytes) -> None:
        """Append whole rows, as an encoder gave them."""
        self._buffer += rows
        if len(self._buffer) >= _BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        assert self._stream is not None
        self._stream.write(bytes(self._buffer))
        self._buffer.clear()

    def _finish(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Finish the stream; of one that is given up nothing matters any more."""
        assert self._stream is not None
        if exc_type is None:
            self._flush()
            self._stream.close()
        else:
            with suppress(OSError, ValueError):
                self._stream.close()


class _UncompressedFile:
    """A file that is written as it is, and closed by whoever opened it."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write

    def close(self) -> None:
        pass


def _open_compressed(file: BinaryIO, compression: str) -> _Stream:
    if compression == ".gz":
        return cast(_Stream, gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0))
    if compression == ".bz2":
        return bz2.BZ2File(file, "wb")
    if compression == ".xz":
        return lzma.LZMAFile(file, "wb", check=lzma.CHECK_CRC64)
    if compression == ".zst":
        return cast(_Stream, zstd.ZstdFile(file, "wb", options={zstd.CompressionParameter.checksum_flag: 1}))
    return _UncompressedFile(file)
