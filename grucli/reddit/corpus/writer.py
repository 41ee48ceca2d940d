"""Corpus files: comments as rows of a `.csv` or `.jsonl`, or as the text of a `.txt`; optionally compressed.

`read` reads what is written here. Rows are encoded by functions that know no files, for use in worker processes.
"""

import bz2
import csv
import gzip
import lzma
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from grucli.errors import UsageError
from grucli.files import atomic_writer
from grucli.read.sources import COMPRESSIONS, FORMATS, split_suffixes
from grucli.read.zstd import zstd

COLUMNS = ("id", "author", "subreddit", "score", "created_utc", "body")
"""The columns of a corpus of comments: fields of a `Comment`, the author as a keyed hash."""

CONVERSATION_COLUMNS = ("thread", "turn", *COLUMNS)
"""The columns of a corpus of conversations, in which the rows of a `thread` are consecutive."""

OUTPUT_FORMATS = ("csv", "jsonl", "txt")
_BUFFER_BYTES = 1 << 18
_CRLF, _LF = "\r\n", "\n"

BatchEncoder = Callable[[Sequence[msgspec.Struct]], list[bytes]]
"""Encodes rows, each with its line end."""


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """A corpus to write: `file_format` "csv", "jsonl" or "txt"; `compression` one of `COMPRESSIONS`, or ""."""

    path: Path
    file_format: str
    compression: str


def parse_output(name: str | Path, *, conversations: bool = False) -> OutputSpec:
    """Derive the format and the compression of an output from the suffixes of its name.

    Raises:
        UsageError: the suffix is not one of `OUTPUT_FORMATS`, or is `.txt`, which cannot hold `conversations`.
    """
    path = Path(name)
    suffix, compression = split_suffixes(path)
    file_format = FORMATS.get(suffix)
    if file_format not in OUTPUT_FORMATS:
        formats = ", ".join(f".{one}" for one in OUTPUT_FORMATS)
        raise UsageError(
            f"unsupported output suffix: '{name}'", f"use {formats}, compressed or not ({', '.join(COMPRESSIONS)})"
        )
    if conversations and file_format == "txt":
        raise UsageError(f"a .txt cannot hold conversations: '{name}'", "use a .csv or a .jsonl")
    return OutputSpec(path, file_format, compression)


def make_batch_encoder(file_format: str, columns: Sequence[str] = COLUMNS) -> BatchEncoder:
    r"""Return a function that encodes rows for a format of `OUTPUT_FORMATS`. The last of two or more columns is text.

    A missing value is empty in a `.csv`. A `.txt` contains only the texts, each followed by an empty line.

    >>> from grucli.reddit.comments import Comment
    >>> rows = [Comment("Well.", "c1", score=0), Comment("Well, yes.", "c2")]
    >>> make_batch_encoder("csv", ("id", "score", "body"))(rows)
    [b'c1,0,Well.\n', b'c2,,"Well, yes."\n']
    >>> make_batch_encoder("jsonl", ("id", "body"))(rows)
    [b'{"id":"c1","body":"Well."}\n', b'{"id":"c2","body":"Well, yes."}\n']
    >>> make_batch_encoder("txt")(rows)
    [b'Well.\n\n', b'Well, yes.\n\n']
    """
    if file_format == "txt":
        return lambda rows: [f"{cast(str, text)}\n\n".encode() for text in map(attrgetter("body"), rows)]
    values = attrgetter(*columns)
    if file_format == "jsonl":
        return lambda rows: [json_line(dict(zip(columns, values(row), strict=True))) for row in rows]
    num_heads = len(columns) - 1
    head_values, head_template, text_of = attrgetter(*columns[:-1]), "%s," * num_heads, attrgetter(columns[-1])

    def encode_csv(rows: Sequence[msgspec.Struct]) -> list[bytes]:
        # csv.writer looks at every character by itself: it encodes only batches with an unusual field besides the text.
        heads = [head_template % head_values(row) for row in rows]
        if not _need_no_quoting("".join(heads), len(heads) * num_heads):
            return [csv_line(values(row)) for row in rows]
        texts = [text or "" for text in map(text_of, rows)]
        return [
            (f"{head}{_quote(text)}\n" if _needs_quoting(text) else f"{head}{text}\n").encode()
            for head, text in zip(heads, texts, strict=True)
        ]

    return encode_csv


def _need_no_quoting(heads: str, commas: int) -> bool:
    """Return True if no field of these concatenated heads needs quotes or is missing; they have `commas` fields."""
    return heads.isprintable() and '"' not in heads and heads.count(",") == commas and "None" not in heads


def _needs_quoting(text: str) -> bool:
    return "," in text or '"' in text or "\n" in text or "\r" in text


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


class _ReturnText:
    """A file for `csv.writer`, whose `writerow` returns what `write` returns."""

    def write(self, text: str) -> str:
        return text


_json = msgspec.json.Encoder()


def json_line(fields: dict[str, object]) -> bytes:
    r"""Encode a record of JSON lines.

    >>> json_line({"id": "c1", "body": "a\nb"})
    b'{"id":"c1","body":"a\\nb"}\n'
    """
    return _json.encode(fields) + b"\n"


def make_table_encoder(delimiter: str, *, quoted: bool = True) -> Callable[[Sequence[object]], bytes]:
    r"""Return a function that encodes a record of a table; without quotes it can hold only what was read from one.

    >>> make_table_encoder(";")(["c1", "a, b; c"]), make_table_encoder("\t", quoted=False)(["c1", 'a "b"'])
    (b'c1;"a, b; c"\n', b'c1\ta "b"\n')
    """
    if not quoted:
        return lambda values: (delimiter.join(map(str, values)) + _LF).encode()
    # With "\n" alone, only some Python versions quote a field for a lone "\r".
    writer = csv.writer(_ReturnText(), delimiter=delimiter, lineterminator=_CRLF)
    return lambda values: (cast(str, writer.writerow(values))[: -len(_CRLF)] + _LF).encode()


csv_line = make_table_encoder(",")
"""Encodes a record of a CSV file."""


class CorpusWriter:
    """Writes encoded rows to a stream through a buffer; see `open_corpus`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._buffer = bytearray()

    def write(self, rows: bytes) -> None:
        """Append encoded rows."""
        self._buffer += rows
        if len(self._buffer) >= _BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Pass the buffered rows on to the stream."""
        self._stream.write(bytes(self._buffer))
        self._buffer.clear()


@contextmanager
def open_corpus(output: OutputSpec, columns: Sequence[str] = COLUMNS, mode: int = 0o666) -> Iterator[CorpusWriter]:
    """Write a corpus: `with open_corpus(parse_output(name)) as corpus: corpus.write(rows)`.

    The file is replaced atomically at the end of the block; after an exception it is unchanged. A new file gets `mode`,
    less the umask. The same rows give the same bytes, compressed or not.

    Raises:
        UsageError: the path is a directory.
        OSError: the file system failed; it names the file.
    """
    with atomic_writer(output.path, mode=mode) as file:
        stream = _open_compressed(file, output.compression)
        writer = CorpusWriter(stream)
        try:
            if output.file_format == "csv":
                writer.write(csv_line(columns))
            yield writer
            writer.flush()
        except BaseException:
            with suppress(OSError, ValueError):  # the file is discarded
                stream.close()
            raise
        if stream is not file:
            stream.close()


def _open_compressed(file: BinaryIO, compression: str) -> BinaryIO:
    if compression == ".gz":
        return cast(BinaryIO, gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0))
    if compression == ".bz2":
        return cast(BinaryIO, bz2.BZ2File(file, "wb"))
    if compression == ".xz":
        return cast(BinaryIO, lzma.LZMAFile(file, "wb", check=lzma.CHECK_CRC64))
    if compression == ".zst":
        return cast(BinaryIO, zstd.ZstdFile(file, "wb", options={zstd.CompressionParameter.checksum_flag: 1}))
    return file
