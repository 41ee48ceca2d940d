import gzip
import io
import os
import sys
from pathlib import Path

import pytest

from grucli.errors import GruError, UsageError
from grucli.read.text_files import MAX_TEXT_BYTES, read_text_file

TEXT = "How was the train?\n\nLate – “again”, at the café.\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_text_is_read_as_any_editor_saves_it(tmp_path: Path, encoding: str, line_end: str) -> None:
    path = tmp_path / "scene.txt"
    path.write_bytes(TEXT.replace("\n", line_end).encode(encoding))
    assert read_text_file(str(path)) == TEXT
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert read_text_file(str(path)) == TEXT


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode("utf-16"))))
    assert read_text_file("-") == TEXT
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="is closed"):
        read_text_file("-")


def test_an_empty_file_is_an_empty_text(tmp_path: Path) -> None:
    for content in (b"", b"\xef\xbb\xbf", b"\xff\xfe"):
        (tmp_path / "empty").write_bytes(content)
        assert read_text_file(str(tmp_path / "empty")) == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x81\x8d", "is not UTF-8 text"),
        ("Лимонный запах".encode("cp1251"), "is not UTF-8 text"),
        ("Лимонный запах ".encode("cp1251") * 99, "is not UTF-8 text"),
        (b"\xff\xfea", "is not UTF-16 text"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (b"%PDF-1.7\n", "is a PDF"),
        (b"x" * (MAX_TEXT_BYTES + 1), r"is too large \(max 4 MB\)"),
        (gzip.compress(bytes(30_000_000).replace(b"\0", b"x"), mtime=0), "expands|too large"),
    ],
    ids=range(8),
)
def test_what_is_no_text_of_the_user_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "words").write_bytes(content)
    with pytest.raises(UsageError, match=said) as caught:
        read_text_file(str(tmp_path / "words"))

    assert "--encoding" not in caught.value.hint


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.write(b"x" * (1 << 16))
        file.truncate(1 << 40)
    with pytest.raises(UsageError, match="is too large"):
        read_text_file(str(path))


def test_a_damaged_file_is_no_short_text(tmp_path: Path) -> None:
    (tmp_path / "words.gz").write_bytes(gzip.compress(os.urandom(9000).hex().encode())[:-4000])
    with pytest.raises(GruError, match="corrupt file"):
        read_text_file(str(tmp_path / "words.gz"))


@pytest.mark.parametrize("name", ["nothing", "a\0b", "."])
def test_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        read_text_file(f"{tmp_path}/{name}")
