"""JSON documents of several lines: split into values in bounded memory, and refused with the true reason."""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.errors import UsageError
from grucli.read import json_documents, json_lines, json_repair, records
from grucli.read.blocks import Block, RowReport
from grucli.read.json_documents import DocumentReader, is_document
from grucli.read.json_split import ValueSplitter, split_values
from grucli.read.rows import read_rows
from grucli.read.schema import ReadOptions

ReadFile = Callable[..., tuple[list[str], RowReport]]


@pytest.fixture
def read_file(tmp_path: Path) -> ReadFile:
    def read(text: str | bytes, suffix: str = ".json", column: str | None = None) -> tuple[list[str], RowReport]:
        path = tmp_path / f"a{suffix}"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        report, columns = RowReport(), {} if column is None else {"body": column}
        bodies = [row.body for row in read_rows(str(path), ReadOptions(columns=columns), report)]
        assert report.read == len(bodies) + report.skipped.total()
        return bodies, report

    return read


VALUES = st.recursive(
    st.none() | st.integers() | st.text('{}[]",:\\ \n\u00e9a', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('{"\\a', max_size=3), inner, max_size=3),
    max_leaves=8,
)
CONTAINERS = VALUES.filter(lambda value: isinstance(value, dict | list))
OBJECTS = VALUES.filter(lambda value: isinstance(value, dict))


@settings(max_examples=15)
@given(st.lists(OBJECTS, max_size=5), st.sampled_from([None, 1]), st.sampled_from(["", " ", ",", "\n", ",\n", "\r\n"]))
def test_objects_are_split_whatever_is_between_them(values: list[object], indent: int | None, between: str) -> None:
    text = between.join(json.dumps(value, indent=indent) for value in values)

    assert list(map(json.loads, split_values(text.encode()))) == values


@settings(max_examples=25)
@given(st.lists(st.lists(VALUES, max_size=4), max_size=3), st.sampled_from([None, 1]))
def test_arrays_are_split_into_their_elements(arrays: list[list[object]], indent: int | None) -> None:
    text = "\n".join(json.dumps(array, indent=indent) for array in arrays)

    assert list(map(json.loads, split_values(text.encode()))) == [value for array in arrays for value in array]


@settings(max_examples=25)
@given(st.lists(VALUES.filter(lambda value: value != []), max_size=4), st.integers(1, 5))
def test_a_text_in_pieces_is_split_as_a_whole(values: list[object], lines_per_piece: int) -> None:
    lines = json.dumps(values, indent=1).encode().split(b"\n")
    splitter, found = ValueSplitter(1 << 20), list[tuple[int, bytes | None]]()
    for start in range(0, len(lines), lines_per_piece):
        found += splitter.feed(b"\n".join(lines[start : start + lines_per_piece]) + b"\n", start + 1)
    found += splitter.close()

    assert [json.loads(value or b"") for _, value in found] == values
    for number, value in found:
        assert (value or b"").split(b"\n")[0] in lines[number - 1]


_BETWEEN_VALUES = b"[]{}, \t\r\n\v\f"


@given(st.binary(max_size=60), st.integers(1, 20))
def test_whatever_the_bytes_are_none_is_lost(text: bytes, max_bytes: int) -> None:
    splitter = ValueSplitter(max_bytes)
    values = [value for _, value in [*splitter.feed(text), *splitter.close()]]

    if None not in values:
        kept = b"".join(value or b"" for value in values)
        assert kept.translate(None, _BETWEEN_VALUES) == text.translate(None, _BETWEEN_VALUES)
    assert all(len(value) <= max_bytes for value in values if value is not None)


def test_a_value_over_the_limit_is_none_and_the_next_are_read() -> None:
    splitter = ValueSplitter(20)
    text = b'[\n{"a": 1},\n{"a":\n "' + b"x" * 30 + b'"},\n{"a": 2}\n]'
    found = [one for line in text.split(b"\n") for one in splitter.feed(line + b"\n")]

    assert [value for _, value in found] == [b'{"a": 1}', None, b'{"a": 2}']


def listing(*bodies: str) -> dict[str, object]:
    return {"data": [{"body": body} for body in bodies]}


DOCUMENTS = {
    "pretty list": json.dumps([{"body": "one"}, {"body": "two"}], indent=2),
    "pretty objects": json.dumps({"body": "one"}, indent=2) + "\n" + json.dumps({"body": "two"}, indent=2),
    "pretty lists": json.dumps([{"body": "one"}], indent=2) + "\n" + json.dumps([{"body": "two"}], indent=2),
    "response": json.dumps(listing("one", "two")),
    "pretty response": json.dumps(listing("one", "two"), indent=2),
    "responses": json.dumps(listing("one")) + "\n" + json.dumps(listing("two")),
    "list on a line": json.dumps([{"body": "one"}, {"body": "two"}]),
    "list by lines": '[\n{"body":"one"},\n{"body":"two"}\n]\n',
    "list by lines, compact": '[{"body":"one"},\r\n{"body":"two"}]\r\n',
    "commas first": '[{"body":"one"}\n,{"body":"two"}\n]',
    "commas without a list": '{"body":"one"},\n{"body":"two"},\n',
    "no newlines": '{"body":"one"}{"body":"two"}',
    "byte-order marks": '\ufeff{"body":"one"}\n\ufeff{"body":"two"}\n',
    "trailing commas": '[\n {\n  "body": "one",\n },\n {"body": "two"},\n]',
    "NaN": '[\n {\n  "body": "one",\n  "score": NaN\n },\n {"body": "two", "score": -Infinity}\n]',
    "NaN on a line": '[{"body": "one", "score": NaN}, {"body": "two", "score": 3}]',
    "Python": "[{'body': 'one', 'id': None}, {'body': 'two'}]",
    "pretty Python": "[{'body': 'one',\n  'id': None},\n {'body': 'two',\n  'score': nan}]",
    "strings": '[\n "one",\n "two"\n]',
    "blank lines first": "\n\n" + json.dumps([{"body": "one"}, {"body": "two"}], indent=2),
    "columns": json.dumps({"body": ["one", "two"]} | {"id": ["a", "b"]}, indent=2),
    "post": json.dumps({"title": "t", "comments": [{"body": "one"}, {"body": "two"}]}, indent=4),
    "a post a line": "".join(
        json.dumps({"title": "t", "comments": [{"body": body}]}) + "\n" for body in ("one", "two")
    ),
}


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".ndjson"])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_way_to_write_two_comments_is_read(read_file: ReadFile, name: str, suffix: str) -> None:
    assert read_file(DOCUMENTS[name], suffix)[0] == ["one", "two"]


def test_repairs_are_told_with_their_number(read_file: ReadFile) -> None:
    _, report = read_file(DOCUMENTS["NaN"])
    (warning,) = report.warnings

    assert warning[1] == "has NaN or Infinity in 2 rows, read as null"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"error": "Timeout", "data": {"x": 1}}', "no comments found in"),
        ('{\n "error": "Timeout"\n}', "no comments found in"),
        ("[[1, 2], [3, 4]]", "no comments found in"),
        ('[\n [1, "a b"]\n]', "no comments found in"),
        (json.dumps([{"title": "t", "selftext": "s", "id": "p"}]), "has posts, not comments"),
        (
            json.dumps({"kind": "Listing", "data": {"children": [{"kind": "t3", "data": {"title": "t"}}]}}),
            "has posts, not",
        ),
        (json.dumps({"title": ["t", "u"], "selftext": ["s", ""]}, indent=1), "has posts, not comments"),
    ],
)
def test_a_document_without_comments_is_refused(read_file: ReadFile, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_file(text)

    assert message in caught.value.message
    assert "--column" in caught.value.hint


def test_posts_are_read_by_their_column(read_file: ReadFile) -> None:
    posts = [
        {"title": "t", "selftext": "one", "id": "p"},
        {"title": "u", "selftext": "two", "comments": [{"body": "no"}]},
    ]

    assert read_file(json.dumps(posts), column="selftext")[0] == ["one", "two"]
    assert read_file(json.dumps(posts, indent=1), column="SelfText")[0] == ["one", "two"]
    assert read_file(json.dumps(posts), column="title")[0] == ["t", "u"]
    columns = {"title": ["t", "u"], "selftext": ["one", "two"], "id": ["p", "q"]}
    assert read_file(json.dumps(columns), column="selftext")[0] == ["one", "two"]


NO_RESULTS = ["[]", "[\n]", '{"data": [], "error": null}', '{"data": [\n]\n}', '{"title": "t", "comments": []}']


@pytest.mark.parametrize("empty", NO_RESULTS)
def test_a_response_without_results_is_empty(read_file: ReadFile, empty: str) -> None:
    assert read_file(empty)[0] == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{\n "data": [\n  {"body": "x"},', "not JSON"),
        ("[\n" * 100_000, "nested too deep"),
        ('[\n"\xff"\n]', "not UTF-8"),
    ],
)
def test_a_broken_document_is_a_bad_row(read_file: ReadFile, text: str, reason: str) -> None:
    bodies, report = read_file(text.encode("latin-1"))

    assert (bodies, report.skipped) == ([], {reason: 1})


def test_of_a_list_that_is_cut_short_the_elements_before_are_read(read_file: ReadFile) -> None:
    for indent in (None, 1):
        text = json.dumps([{"body": f"{number}."} for number in range(100)], indent=indent)
        bodies, report = read_file(text[: text.index("66.") + 2])

        assert bodies == [f"{number}." for number in range(66)]
        assert report.skipped == {"not JSON": 1}


def test_a_bad_element_is_counted_and_the_others_kept(read_file: ReadFile) -> None:
    bodies, report = read_file('[\n {\n  "body": "one"},\n {\n  "body" "bad"},\n {\n  "body": "two"}\n]')

    assert bodies == ["one", "two"]
    assert report.lines == {"not JSON": [4]}


def test_a_value_that_is_too_long_is_refused_with_the_way_on(
    read_file: ReadFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (json_documents, records):
        monkeypatch.setattr(module, "MAX_DOCUMENT_BYTES", 2000)
    for indent in (None, 1):
        with pytest.raises(UsageError) as caught:
            read_file(json.dumps(listing(*map(str, range(1000))), indent=indent))

        assert "JSON value that is too long" in caught.value.message
        assert "jq -c" in caught.value.hint
    bodies, report = read_file(json.dumps([{"body": "x" * 3000}, {"body": "one"}], indent=1))
    assert bodies == ["one"]
    assert report.skipped.total() == 1


@pytest.mark.slow
def test_a_list_of_any_length_is_read_in_bounded_memory() -> None:
    def blocks() -> Iterator[Block]:
        element = json.dumps({"body": "x " * 500, "replies": []}, indent=1).encode()
        yield Block(1, b"[")
        for number in range(60):
            yield Block(2 + number * 400, b"\n".join([element + b","] * 100))

    tracemalloc.start()
    count = sum(1 for _ in DocumentReader("x.json", None, RowReport()).read(blocks()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 6000
    assert peak < 1 << 22


def test_a_torn_first_line_makes_no_document() -> None:
    assert not is_document(Block(1, b'{"body":"x","a":1,\n{"body":"y"}'), None)
    assert not is_document(Block(1, b'{"body":"x'), None)
    assert not is_document(Block(1, None), None)
    assert is_document(Block(1, b'[\n {\n  "body": "x"'), None)


@pytest.mark.parametrize("text", ['{"data":[%s[]]}', '{"a":\n%s', "[\n%s1]", '{"body":"x","a":[%s1]}'])
def test_a_text_that_would_take_many_times_its_size_is_not_decoded(
    read_file: ReadFile, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    for module in (json_lines, json_repair):
        monkeypatch.setattr(module, "MAX_VALUES", 1000)
    bodies: list[str] = []
    report = RowReport()
    with suppress(UsageError):
        bodies, report = read_file(text % ("[]," * 1000))

    assert bodies == []
    assert report.skipped.keys() <= {"JSON value too long", "not JSON"}
