"""Rows of JSON lines: the quick way and the careful way give the same."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grucli.read.blocks import Block, RowReport
from grucli.read.json_lines import DecodedRows, JsonLinesDecoder
from grucli.reddit.comments import Comment

JSON_LINES = [
    b'{"body":"x","id":"a"}',
    b'{"id":"b","body":"y \\"body\\" z"}',
    b'{"body":"x","body":"y"}',
    b'{"body":\n"x"}',
    b'{"body":"x"} {"body":"y"}',
    b'{"body":"x"}{"body":"y"}',
    b'{"a":\n{}}',
    b"{}{}",
    b'{"body":"w","a":\n{"b":"c"}}{"body":"x"}',
    b'{"id":"b","a":"\n","body":"y"}',
    b'{"a":{"body":"x"}\n',
    b'{"a":{}}\r',
    b'{"body":"nobody"}',
    b'{"id":"c"}',
    b'{"id":"c","body":null}',
    b'{"x":"body"}',
    b"[]",
    b"[1]",
    b'{"data":[{"body":"one"},{"body":"two"}]}',
    b'{"body":"x","data":[{"body":"one"}]}',
    b'{"data":null,"error":"Timeout"}',
    b'{"author":5,"body":"x"}',
    b'{"id":"\\ud83d","body":"x"}',
    b'{"body":"\xff"}',
    b"",
    b" \r",
    b'{"body":"crlf"}\r',
    b'{"body":"NaN, NaN","score":NaN}',
    b'{"body":"None","id":None,"a":[-Infinity,1,]}',
    b"""{'body': "it's NaN", 'id': None}""",
    b"{'body': set()}",
    b'{"body":"x"},',
    b"[",
    b'[{"body":"x"},',
    b"],",
    b'\xef\xbb\xbf{"body":"mark"}',
    b'{"body":"x","id":"p","replies":[{"body":"y"},{"body":"z","replies":""}]}',
    b'{"body":"x","replies":[]}',
    b'{"body":"x","title":"t"}',
    b'{"body":"x","title":"t","dataType":"post"}',
    b'{"body":"x","title":"t","comments":[]}',
    b'{"body":"x","title":"t","comments":5,"children":null}',
    b'{"title":"t","comments":[{"body":"y"}]}',
    b'{"body":"x","author":{"name":"z"},"score":{"$numberInt":"3"}}',
    b'{"z":' + b"[" * 3000 + b"]" * 3000 + b"}",
]


class CarefulDecoder(JsonLinesDecoder[Any]):
    def _decode_fast(self, block: Block) -> None:
        return None


def as_fields(rows: DecodedRows[Any]) -> list[tuple[int, dict[str, object]]]:
    """Return the line and the fields of each row."""
    names = Comment.__struct_fields__
    return [
        (number, row if isinstance(row, dict) else {name: getattr(row, name) for name in names})
        for number, row in zip(*rows, strict=True)
    ]


def decode(data: bytes, type_: Any = Comment, first_line: int = 1) -> tuple[list[Any], RowReport]:
    report = RowReport()
    return as_fields(JsonLinesDecoder(type_, "body").decode(Block(first_line, data), report)), report


def decode_one_by_one(type_: Any, data: bytes, first: int) -> tuple[list[Any], RowReport]:
    reader, report = CarefulDecoder(type_, "body"), RowReport()
    lines = [Block(number, line) for number, line in Block(first, data).lines()]
    return [row for line in lines for row in as_fields(reader.decode(line, report))], report


def comment(body: str, **fields: object) -> dict[str, object]:
    return {**dict.fromkeys(Comment.__struct_fields__), "body": body, **fields}


@given(st.lists(st.sampled_from(JSON_LINES), min_size=1, max_size=6), st.sampled_from([Comment, dict[str, object]]))
@example([b'{"a":\n{}}', b"{}{}"], Comment)
@example([b'{"body":"w","a":\n{"b":"c"}}{"body":"x"}'], Comment)
@example([b'{"body":"x","body":"y"}'], Comment)
def test_a_block_at_once_is_its_lines_one_by_one(lines: list[bytes], type_: Any) -> None:
    data = b"\n".join(lines)
    rows, report = decode(data, type_, 7)

    assert (rows, report) == decode_one_by_one(type_, data, 7)
    assert report.read == len(rows) + report.skipped.total()


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_sound_blocks_are_decoded_at_once(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    monkeypatch.setattr(JsonLinesDecoder, "_decode_line", lambda *_: pytest.fail("line by line"))
    block = Block(3, b'{"body":"a","score":1}' + end + b'{"id":"b","body":"\\"data\\" \\"body\\""}')
    report = RowReport()

    rows = as_fields(JsonLinesDecoder(Comment, "body").decode(block, report))

    assert rows == [(3, comment("a", score=1)), (4, comment('"data" "body"', id="b"))]
    assert report.read == 2


def test_a_field_of_a_wrong_type_is_named() -> None:
    _, report = decode(b'{"body":"x","author":5}\n{"body":3}')

    assert report.skipped == {"'author' of a wrong type": 1, "'body' of a wrong type": 1}


def test_of_a_key_that_occurs_twice_the_last_value_wins() -> None:
    for data in (b'{"body":"x","body":"y"}', b'{"body":"x","body":"y"}\nnot JSON'):
        assert decode(data)[0] == [(1, comment("y"))]


@pytest.mark.parametrize("end", [b"", b"\nnot JSON"])
def test_half_a_surrogate_pair_is_replaced(end: bytes) -> None:
    assert decode(b'{"body":"\\udc80 \\ud83d\\ude00"}' + end)[0] == [(1, comment("\ufffd 😀"))]


ALMOST_JSON: dict[str, tuple[bytes, dict[str, object], str | None]] = {
    "NaN": (b'{"body":"NaN, NaN","score":NaN}', {"score": None}, "has NaN or Infinity in {rows}, read as null"),
    "Infinity": (
        b'{"body":"NaN, NaN", "score": -Infinity }',
        {"score": None},
        "has NaN or Infinity in {rows}, read as null",
    ),
    "None": (b'{"body":"NaN, NaN","id":None}', {"id": None}, "has None, True or False in {rows}, read as JSON"),
    "comma": (b'{"body":"NaN, NaN","id":"a", }', {"id": "a"}, "has a trailing comma in {rows}, ignored"),
    "array": (b'{"body":"NaN, NaN","id":"a"},\r', {"id": "a"}, None),
    "mark": (b'\xef\xbb\xbf{"body":"NaN, NaN"}', {}, None),
    "Python": (b"{'body': 'NaN, NaN', 'id': None, 'score': nan}", {}, "has Python literals in {rows}, read as JSON"),
    "author": (b'{"body":"NaN, NaN","author":{"name":"z","id":"y"}}', {"author": "z"}, None),
    "MongoDB": (
        b'{"body":"NaN, NaN","created_utc":{"$date":{"$numberLong":"7000"}},"_id":{"$oid":"5f"}}',
        {"created_utc": 7},
        None,
    ),
}


@pytest.mark.parametrize("name", ALMOST_JSON)
def test_a_row_that_is_almost_json_is_read_and_counted(name: str) -> None:
    line, fields, message = ALMOST_JSON[name]
    sound = b'{"body":"x","score":1}\n'
    rows, report = decode(sound + line + b"\n" + line + b"\nno\n" + sound.strip())

    read = comment("NaN, NaN", **fields)
    assert rows == [(1, comment("x", score=1)), (2, read), (3, read), (5, comment("x", score=1))]
    assert (report.read, report.skipped) == (5, {"not JSON": 1})
    assert report.repaired == ({} if message is None else {message: 2})


@pytest.mark.parametrize("name", ["NaN", "Infinity", "None", "comma", "array", "mark"])
def test_a_block_is_repaired_at_once(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(JsonLinesDecoder, "_decode_line", lambda *_: pytest.fail("line by line"))
    rows, report = decode(b"\n".join([ALMOST_JSON[name][0]] * 50))

    assert len(rows) == report.read == 50


def test_several_values_of_a_line_are_rows() -> None:
    rows, report = decode(b'{"body":"}{"}{"body":"b"} {"body":"c"}\n{"body":"d"}{"body"')

    assert rows == [(1, comment("}{")), (1, comment("b")), (1, comment("c"))]
    assert report.skipped == {"not JSON": 1}


@pytest.mark.parametrize("type_", [Comment, dict[str, object]])
def test_replies_in_a_row_are_rows(type_: Any) -> None:
    line = b'{"body":"a","id":"1","link_id":"t3_p","replies":[{"body":"b","replies":[{"body":"c"}]}]}'
    rows, report = decode(b'{"body":"x"}\n' * 500 + line, type_)

    assert [fields["body"] for _, fields in rows[500:]] == ["a", "b", "c"]
    assert [fields.get("link_id") for _, fields in rows[500:]] == ["t3_p"] * 3
    assert rows[501][1]["parent_id"] == "t1_1"
    assert rows[502][1]["parent_id"] == f"t1_{rows[501][1]['id']}"
    assert report.nested == 2


@pytest.mark.parametrize(
    "line",
    [
        b"{'body': open('x')}",
        b"{'body': 'x', 'at': datetime(2023, 1, 1)}",
        b"{'body': {1, 2}}",
        b"{'body': b'x'}",
        b"{'body': 1e999}",
        b"{'body': 'x'",
        b"{'body': " + b"-" * 100_000 + b"1}",
        b"{'body': " + b"(" * 100_000,
        b"{'body': '" + b"x" * (1 << 20) + b"'}",
        b"{'body': '\xff'}",
    ],
)
def test_other_python_is_not_read(line: bytes) -> None:
    rows, report = decode(line)

    assert rows == []
    assert report.skipped == {"Python literals, not JSON": 1}


def test_half_a_character_in_python_is_replaced() -> None:
    assert decode(rb"{'body': 'a\ud83db'}")[0] == [(1, comment("a\ufffdb"))]


@pytest.mark.parametrize("type_", [Comment, dict[str, object]])
def test_a_post_among_the_rows_is_none(type_: Any) -> None:
    lines = [
        b'{"body":"a","title":"a comment of this post"}',
        b'{"body":"b","title":"t","dataType":"post"}',
        b'{"body":"c","title":"t","name":"t3_x"}',
        b'{"body":"d","title":"t","comments":[{"body":"e"}]}',
    ]
    rows, report = decode(b"\n".join(lines), type_)

    assert [fields["body"] for _, fields in rows] == ["a", "e"]
    assert report.skipped == {"a post, not a comment": 3}
