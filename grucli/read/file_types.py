"""What a file is that holds no rows, by its first bytes, and what to do with it; and what a wrong suffix hides.

One table of signatures. A file is named for what it is, whatever its suffix says.
"""

import codecs
import re
from typing import NamedTuple

from grucli.errors import UsageError
from grucli.read.encoding import encoding_of_head, find_mark


class FileType(NamedTuple):
    """A kind of file that cannot be read. `pattern`: of its first bytes."""

    pattern: re.Pattern[bytes]
    description: str
    hint: str


PARQUET_MAGIC = b"PAR1"

_UNPACK = "unpack it, and name the file in it"
_AS_CSV = "open it, and save the table as CSV UTF-8"
_AS_JSON_LINES = "convert it to .csv, .jsonl or .parquet with the program that made it"
_AS_TEXT = "save its text as a .txt in UTF-8"
_OWN_FILE = "name a file with text"
_DOWNLOAD = "download the file itself: the link may need a login, or lead to a page about it"


def _starts(*prefixes: bytes, offset: int = 0) -> re.Pattern[bytes]:
    return re.compile(b"(?s)" + b"." * offset + b"(?:%s)" % b"|".join(map(re.escape, prefixes)))


_XML_START = rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*"

_FILE_TYPES = (
    FileType(_starts(b"version https://git-lfs.github.com/spec/"), "a Git LFS pointer", "fetch the file: git lfs pull"),
    FileType(_starts(b"/annex/objects/"), "a git-annex pointer", "fetch the file: git annex get FILE"),
    FileType(
        re.compile(rb"(?is)" + _XML_START + rb"(?:<!doctype html|<(?:html|head|body|meta|script)\b)"),
        "a web page",
        _DOWNLOAD,
    ),
    FileType(
        re.compile(rb"(?s)" + _XML_START + rb"<Error>|\s*(?i:error:? *)?[45]\d\d:? [A-Za-z ]{5,40}[.!]?\s*\Z"),
        "an error message of a server",
        _DOWNLOAD,
    ),
    FileType(
        re.compile(
            rb"(?i)-- (?:mysql|mariadb|postgresql|phpmyadmin|dump)|(?:pragma|create table|insert into|drop table) "
        ),
        "an SQL dump",
        "load it, and export the table as CSV",
    ),
    FileType(re.compile(rb"(?s)\s*<\?xml\b"), "an XML file", _AS_JSON_LINES),
    FileType(
        re.compile(rb"d\d+:(?:announce|created by|comment|creation date|info)"), "a torrent", "download its files"
    ),
    FileType(re.compile(rb"(?s)PK\x03\x04(?=.{0,4096}\bxl/)"), "an Excel workbook", _AS_CSV),
    FileType(re.compile(rb"(?s)PK\x03\x04.{26}mimetypeapplication/vnd\.oasis"), "an OpenDocument file", _AS_CSV),
    FileType(re.compile(rb"(?s)PK\x03\x04.{26}(?:\[Content_Types\]|_rels/|docProps)"), "an Office document", _AS_CSV),
    FileType(
        re.compile(rb"(?s)PK\x03\x04(?=.{0,512}(?:data\.pkl|\.npy))"), "a file of PyTorch or NumPy", _AS_JSON_LINES
    ),
    FileType(_starts(b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"), "a ZIP archive", _UNPACK),
    FileType(_starts(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an old Office document, such as .xls", _AS_CSV),
    FileType(_starts(b"7z\xbc\xaf\x27\x1c"), "a 7z archive", _UNPACK),
    FileType(_starts(b"Rar!\x1a\x07"), "a RAR archive", _UNPACK),
    FileType(_starts(b"ustar", offset=257), "a tar archive", _UNPACK),
    FileType(
        _starts(b"\x04\x22\x4d\x18", b"\xff\x06\x00\x00sNaPpY", b"LZIP\x01", b"\x1f\x9d"),
        "compressed in a way that is not supported",
        _UNPACK,
    ),
    FileType(_starts(b"%PDF-"), "a PDF", _AS_TEXT),
    FileType(_starts(rb"{\rtf"), "a Rich Text document", _AS_TEXT),
    FileType(
        _starts(b"SQLite format 3\0"), "an SQLite database", "export the table: sqlite3 -csv -header FILE 'SELECT …'"
    ),
    FileType(_starts(b"DUCK", offset=8), "a DuckDB database", _AS_JSON_LINES),
    FileType(_starts(PARQUET_MAGIC), "a Parquet file", "name it .parquet, not compressed"),
    FileType(_starts(b"ARROW1", b"FEA1", b"\xff\xff\xff\xff\x10\0\0\0"), "an Arrow or Feather file", _AS_JSON_LINES),
    FileType(_starts(b"ORC\x08", b"ORC\x0a", b"Obj\x01"), "an ORC or Avro file", _AS_JSON_LINES),
    FileType(_starts(b"\x89HDF\r\n\x1a\n"), "an HDF5 file", _AS_JSON_LINES),
    FileType(_starts(b"\x93NUMPY"), "a NumPy array", _AS_JSON_LINES),
    FileType(re.compile(rb"\x80[\x02-\x05][\x00-\x1f}\]\x95cX(]"), "a Python pickle", _AS_JSON_LINES),
    FileType(
        _starts(b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n", b"X\n\0\0\0"), "an R data file", "save it with write.csv"
    ),
    FileType(_starts(b"MATLAB 5.0 MAT", b"$FL2@(#)", b"<stata_dta>"), "a file of a statistics program", _AS_JSON_LINES),
    FileType(
        _starts(b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"8BPS\0"),
        "an image",
        _OWN_FILE,
    ),
    FileType(re.compile(rb"(?s)RIFF.{4}WEBP"), "an image", _OWN_FILE),
    FileType(
        re.compile(rb"(?s)RIFF.{4}(?:WAVE|AVI )|\0\0\0.ftyp|ID3[\x02-\x04]\0|OggS\0|fLaC\0|\x1aE\xdf\xa3"),
        "media",
        _OWN_FILE,
    ),
    FileType(_starts(b"\x7fELF", b"MZ\x90\0", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"), "a program", _OWN_FILE),
    FileType(re.compile(rb'(?s)GGUF|.{3}\0{5}\{"'), "a model", _OWN_FILE),
    FileType(
        _starts(b"\0\x05\x16\x07", b"\0\0\0\x01Bud1", b"bplist0", b"L\0\0\0\x01\x14\x02"),
        "a file of the operating system",
        _OWN_FILE,
    ),
    FileType(re.compile(rb"(?:\[InternetShortcut\]|\[Desktop Entry\])\s"), "a shortcut", "name the file it leads to"),
    FileType(re.compile(rb"\0{512}"), "an incomplete download: it begins with zeros", "complete the download"),
)

COMPRESSION_MAGIC: dict[str, tuple[bytes, ...]] = {
    ".gz": (b"\x1f\x8b",),
    ".bz2": tuple(b"BZh%d%s" % (level, block) for level in range(1, 10) for block in (b"1AY&SY", b"\x17rE8P\x90")),
    ".xz": (b"\xfd7zXZ\0", b"\x5d\0\0"),
    ".zst": (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + kind]) + b"\x2a\x4d\x18" for kind in range(16))),
}
"""The first bytes of compressed data."""

_JSON_START = re.compile(rb'\s*(?:\[\s*)?\{\s*"(?:[^"\\\n]|\\.)*"\s*:')
_REDDIT_NAMES = {b"body", b"id", b"author", b"score", b"created_utc", b"subreddit", b"link_id", b"parent_id"}
_CONTROLS = bytes({*range(32), 127} - {*b"\t\n\f\r\x1b"})


def refuse_other(name: str, head: bytes) -> None:
    """Check the first bytes of a source, without compression.

    Raises:
        UsageError: it is a file of a known kind that holds no rows, named in the error.
    """
    for file_type in _FILE_TYPES:
        if file_type.pattern.match(head):
            raise UsageError(f"'{name}' is {file_type.description}", file_type.hint)


def compression_of(head: bytes) -> str | None:
    r"""Return the compression of a file by its first bytes: "" for none, None if that is not certain.

    >>> compression_of(b"\x1f\x8b\x08\0"), compression_of(b"id,body"), compression_of(bytes(4))
    ('.gz', '', None)
    """
    for suffix, magics in COMPRESSION_MAGIC.items():
        if head.startswith(magics):
            return suffix
        if any(magic.startswith(head) for magic in magics):
            return None
    if find_mark(head)[0] or encoding_of_head(head):
        return ""
    try:
        codecs.utf_8_decode(head, "strict", False)
    except UnicodeDecodeError:
        return None
    return "" if head.translate(None, _CONTROLS) == head else None


def content_format(head: bytes, file_format: str | None) -> str | None:
    """Return the format of a file whose suffix says `file_format`, by its first bytes in UTF-8.

    JSON in a table or a text is known by its first line, and a table in a text by Reddit's names.
    """
    if file_format in ("csv", "tsv", "txt") and _JSON_START.match(head):
        return "json"
    names = {name.strip(b'" \r') for name in re.split(rb"[,;\t|]", head.partition(b"\n")[0])}
    return "csv" if file_format == "txt" and len(names & _REDDIT_NAMES) > 2 and b"body" in names else file_format
