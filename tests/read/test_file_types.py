import bz2
import gzip
import io
import lzma
import pickle
import sqlite3
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from grucli.errors import UsageError
from grucli.read.blocks import RowReport
from grucli.read.rows import read_rows, read_running_text
from grucli.read.schema import ReadOptions
from grucli.read.sources import InputSource, read_bytes, resolve_source
from grucli.read.zstd import zstd

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
TABLE = b"id,author,score,body\nc1,kettle,3,the cat rode home\n"
JSON = b'{"body":"the cat rode home","id":"c1"}\n'


def archive(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, "application/vnd.oasis.opendocument.spreadsheet" if name == "mimetype" else "x")
    return buffer.getvalue()


def database(tmp_path: Path) -> bytes:
    with sqlite3.connect(tmp_path / "database") as connection:
        connection.execute("create table comments(body)")
    connection.close()
    return (tmp_path / "database").read_bytes()


OTHER: dict[str, tuple[bytes, str]] = {
    "a Git LFS pointer": (POINTER, "git lfs pull"),
    "a git-annex pointer": (b"/annex/objects/MD5E-s5--0123.csv\n", "git annex get"),
    "an Excel workbook": (archive("[Content_Types].xml", "xl/workbook.xml"), "CSV"),
    "an OpenDocument file": (archive("mimetype", "content.xml"), "CSV"),
    "an Office document": (archive("[Content_Types].xml", "word/document.xml"), "CSV"),
    "an old Office document": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "CSV"),
    "a ZIP archive": (archive("comments.csv"), "unpack"),
    "a tar archive": (b"comments.csv".ljust(257, b"\0") + b"ustar\x0000" + bytes(300), "unpack"),
    "a web page": (b"\n<!-- saved -->\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>", "login"),
    "an XML file": (b'<?xml version="1.0"?>\n<comments><row Text="x"/></comments>', "convert"),
    "an error message of a server": (b"404: Not Found", "download"),
    "an SQL dump": (b"-- MySQL dump 10.13\n--\n", "export"),
    "a model": (b"\x80\x01\0\0\0\0\0\0" + b'{"__metadata__":{}}', "text"),
    "a torrent": (b"d8:announce35:udp://tracker", "download"),
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "text"),
    "a Python pickle": (pickle.dumps([{"body": "x"}]), "convert"),
    "a NumPy array": (b"\x93NUMPY\x01\0v\0{'descr': '<f4'}", "convert"),
    "an HDF5 file": (b"\x89HDF\r\n\x1a\n" + bytes(50), "convert"),
    "an Arrow or Feather file": (b"ARROW1\0\0" + bytes(50), "convert"),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(200), "text"),
    "a file of the operating system": (b"\0\x05\x16\x07\0\x02\0\0Mac OS X", "text"),
    "an incomplete download": (bytes(5000), "download"),
}


@pytest.fixture
def write_file(tmp_path: Path) -> Callable[[str, bytes], str]:
    def writing(name: str, content: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return writing


WriteFile = Callable[[str, bytes], str]


def read(source: str | InputSource) -> list[str]:
    return [row.body for row in read_rows(source, ReadOptions(), RowReport())]


@pytest.mark.parametrize("kind", OTHER)
@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.jsonl.gz", "a.unknown"])
def test_a_file_is_named_for_what_it_is_whatever_its_suffix(write_file: WriteFile, name: str, kind: str) -> None:
    content, next_step = OTHER[kind]
    with pytest.raises(UsageError) as caught:
        resolve_source(write_file(name, content))

    assert f"{name}' is {kind}" in caught.value.message
    assert next_step in caught.value.hint


@pytest.mark.parametrize("kind", ["a Git LFS pointer", "a web page", "an SQL dump"])
def test_a_file_that_powershell_copied_is_named_too(write_file: WriteFile, kind: str) -> None:
    with pytest.raises(UsageError, match=f"is {kind}"):
        resolve_source(write_file("a.csv", OTHER[kind][0].decode().encode("utf-16")))


def test_a_database_is_named(write_file: WriteFile, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is an SQLite database"):
        resolve_source(write_file("a.csv", database(tmp_path)))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd.compress])
def test_what_compressed_data_hold_is_named_too(write_file: WriteFile, pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(UsageError, match="is a web page"):
        resolve_source(write_file("a.jsonl.zst", pack(OTHER["a web page"][0])))


def set_stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize("kind", ["a Git LFS pointer", "a ZIP archive", "an incomplete download"])
def test_standard_input_is_named_too(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    set_stdin(monkeypatch, OTHER[kind][0])
    with pytest.raises(UsageError, match=f"'-' is {kind}"):
        read("-")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd.compress, bytes])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.csv.zst", "RC_2005-12", "RC_2005-12.bz2"])
def test_compressed_data_are_known_by_their_content(
    write_file: WriteFile, monkeypatch: pytest.MonkeyPatch, name: str, pack: Callable[[bytes], bytes]
) -> None:
    assert read(write_file(name, pack(TABLE))) == ["the cat rode home"]
    set_stdin(monkeypatch, pack(TABLE))
    assert read("-") == ["the cat rode home"]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.csv.gz", "a.txt.zst", "a"])
def test_json_is_known_under_another_suffix(write_file: WriteFile, name: str) -> None:
    for content in (
        JSON,
        b"\xef\xbb\xbf" + JSON,
        JSON.decode().strip().encode("utf-16-le"),
        b'[\n  {\n    "body": "the cat rode home"\n  }\n]',
    ):
        assert read(write_file(name, content)) == ["the cat rode home"]


def test_a_wrong_suffix_is_said(write_file: WriteFile) -> None:
    report = RowReport()
    for name, content in (("a.csv", JSON), ("b.jsonl", JSON), ("c.txt", TABLE), ("d.tsv.gz", gzip.compress(TABLE))):
        list(read_rows(write_file(name, content), ReadOptions(), report))

    assert [schema.remarks()[:1] for schema in report.schemas] == [["JSON"], [], ["a table"], ["comma-separated"]]


def test_a_table_is_known_under_the_suffix_of_a_text(write_file: WriteFile) -> None:
    assert read(write_file("a.txt", TABLE)) == ["the cat rode home"]
    assert read(write_file("b.txt", TABLE.replace(b",", b"\t"))) == ["the cat rode home"]
    assert read(write_file("c.txt", TABLE.replace(b",", b"\t").decode().encode("utf-16"))) == ["the cat rode home"]


def test_another_table_is_no_running_text(write_file: WriteFile) -> None:
    rows = "".join(f"willow;well, yes {number}\n" for number in range(9))
    with pytest.raises(UsageError, match="is a table, not running text: user, comment"):
        list(read_running_text(write_file("a.txt", f"user;comment\n{rows}".encode()), ReadOptions(), RowReport()))


@pytest.mark.parametrize(
    "text",
    [
        "body, mind, soul\nand so on",
        "{smile} he said",
        "[1] a note",
        '"id": no',
        "BZh is no archive",
        "PK\n",
        "MZ",
        "404 cats: a story",
        "-- he said",
    ],
)
def test_a_text_that_looks_like_something_else_is_read(write_file: WriteFile, text: str) -> None:
    assert "".join(read_running_text(write_file("a.txt", text.encode()), ReadOptions(), RowReport())) == text


def test_parquet_is_known_under_another_suffix(write_file: WriteFile, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"body": ["one", "two"]}), tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()

    assert read(write_file("b.csv", content)) == ["one", "two"]
    with pytest.raises(UsageError, match=r"compressed \.parquet files are not supported"):
        read(write_file("c.csv.gz", gzip.compress(content)))


def test_a_file_that_cannot_be_opened_is_told_when_it_is_read(
    write_file: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_file("a.csv", TABLE)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert resolve_source(source).file_format == "csv"
    with pytest.raises(UsageError, match="cannot open"):
        list(read_bytes(resolve_source(source)))
