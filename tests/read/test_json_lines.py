"""JSON rows: the quick way and the careful way give the same; saved answers are rows too."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grucli.read import json_lines
from grucli.read.blocks import Block, RowReport
from grucli.read.json_lines import JsonLinesDecoder, response_items
from grucli.read.rows import read_rows
from grucli.read.schema import ReadOptions
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
    b'{"z":' + b"[" * 3000 + b"]" * 3000 + b"}",
]


def decode_one_by_one(type_: Any, data: bytes, first: int) -> tuple[list[Any], RowReport]:
    reader, report = JsonLinesDecoder(type_, "body"), RowReport()
    values = [
        (number, value)
        for number, line in Block(first, data).lines()
        for value in reader._decode_line(number, line, report)
    ]
    return values, report


@given(st.lists(st.sampled_from(JSON_LINES), min_size=1, max_size=6), st.sampled_from([Comment, dict[str, object]]))
@example([b'{"a":\n{}}', b"{}{}"], Comment)
@example([b'{"body":"w","a":\n{"b":"c"}}{"body":"x"}'], Comment)
@example([b'{"body":"x","body":"y"}'], Comment)
def test_a_block_at_once_is_its_lines_one_by_one(lines: list[bytes], type_: Any) -> None:
    data = b"\n".join(lines)
    report = RowReport()
    numbers, values = JsonLinesDecoder(type_, "body").decode(Block(7, data), report)

    assert (list(zip(numbers, values, strict=True)), report) == decode_one_by_one(type_, data, 7)
    assert report.read == len(values) + report.skipped.total()


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_sound_blocks_are_decoded_at_once(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    monkeypatch.setattr(JsonLinesDecoder, "_decode_line", lambda *_: pytest.fail("line by line"))
    block = Block(3, b'{"body":"a","score":1}' + end + b'{"id":"b","body":"\\"data\\" \\"body\\""}')
    report = RowReport()

    assert JsonLinesDecoder(Comment, "body").decode(block, report) == (
        range(3, 5),
        [Comment("a", score=1), Comment('"data" "body"', "b")],
    )
    assert report.read == 2


def test_a_field_of_a_wrong_type_is_named() -> None:
    report = RowReport()
    JsonLinesDecoder(Comment, "body").decode(Block(1, b'{"body":"x","author":5}\n{"body":3}'), report)

    assert report.skipped == {"'author' of a wrong type": 1, "'body' of a wrong type": 1}


def wrap_comment(body: str, *replies: dict[str, Any]) -> dict[str, Any]:
    inside = {"kind": "Listing", "data": {"children": list(replies)}} if replies else ""
    return {"kind": "t1", "data": {"body": body, "replies": inside}}


LISTING = {
    "kind": "Listing",
    "data": {
        "children": [
            wrap_comment(
                "a",
                wrap_comment("a1", wrap_comment("a11")),
                wrap_comment("a2"),
                {"kind": "more", "data": {"children": ["x", "y"]}},
            ),
            {"kind": "t3", "data": {"title": "post", "selftext": "text"}},
            wrap_comment("b"),
        ]
    },
}
POST = {"kind": "Listing", "data": {"children": [{"kind": "t3", "data": {"selftext": "text"}}]}}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("document", "bodies", "skipped"),
    [
        ({"data": [{"body": "one"}, {"body": "two"}]}, ["one", "two"], {}),
        ([{"body": "one"}, {"body": "two"}, 5, None], ["one", "two"], {"not a JSON object": 1, "not a comment": 1}),
        (LISTING, ["a", "a1", "a11", "a2", "b"], {"not a comment": 2}),
        ([POST, LISTING], ["a", "a1", "a11", "a2", "b"], {"not a comment": 3}),
        ({"data": []}, [], {}),
    ],
)
def test_saved_answers_are_rows(
    tmp_path: Path, indent: int | None, document: object, bodies: list[str], skipped: dict[str, int]
) -> None:
    for suffix in (".json",) if indent else (".json", ".jsonl"):
        path = tmp_path / f"answer{suffix}"
        path.write_text(json.dumps(document, indent=indent))
        report = RowReport()

        assert [row.body for row in read_rows(str(path), ReadOptions(), report)] == bodies
        assert report.skipped == skipped
        assert report.read == len(bodies) + sum(skipped.values())


def test_a_json_of_lines_is_lines(tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_text('{"body":"a"}\n{"body":"b"\n{"data":[{"body":"c"}]}\n')
    report = RowReport()

    assert [row.body for row in read_rows(str(path), ReadOptions(), report)] == ["a", "c"]
    assert report.skipped == {"not JSON": 1}
    assert report.lines == {"not JSON": [2]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{\n "data": [\n  {"body": "x"},', "not JSON"),
        ('{\n "error": "Timeout"\n}', "not a comment, nor a response with comments"),
        ("[\n" * 100_000, "nested too deep"),
        ('[\n"' + "x" * 3000 + '"\n]', "document too long"),
    ],
)
def test_a_document_that_is_no_answer_is_a_bad_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    monkeypatch.setattr(json_lines, "MAX_DOCUMENT_BYTES", 2000 if "xxx" in text else 1 << 20)
    path = tmp_path / "a.json"
    path.write_text(text)
    report = RowReport()

    assert list(read_rows(str(path), ReadOptions(), report)) == []
    assert (report.read, report.skipped) == (1, {reason: 1})


def test_replies_may_be_nested_deep() -> None:
    deep = wrap_comment("0")
    for number in range(1, 5000):
        deep = wrap_comment(str(number), deep)
    result = response_items([deep])

    assert result is not None
    assert len(list(result)) == 5000


def test_what_is_no_answer() -> None:
    assert [response_items(value) for value in ({"body": "x"}, {"data": None}, {"data": {"x": 1}}, "x", None)] == [
        None
    ] * 5
    assert response_items({"kind": "more", "data": {"children": ["x"]}}) is None


def test_of_a_key_that_occurs_twice_the_last_value_wins() -> None:
    for data in (b'{"body":"x","body":"y"}', b'{"body":"x","body":"y"}\nnot JSON'):
        rows = JsonLinesDecoder(Comment, "body").decode(Block(1, data), RowReport())
        assert rows.values == [Comment("y")]


@pytest.mark.parametrize("end", [b"", b"\nnot JSON"])
def test_half_a_surrogate_pair_is_replaced(end: bytes) -> None:
    rows = JsonLinesDecoder(Comment, "body").decode(Block(1, b'{"body":"\\udc80 \\ud83d\\ude00"}' + end), RowReport())
    assert rows.values == [Comment("\ufffd 😀")]
