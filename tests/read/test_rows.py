import csv
import gzip
import io
import itertools
import json
import os
import random
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from grucli.errors import ExitStatus, GruError, UsageError
from grucli.read import blocks, sources
from grucli.read.blocks import RowReport
from grucli.read.records import open_records
from grucli.read.rows import Row, read_rows, read_running_text
from grucli.read.schema import ReadOptions
from grucli.read.sources import resolve_source
from grucli.read.zstd import zstd
from tests.read.compression import COMPRESS


@pytest.fixture
def write_file(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    def writing(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return writing


WriteFile = Callable[[str, str | bytes], str]


def read_bodies(source: str, column: str | None = None, report: RowReport | None = None) -> list[str]:
    return [row.body for row in read_rows(source, ReadOptions().with_column(column), report or RowReport())]


def read_and_count(source: str) -> tuple[list[str], dict[str, int], dict[str, list[int]]]:
    report = RowReport()
    texts = read_bodies(source, None, report)
    assert report.read == len(texts) + report.skipped.total()
    return texts, dict(report.skipped), report.lines


def set_stdin(monkeypatch: pytest.MonkeyPatch, content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize("packing", COMPRESS)
@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".csv", 'id,body,thread\n1,"one, ""two""\nthree",\n2,four,t\n'),
        (".csv", 'id,body,thread\r\n1,"one, ""two""\nthree",\r\n2,four,t'),
        (".jsonl", '{"body":"one, \\"two\\"\\nthree","thread":null,"n":1}\n\n{"n":{},"thread":"t","body":"four"}'),
        (".ndjson", '{"body":"one, \\"two\\"\\nthree"}\n{"thread":"t","body":"four"}\n'),
    ],
)
def test_every_form_gives_the_same_rows(write_file: WriteFile, suffix: str, content: str, packing: str) -> None:
    source = write_file("corpus" + suffix + packing, COMPRESS[packing](content.encode()))

    assert list(read_rows(source, ReadOptions(), RowReport())) == [Row('one, "two"\nthree', None), Row("four", "t")]


def test_a_byte_order_mark_is_no_text(write_file: WriteFile) -> None:
    assert read_bodies(write_file("a.csv", "\ufeffbody\nx\n")) == ["x"]
    assert read_bodies(write_file("a.tsv", "\ufeffx\t1\n")) == ["x"]
    assert "".join(read_running_text(write_file("a.txt", "\ufeffx"), ReadOptions(), RowReport())) == "x"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "mac_roman"])
def test_lines_may_end_as_in_excel_for_mac(write_file: WriteFile, encoding: str) -> None:
    content = 'id,body\r1,"one, “two”"\r2,three\r' + "3,café\r" * 20_000
    report, options = RowReport(), ReadOptions(encoding="mac_roman" if encoding == "mac_roman" else None)
    got = [row.body for row in read_rows(write_file("a.csv", content.encode(encoding)), options, report)]

    assert got == ["one, “two”", "three", *["café"] * 20_000]
    assert report.read == 20_002
    text = "".join(read_running_text(write_file("a.txt", "one\rtwo\r"), ReadOptions(), RowReport()))
    assert text == "one\ntwo\n"


def test_a_thread_may_be_a_number(write_file: WriteFile) -> None:
    source = write_file("a.jsonl", '{"body":"a","thread":7}\n{"body":"b","thread":""}\n{"body":"c","thread":[]}\n')

    assert [row.thread for row in read_rows(source, ReadOptions(), RowReport())] == ["7", None]


def test_tsv_without_a_header_has_its_text_first(write_file: WriteFile) -> None:
    source = write_file("a.tsv", 'one "quote\t1\tx\r\ntwo\t2\ty\n')

    assert read_bodies(source) == ['one "quote', "two"]
    assert read_bodies(source, "3") == ["x", "y"]
    assert read_bodies(source, "2") == ["1", "2"]


def test_tsv_with_a_header(write_file: WriteFile) -> None:
    assert read_bodies(write_file("a.tsv", "id\tbody\n1\tone\n")) == ["one"]
    assert read_bodies(write_file("b.tsv", "id\tsaid\n1\tone\n"), "said") == ["one"]


def test_the_only_column_needs_no_name(write_file: WriteFile) -> None:
    assert read_bodies(write_file("a.csv", "comment\none\n")) == ["one"]
    assert read_bodies(write_file("a.jsonl", '{"comment":"one"}\n{"comment":"two","n":1}\n')) == ["one", "two"]


def test_leading_blank_lines_are_no_header(write_file: WriteFile) -> None:
    assert read_bodies(write_file("a.csv", "\n\nid,body\n1,x\n")) == ["x"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_missing_column_names_those_there(write_file: WriteFile, name: str) -> None:
    content = "id,said\n1,x\n" if name == "a.csv" else '{"id":1,"said":"x"}\n'

    for column in (None, "boddy"):
        with pytest.raises(UsageError) as caught:
            read_bodies(write_file(name, content), column)
        assert (column or "body") in caught.value.message
        assert "said, id" in caught.value.hint


def test_a_missing_column_of_a_long_json_file_is_told_early(write_file: WriteFile) -> None:
    with pytest.raises(UsageError):
        read_bodies(write_file("a.jsonl", '{"id":1,"said":"x"}\n' * 1000 + '{"body":"x"}\n'))


def test_json_rows_without_the_field_are_counted(write_file: WriteFile) -> None:
    got, skipped, lines = read_and_count(write_file("a.jsonl", '{"n":1,"m":2}\n{"body":"x"}\n{"n":1}\n'))

    assert (got, skipped, lines) == (["x"], {"no field 'body'": 2}, {"no field 'body'": [1, 3]})


@pytest.mark.parametrize("column", ["4", "0", "-1", "text"])
def test_a_tsv_column_that_is_not_there(write_file: WriteFile, column: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_bodies(write_file("a.tsv", "x\ty\tz\n"), column)

    assert "1, 2, 3" in caught.value.hint


@pytest.mark.parametrize("header", ["body,body", '"body', "\xff", "x" * (blocks.MAX_LINE_BYTES + 1)])
def test_a_csv_without_a_usable_header_is_refused(write_file: WriteFile, header: str) -> None:
    with pytest.raises(UsageError):
        read_bodies(write_file("a.csv", header.encode("latin-1") + b"\n1,2\n"))


BAD_JSON: dict[str, tuple[bytes, str]] = {
    "torn": (b'{"body":"y', "not JSON"),
    "array": (b'["body"]', "not a JSON object"),
    "text": (b'"body"', "not a JSON object"),
    "5000 digits": (b'{"body":"y","n":%s}' % (b"9" * 5000), "number out of range"),
    "huge exponent": (b'{"body":"y","n":1e999}', "number out of range"),
    "nested": (b'{"body":"y","n":' + b'{"a":' * 100_000, "nested too deep"),
    "nested arrays": (b'{"body":"y","n":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep"),
    "bytes": (b'{"body":"\xff\xfe"}', "not UTF-8"),
    "NUL": (b'{"body":"a\0b"}', "not JSON"),
    "escaped NUL": (b'{"body":"a\\u0000b"}', "NUL character"),
    "null": (b'{"body":null}', "no text"),
    "number": (b'{"body":3}', "no text"),
    "empty": (b'{"body":""}', "empty"),
    "blank": (b'{"body":" \\n\\u00a0"}', "empty"),
    "thread": (b'{"body":"y","thread":{}}', "thread is not text"),
    "long": (b'{"body":"%s"}' % (b"y" * blocks.MAX_LINE_BYTES), "line too long"),
    "other": (b"hello", "not JSON"),
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_a_bad_json_row_is_counted_and_the_others_kept(write_file: WriteFile, name: str) -> None:
    bad, reason = BAD_JSON[name]
    source = write_file("a.jsonl", b'{"body":"before"}\n' + bad + b'\n{"body":"after"}\n')

    assert read_and_count(source) == (["before", "after"], {reason: 1}, {reason: [2]})


LONE_SURROGATES = {
    r"\ud83d": "\ufffd",
    r"a\uDE00b": "a\ufffdb",
    r"\ud83d\ud83d\ude00": "\ufffd\U0001f600",
    r"\ud83d\u0041": "\ufffdA",
    r"\\ud83d \ud83d": "\\ud83d \ufffd",
}


@pytest.mark.parametrize(("escaped", "text"), LONE_SURROGATES.items())
def test_half_a_character_costs_no_row(write_file: WriteFile, escaped: str, text: str) -> None:
    line = f'{{"x":"\\udc00","body":"{escaped}"}}'
    assert read_bodies(write_file("a.jsonl", f'{{"body":"before"}}\n{line}\n{{"body":"after"}}\n')) == [
        "before",
        text,
        "after",
    ]
    assert read_bodies(write_file("b.jsonl", f'{{"data":[{line}]}}\n')) == [text]
    assert read_bodies(write_file("c.json", f'{{"data":[\n{line}\n]}}\n')) == [text]


def test_a_key_that_is_only_inside_is_not_there_twice(write_file: WriteFile) -> None:
    source = write_file("a.jsonl", '{"body":"\\"body\\"","x":{"body":1,"body":2},"y":["body"]}\n')

    assert read_bodies(source) == ['"body"']


def test_a_csv_header_over_the_limit_of_a_field(write_file: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grucli.read.tables.MAX_LINE_BYTES", 1000)
    with pytest.raises(UsageError, match="field too long"):
        read_bodies(write_file("a.csv", '"body\n' + "x\n" * 1000))


BAD_CSV: dict[str, tuple[bytes, str]] = {
    "too few": (b"1", "too few fields"),
    "too many": (b"1,2,3", "too many fields"),
    "bytes": (b"1,\xff\xfe", "not UTF-8"),
    "NUL": (b"1,a\0b", "NUL character"),
    "empty": (b"1,", "empty"),
    "blank": (b'1," \n "', "empty"),
    "long line": (b"1," + b"y" * blocks.MAX_LINE_BYTES, "line too long"),
    "text behind a quote": (b'1,"a" b', "not CSV"),
    "bare return": (b"1,a\rb", "not CSV"),
}


@pytest.mark.parametrize("name", BAD_CSV)
def test_a_bad_csv_row_is_counted_and_the_others_kept(write_file: WriteFile, name: str) -> None:
    bad, reason = BAD_CSV[name]
    source = write_file("a.csv", b"id,body\n0,before\n" + bad + b"\n3,after\n")

    assert read_and_count(source) == (["before", "after"], {reason: 1}, {reason: [3]})


def test_a_csv_quote_that_is_never_closed_costs_rows_and_not_memory(
    write_file: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grucli.read.tables.MAX_LINE_BYTES", 1000)
    got, skipped, lines = read_and_count(write_file("a.csv", 'id,body\n0,before\n1,"open\n' + "2,x\n" * 400))

    assert got == ["before"] + ["x"] * (len(got) - 1)
    assert len(got) > 100
    assert skipped == {"field too long": 1}
    assert lines == {"field too long": [3]}


def test_a_csv_quote_that_the_next_row_closes_is_no_comment(write_file: WriteFile) -> None:
    source = write_file("a.csv", 'id,body\n0,before\n1,"open\n2,x\n3,"quoted"\n4,after\n')

    assert read_and_count(source) == (["before", "after"], {"not CSV": 1}, {"not CSV": [3]})


def test_a_torn_csv_row_at_the_end_is_counted(write_file: WriteFile) -> None:
    assert read_and_count(write_file("a.csv", 'id,body\n1,one\n2,"tw')) == (
        ["one"],
        {"unfinished row": 1},
        {"unfinished row": [3]},
    )
    assert read_and_count(write_file("a.csv", "id,body\n1,one\n2")) == (
        ["one"],
        {"too few fields": 1},
        {"too few fields": [3]},
    )


def test_commas_in_a_csv_of_one_column_are_text(write_file: WriteFile) -> None:
    content = 'body\nhello, world\nplain\n"quoted, it is"\r\nsaid "no", twice\r\na,,b,\n"one",two\n"three\nfour",5\n'
    report = RowReport()
    source = write_file("a.csv", content)

    assert read_bodies(source, None, report) == ["hello, world", "plain", "quoted, it is", 'said "no", twice', "a,,b,"]
    assert report.skipped == {"too many fields": 2}
    assert report.messages() == [
        f"'{source}' has one column: unquoted commas in 3 rows are read as part of the text",
        "2 rows skipped: too many fields",
    ]


def test_commas_between_columns_are_no_text(write_file: WriteFile) -> None:
    assert read_and_count(write_file("a.csv", "id,body\n1,hello, world\n2,x\n"))[:2] == (["x"], {"too many fields": 1})


def test_notes_count_in_words(write_file: WriteFile) -> None:
    report = RowReport()
    read_bodies(write_file("a.jsonl", '{"body":"x"}\nno\n{"body":""}\n{"body":" "}\n'), None, report)

    assert report.messages() == ["2 rows skipped: empty", "1 row skipped: not JSON"]


def test_lines_are_counted_through_rows_of_several_lines(write_file: WriteFile) -> None:
    _, _, lines = read_and_count(write_file("a.csv", 'id,body\n1,"a\nb\nc"\n\n2\n3,"d\ne"\n4\n'))

    assert lines == {"too few fields": [6, 9]}


def test_bad_tsv_rows_are_counted(write_file: WriteFile) -> None:
    content = b"one\t1\ntwo\nthree\t3\t3\n\xff\t4\n\t5\nlast\t6\n" + b"y" * blocks.MAX_LINE_BYTES + b"\t7\nend\t8"
    got, skipped, lines = read_and_count(write_file("a.tsv", content))

    assert got == ["one", "two", "last", "end"]
    assert skipped == {"too many fields": 1, "not UTF-8": 1, "empty": 1, "line too long": 1}
    assert lines["not UTF-8"] == [4]
    assert lines["line too long"] == [7]


def test_only_the_first_few_line_numbers_are_kept(write_file: WriteFile) -> None:
    _, skipped, lines = read_and_count(write_file("a.jsonl", '{"body":"x"}\n' + "no\n" * 50))

    assert skipped == {"not JSON": 50}
    assert lines == {"not JSON": [2, 3, 4, 5, 6]}


@pytest.mark.slow
@pytest.mark.parametrize("packing", [".gz", ".bz2", ".xz", ".zst"])
def test_what_comes_before_damage_is_kept(write_file: WriteFile, packing: str) -> None:
    numbered = [json.dumps({"body": f"{number} {os.urandom(40).hex()}"}) for number in range(20_000)]
    packed = COMPRESS[packing]("\n".join(numbered).encode())
    cut = write_file("cut.jsonl" + packing, packed[: len(packed) * 9 // 10])
    got, skipped, lines = read_and_count(cut)

    assert 1000 < len(got) < 20_000
    assert [json.dumps({"body": body}) for body in got] == numbered[: len(got)]
    assert skipped == {"corrupt compressed data": 1}
    assert lines == {"corrupt compressed data": [len(got) + 1]}
    report = RowReport()
    read_bodies(cut, None, report)
    assert report.messages() == [f"'{cut}' is corrupt: everything after line {len(got):,} is missing"]

    flipped = bytearray(packed)
    flipped[len(packed) * 8 // 10] ^= 0xFF
    report = RowReport()
    got = read_bodies(write_file("flipped.jsonl" + packing, bytes(flipped)), None, report)
    assert len(got) > 1000
    assert report.skipped.total() >= 1


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_what_comes_before_damage_is_kept_where_steps_are_large(write_file: WriteFile, share: float) -> None:
    text = "\n".join(f"{number} and some words that come again" for number in range(50_000)).encode()
    packed = bytearray(COMPRESS[".zst"](text))
    packed[int(len(packed) * share)] ^= 0xFF
    byte_by_byte, frame = bytearray(), zstd.ZstdDecompressor()
    with suppress(zstd.ZstdError):
        for octet in packed:
            byte_by_byte += frame.decompress(bytes([octet]))

    got = bytearray()
    with suppress(sources.CorruptDataError):
        for piece in sources.read_bytes(resolve_source(write_file("flipped.jsonl.zst", bytes(packed))), None, 1 << 24):
            got += piece
    block = 1 << 17  # of which one may end, and the corrupt one begin, within a step
    assert len(byte_by_byte) > 4 * block
    assert byte_by_byte.startswith(got)
    assert len(got) > len(byte_by_byte) - 2 * block


@pytest.mark.slow
@pytest.mark.parametrize("packing", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("kept", [1, 3, 9, 20])
def test_where_nothing_comes_before_the_damage_it_is_a_failure(write_file: WriteFile, packing: str, kept: int) -> None:
    packed = COMPRESS[packing](random.Random(0).randbytes(300_000).hex().encode())  # not one line ends in what is kept
    source = write_file("a.jsonl" + packing, packed[:kept])
    with pytest.raises(GruError, match="corrupt: nothing in it is readable") as caught:
        read_bodies(source)

    assert caught.value.status == ExitStatus.FAILED


@pytest.mark.slow
@pytest.mark.parametrize("packing", [".gz", ".bz2", ".xz", ".zst"])
def test_damage_in_the_first_line_leaves_nothing(write_file: WriteFile, packing: str) -> None:
    packed = COMPRESS[packing](os.urandom(400_000).hex().encode())
    source = write_file("a.jsonl" + packing, packed[: len(packed) * 3 // 4])
    with pytest.raises(GruError, match="corrupt: nothing in it is readable") as caught:
        read_bodies(source)

    assert caught.value.status == ExitStatus.FAILED


@pytest.mark.parametrize("packing", [".gz", ".bz2", ".xz", ".zst"])
def test_binary_data_that_are_not_compressed_as_the_suffix_says_are_refused(
    write_file: WriteFile, packing: str
) -> None:
    with pytest.raises(UsageError, match="cannot decompress"):
        read_bodies(write_file("a.jsonl" + packing, bytes(range(256))))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.sampled_from(list(itertools.product([".csv", ".tsv", ".jsonl", ".txt"], COMPRESS))), st.binary(max_size=200))
@example((".csv", ""), b'body\n"')
@example((".jsonl", ".zst"), b"")
def test_any_bytes_are_read_or_refused(tmp_path: Path, suffixes: tuple[str, str], content: bytes) -> None:
    path = tmp_path / ("a" + "".join(suffixes))
    for data in (content, COMPRESS[suffixes[1]](content), COMPRESS[suffixes[1]](content)[:-3]):
        path.write_bytes(data)
        report = RowReport()
        try:
            if suffixes[0] == ".txt":
                "".join(read_running_text(str(path), ReadOptions(), report)).encode()
            else:
                got = read_bodies(str(path), None, report)
                assert all(body.encode() and not body.isspace() for body in got)
                assert report.read == len(got) + report.skipped.total()
        except UsageError:
            pass
        except GruError as refused:
            if "corrupt" not in refused.message:
                raise


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(str.strip))
)
def test_whatever_csv_and_json_writers_write_is_read_back(tmp_path: Path, texts: list[str]) -> None:
    csv_path, json_path = tmp_path / "a.csv", tmp_path / "a.jsonl"
    with csv_path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["id", "body"], *([number, text] for number, text in enumerate(texts))])
    json_path.write_text("".join(json.dumps({"body": text}) + "\n" for text in texts), encoding="utf-8")

    assert read_bodies(str(csv_path)) == texts
    assert read_bodies(str(json_path)) == texts


@pytest.mark.parametrize(
    "content", [random.Random(1).randbytes(5000), bytes(range(256)) * 9, b"\xff\x00" * 99, b"a\x01\x00" * 4000]
)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
def test_binary_files_are_refused(write_file: WriteFile, name: str, content: bytes) -> None:
    source = write_file(name, content)
    with pytest.raises(UsageError, match=r"is not (UTF-8 )?text"):
        list(
            read_running_text(source, ReadOptions(), RowReport())
            if name == "a.txt"
            else read_rows(source, ReadOptions(), RowReport())
        )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", b'{"body":"one"}\n%s\n{"body":"two"}\n', "not JSON"),
        ("a.csv", b"id,body\n1,one\n%s\n2,two\n", "too few fields"),
        ("a.tsv", b"id\tbody\n1\tone\n%s\n2\ttwo\n", "too few fields"),
    ],
)
def test_nuls_where_a_crash_left_them_are_a_bad_row(
    write_file: WriteFile, name: str, content: bytes, reason: str
) -> None:
    texts, skipped, _ = read_and_count(write_file(name, content % bytes(5000)))
    assert (texts, skipped) == (["one", "two"], {reason: 1})


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt", "a.jsonl.zst", "a.csv.gz", "a.txt.xz"])
def test_an_empty_file_has_no_rows(write_file: WriteFile, name: str) -> None:
    source = write_file(name, COMPRESS[next(packing for packing in reversed(COMPRESS) if name.endswith(packing))](b""))
    _assert_no_rows(name, source)
    _assert_no_rows(name, write_file(name, b""))


def _assert_no_rows(name: str, source: str) -> None:
    report, options = RowReport(), ReadOptions()
    rows = read_running_text(source, options, report) if ".txt" in name else read_rows(source, options, report)
    assert list(rows) == []
    assert (report.read, report.skipped, report.warnings) == (0, {}, [(source, "is empty")])


@pytest.mark.parametrize("name", ["nothing.csv", "a\0b.csv", "x" * 5000 + ".csv", ""])
def test_no_such_file(name: str) -> None:
    with pytest.raises(UsageError):
        read_bodies(name)


def test_a_folder_and_an_unknown_suffix_are_refused(write_file: WriteFile, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a directory"):
        read_bodies(str(tmp_path))
    with pytest.raises(UsageError) as caught:
        read_bodies(write_file("a.doc", "x"))
    assert ".csv" in caught.value.hint
    assert ".zst" in caught.value.hint


def test_a_file_that_may_not_be_opened(write_file: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_file("a.csv", "body\nx\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match="Permission denied"):
        read_bodies(source)


def test_a_failing_disk_is_no_damage(write_file: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    source = write_file("a.csv", "body\nx\n")
    monkeypatch.setattr(Path, "open", lambda *_, **__: Failing())
    with pytest.raises(GruError, match="Input/output error") as caught:
        read_bodies(source)
    assert not isinstance(caught.value, UsageError)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"body":"one"}\n{"body":"two"}\n', ["one", "two"]),
        ("id,body\n1,one\n2,two\n", ["one", "two"]),
        ("body\none\ntwo\n", ["one", "two"]),
        ("id\tbody\n1\tone\n2\ttwo\n", ["one", "two"]),
        ("one, two\nthree\n", ["one, two", "three"]),
        ("", []),
    ],
)
def test_standard_input_is_known_by_its_first_line(
    monkeypatch: pytest.MonkeyPatch, content: str, expected: list[str]
) -> None:
    set_stdin(monkeypatch, content)

    assert read_bodies("-") == expected


def test_standard_input_without_the_named_column(monkeypatch: pytest.MonkeyPatch) -> None:
    set_stdin(monkeypatch, "id,said\n1,x\n")
    with pytest.raises(UsageError, match="column 'text'"):
        read_bodies("-", "text")


def test_a_dump_is_known_by_its_content(write_file: WriteFile) -> None:
    packed = zstd.compress(b'{"body":"x"}\n', options={zstd.CompressionParameter.window_log: 31})

    assert read_bodies(write_file("RC_2005-12.zst", packed)) == ["x"]


@pytest.mark.slow
def test_progress_counts_the_bytes_on_the_disk(write_file: WriteFile) -> None:
    source = write_file("a.jsonl.gz", gzip.compress(b'{"body":"x"}\n' * 100_000))
    reported: list[int] = []
    assert len(list(read_rows(source, ReadOptions(), RowReport(), reported.append))) == 100_000

    assert sum(reported) == Path(source).stat().st_size


def test_a_giant_line_takes_no_memory(write_file: WriteFile) -> None:
    source = write_file("a.jsonl", b'{"body":"x"}\n' + b"y" * 30_000_000 + b'\n{"body":"z"}\n')
    tracemalloc.start()
    got = read_and_count(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert got == (["x", "z"], {"line too long": 1}, {"line too long": [2]})
    assert peak < 4 * blocks.MAX_LINE_BYTES


@pytest.mark.parametrize("unit", [b"\n", b"y", b"{}\n"])
def test_a_decompression_bomb_is_refused(write_file: WriteFile, unit: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_EXPANSION_BYTES", 1 << 20)
    source = write_file("a.jsonl.zst", zstd.compress(b'{"body":"x"}\n' + unit * (20_000_000 // len(unit))))
    with pytest.raises(UsageError, match="expands to over 1,000 times its size"):
        list(sources.read_bytes(resolve_source(source)))


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_blank_lines_are_passed_over_fast_and_counted(write_file: WriteFile, line_end: bytes) -> None:
    content = b'{"body":"x"}' + line_end + line_end * 2_000_000 + b"no" + line_end
    report = RowReport()
    decoded = blocks.read_blocks(resolve_source(write_file("a.jsonl", content)), report, max_line_bytes=1 << 16)
    first_lines, texts = zip(*((block.first_line, block.data or b"") for block in decoded), strict=True)

    assert sum(map(len, texts)) < 1 << 18
    assert first_lines[-1] + texts[-1].count(b"\n") == 2_000_002
    assert texts[-1].strip() == b"no"


def test_records_have_all_their_fields(write_file: WriteFile) -> None:
    def fields(source: str) -> list[dict[str, object]]:
        return [record.fields for record in open_records(resolve_source(source), ReadOptions(), RowReport()).rows]

    assert fields(write_file("a.jsonl", '{"id":"a","body":"x","score":null,"edited":1.5}')) == [
        {"id": "a", "body": "x", "score": None, "edited": 1.5}
    ]
    assert fields(write_file("a.csv", "id,body,score\na,x,3\n")) == [{"id": "a", "body": "x", "score": "3"}]
    assert fields(write_file("a.tsv", "x\t3\n")) == [{"1": "x", "2": "3"}]


def test_a_running_text_is_no_rows(write_file: WriteFile) -> None:
    with pytest.raises(UsageError, match="running text"):
        read_bodies(write_file("a.txt", "x"))


def test_running_text_is_told_by_its_name(write_file: WriteFile) -> None:
    assert resolve_source(write_file("a.txt", "")).file_format == "txt"
    assert resolve_source(write_file("a.TXT.gz", "")).file_format == "txt"
    assert resolve_source(write_file("a.csv", "")).file_format == "csv"
    assert resolve_source("-").file_format is None


def read_slices(source: str) -> Iterator[str]:
    return read_running_text(source, ReadOptions(), RowReport())


def test_running_text_comes_back_whole_in_slices_that_end_before_white_space(write_file: WriteFile) -> None:
    text = "".join(f"word{number}é \r\n\t" + " " * (number % 4) for number in range(30_000))
    got = list(read_slices(write_file("a.txt", text)))

    assert "".join(got) == text
    assert len(got) > 3
    assert all(not end[-1].isspace() and begin[0] in " \n" for end, begin in itertools.pairwise(got))


def test_running_text_without_white_space_is_bounded_too(write_file: WriteFile) -> None:
    text = "é" * 3_000_000
    got = list(read_slices(write_file("a.txt", text)))

    assert "".join(got) == text
    assert max(map(len, got)) < 1_200_000


def test_bytes_that_are_not_utf8_are_left_out_of_running_text_and_counted(write_file: WriteFile) -> None:
    report = RowReport()
    text = "".join(
        read_running_text(write_file("a.txt", b"one\ntwo\xff\xfe\xfd \n\ne\xe9nd \xf0\x9f"), ReadOptions(), report)
    )

    assert text == "one\ntwo \n\nend "
    assert report.skipped == {"bytes that are not UTF-8": 3}
    assert report.lines == {"bytes that are not UTF-8": [2, 4, 4]}
    assert report.messages() == ["removed bytes that are not UTF-8 in 3 places"]
    "".join(read_running_text(write_file("b.txt", b"one\n\xfftwo"), ReadOptions(), report))
    assert report.lines == {"bytes that are not UTF-8": [2, 4, 4, 2]}


def test_a_running_text_that_is_cut_short_is_kept_up_to_there(write_file: WriteFile) -> None:
    text = os.urandom(200_000).hex()
    report = RowReport()
    got = "".join(
        read_running_text(write_file("a.txt.gz", gzip.compress(text.encode())[:-20_000]), ReadOptions(), report)
    )

    assert text.startswith(got)
    assert len(got) > 200_000
    assert report.skipped == {"corrupt compressed data": 1}
    assert [note.partition("' ")[2] for note in report.messages()] == [
        "is corrupt: everything after the readable part of line 1 is missing"
    ]


@pytest.mark.skipif("GRU_TEST_DATA" not in os.environ, reason="GRU_TEST_DATA does not name the folder of real text")
def test_real_corpora() -> None:
    data = Path(os.environ.get("GRU_TEST_DATA", ""))
    report = RowReport()

    assert len(read_bodies(str(data / "RC_2005-12.zst"), None, report)) == 1075
    assert read_bodies(str(data / "goemotions-train.tsv"))[0].startswith("My favourite food")
    assert not report.skipped
