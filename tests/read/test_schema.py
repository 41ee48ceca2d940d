"""Which column of a source is what, and how that is said and chosen."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grucli.errors import GruError, UsageError, list_names, quote
from grucli.read.blocks import RowReport
from grucli.read.fields import FIELDS
from grucli.read.records import Records, open_records
from grucli.read.rows import read_rows
from grucli.read.schema import ReadOptions, Schema, describe_inputs
from grucli.read.sources import resolve_source

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def writing(name: str, content: str) -> Path:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return writing


def open_file(path: Path, **options: Any) -> Records:
    return open_records(resolve_source(str(path)), ReadOptions(**options), RowReport())


def columns_of(path: Path, **options: Any) -> dict[str, str]:
    return dict(open_file(path, **options).schema.columns)


def remarks_of(path: Path, **options: Any) -> str:
    return open_file(path, **options).schema.describe().partition(": ")[2]


def bodies_of(path: Path, report: RowReport | None = None, **options: Any) -> list[str]:
    return [row.body for row in read_rows(str(path), ReadOptions(**options), report or RowReport())]


def refusal_of(path: Path, **options: Any) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        bodies_of(path, **options)
    return caught.value.message.replace(str(path), path.name), caught.value.hint


TEXT_NAMES = [
    "Body", "BODY", "comment_body", "commentBody", "data.body", "comment", "Comment Text", "text", "content",
    "Message", "msg", "selftext", "comment.text", "snippet.textOriginal",
]  # fmt: skip


@pytest.mark.parametrize("name", TEXT_NAMES)
def test_a_usual_name_of_the_text_is_found_and_said(write: Write, name: str) -> None:
    table = write("a.csv", f"nr,{name}\n1,some words\n")
    lines = write("a.jsonl", json.dumps({"nr": 1, name: "some words"}) + "\n")

    for path in (table, lines):
        assert bodies_of(path) == ["some words"]
        assert f"text in '{name}' (--column chooses another)" in remarks_of(path)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ("body,Body,comment", "body"),
        ("Body,comment,text", "Body"),
        ("comment_body,text", "comment_body"),
        ("selftext,title,comment", "comment"),
        ("snippet.textDisplay,snippet.textOriginal", "snippet.textOriginal"),
        ("Unnamed: 0,said", "said"),
        ("index,words", "words"),
        ("comment,parent_comment,label", "comment"),
    ],
)
def test_the_more_usual_of_several_texts_is_taken(write: Write, names: str, chosen: str) -> None:
    row = ",".join("3" if name in ("index", "Unnamed: 0") else "some words" for name in names.split(","))
    assert columns_of(write("a.csv", f"{names}\n{row}\n"))["body"] == chosen


def test_a_column_of_numbers_is_no_text_whatever_its_name(write: Write) -> None:
    path = write("a.csv", "comments,text\n3,some words\n15,more\n")
    assert bodies_of(path) == ["some words", "more"]


def test_several_texts_are_refused_the_likely_ones_first(write: Write) -> None:
    path = write("a.csv", "text,id,comment\nshort,1,a much longer text\n")

    assert refusal_of(path) == (
        "'a.csv' has several columns that may be the text: comment, text",
        "choose one with --column",
    )
    assert bodies_of(path, columns={"body": "comment"}) == ["a much longer text"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_posts_are_told_from_comments(write: Write, suffix: str) -> None:
    fields = {"id": "a", "num_comments": "4", "score": "3", "selftext": "what it says", "title": "A title", "url": "x"}
    content = ",".join(fields) + "\n" + ",".join(fields.values()) if suffix == "csv" else json.dumps(fields)
    path = write(f"a.{suffix}", content + "\n")

    message, hint = refusal_of(path)
    assert message == f"'a.{suffix}' has posts, not comments: no column 'body'"
    assert hint.startswith("choose their text with --column among: selftext, title")
    assert bodies_of(path, columns={"body": "selftext"}) == ["what it says"]


OTHER_NAMES = {
    "author": ["Author", "username", "user", "comment_author", "author_name", "screen_name", "authorDisplayName"],
    "id": ["ID", "comment_id", "_id", "cid", "data.id"],
    "score": ["comment_score", "ups", "upvotes", "likes", "Score", "likeCount"],
    "created_utc": ["created", "created_at", "date", "timestamp", "time", "comment_created_utc", "publishedAt"],
    "parent_id": ["parent", "parent_comment_id", "reply_to", "parentId"],
    "link_id": ["submission", "post_id", "submission_id", "video_id", "link"],
    "subreddit": ["subreddit_name", "Subreddit", "communityName"],
    "thread": ["Thread", "thread_id", "conversation", "conversation_id", "Conversation ID", "dialog", "dialogue_id"],
}
VALUES = {"score": "3", "created_utc": "2023-11-14", "id": "c1", "parent_id": "t1_c0", "link_id": "t3_a"}


@pytest.mark.parametrize(("field", "name"), [(field, name) for field, names in OTHER_NAMES.items() for name in names])
def test_usual_names_of_other_columns(write: Write, field: str, name: str) -> None:
    path = write("a.csv", f"body,{name}\nsome words,{VALUES.get(field, 'otter')}\n")
    schema = open_file(path).schema

    assert schema.columns == {"body": "body", field: name}
    assert f"in '{name}'" in schema.describe()
    assert columns_of(write("a.jsonl", json.dumps({"body": "x", name: VALUES.get(field, "otter")}))) == schema.columns


def test_of_two_columns_for_one_field_the_more_usual_is_taken_and_said(write: Write) -> None:
    path = write("a.csv", "body,user,username\nx,1,otter\n")
    assert columns_of(path)["author"] == "username"
    assert remarks_of(path) == "text in 'body', authors in 'username', not 'user'"

    own = write("b.csv", "body,username,author\nx,1,otter\n")
    assert open_file(own).schema.is_plain


def test_columns_of_the_comment_come_before_those_of_its_post(write: Write) -> None:
    path = write("a.csv", "title,author,score,comment_author,comment_score,comment_body\nT,kettle,99,otter,3,x\n")

    assert columns_of(path) == {"body": "comment_body", "author": "comment_author", "score": "comment_score"}


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [("name", "t1_c1", "id"), ("name", "otter", "author"), ("score", "n", "score"), ("likes", "many", None),
     ("parent", "what they said", None), ("user", "t2_abc", None), ("dialog", "what they said", None)],
)  # fmt: skip
def test_a_column_is_not_taken_for_what_its_values_are_not(
    write: Write, name: str, value: str, field: str | None
) -> None:
    path = write("a.csv", f"body,{name}\nsome words,{value}\n")
    assert set(columns_of(path)) == {"body"} | ({field} if field else set())


def test_a_thread_of_replies_to_several_comments_is_no_conversation(write: Write) -> None:
    tree = write("a.csv", "thread_id,link_id,parent_id,body\n1,t3_a,t1_b,some words\n")
    assert columns_of(tree) == {name: name for name in ("body", "link_id", "parent_id")}
    assert columns_of(tree, columns={"thread": "thread_id"})["thread"] == "thread_id"
    assert columns_of(write("b.csv", "thread,parent_id,body\n1,t1_b,some words\n"))["thread"] == "thread"
    assert [
        row.thread for row in read_rows(str(write("c.csv", "thread_id,text\n1,a\n1,b\n")), ReadOptions(), RowReport())
    ] == ["1", "1"]


def test_the_user_names_columns_by_name_in_any_case_or_by_number(write: Write) -> None:
    path = write("a.csv", "who,What they said\notter,some words\n")

    assert columns_of(path, columns={"body": "what they said", "author": "who"}) == {
        "body": "What they said",
        "author": "who",
    }
    assert columns_of(path, columns={"body": "2", "author": "1"}) == columns_of(
        path, columns={"body": "What they said", "author": "who"}
    )
    assert remarks_of(path, columns={"body": "2", "author": "1"}) == "text in 'What they said', authors in 'who'"
    assert columns_of(write("b.csv", "1,2\nx y,some words\n"), columns={"body": "1"}, has_header=True) == {"body": "1"}


@pytest.mark.parametrize(("field", "flag"), [(name, field.flag) for name, field in FIELDS.items() if field.flag])
@pytest.mark.parametrize("column", ["nothing", "0", "3", "-1", ""])
def test_a_column_that_is_not_there_is_refused(write: Write, field: str, flag: str, column: str) -> None:
    path = write("a.csv", "id,body\n1,x\n")
    message, hint = refusal_of(path, columns={field: column})

    assert f"no column {quote(column)}" in message
    assert flag in message + hint
    assert "body" in hint


def test_numbers_are_for_tables(write: Write) -> None:
    assert "no column '1'" in refusal_of(write("a.jsonl", '{"body":"x"}\n'), columns={"body": "1"})[0]


def test_json_is_decided_by_all_names_in_its_first_rows(write: Write) -> None:
    rows = [{"n": 1}, {"n": 2, "user": "otter"}, {"comment": "some words", "n": 3}]
    path = write("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    report = RowReport()

    assert bodies_of(path, report) == ["some words"]
    assert report.skipped == {"no field 'comment'": 2}
    assert columns_of(path) == {"body": "comment", "author": "user"}


def test_empty_and_repeated_names_are_called_by_their_number(write: Write) -> None:
    path = write("a.csv", "id,,x,x,body,\n1,a,b,c,some words,\n")
    (record,) = open_file(path).rows

    assert list(record.fields) == ["id", "column 2", "column 3", "column 4", "body", "column 6"]
    assert open_file(path).schema.names == ("id", "", "x", "x", "body", "")
    assert bodies_of(path, columns={"body": "3"}) == ["b"]


@pytest.mark.slow
def test_errors_quote_a_bounded_part_of_many_columns(write: Write) -> None:
    long_names = ",".join(f"{'x' * 200}{number}" for number in range(10_000))
    for content in (f"{long_names}\n1\n", f"text,comment,{long_names}\n", f"title,selftext,{long_names}\n"):
        message, hint = refusal_of(write("a.csv", content))
        assert len(message) + len(hint) < 2500
    named = refusal_of(write("a.csv", "id,body\n1,x\n"), columns={"body": "y" * 100_000})
    assert len("".join(named)) < 500


def test_any_error_is_bounded() -> None:
    error = GruError("x" * 10**6, "y" * 10**6)
    assert len(error.message) == len(error.hint) == 2000
    assert list_names(["a" * 100] * 1000).count("a") == 20 * 59


def test_what_was_decided_is_said_once_for_files_alike() -> None:
    def decided(name: str, **fields: Any) -> Schema:
        return Schema(name=name, file_format="csv", **{"delimiter": ",", "columns": {"body": "body"}} | fields)

    inputs = [
        decided("a.csv"),
        decided("b.csv", delimiter=";"),
        decided("c.csv", delimiter=";"),
        decided("d.csv", encoding="cp1252", columns={"body": "comment", "author": "user"}),
    ]
    assert describe_inputs(inputs) == [
        "reading 'b.csv': semicolon-separated, text in 'body'",
        "reading 'd.csv': Windows-1252, text in 'comment' (--column chooses another), authors in 'user'",
    ]
    assert inputs[3].to_json() == {
        "file": "d.csv",
        "format": "csv",
        "encoding": "cp1252",
        "delimiter": ",",
        "header": True,
        "columns": {"body": "comment", "author": "user"},
    }


@pytest.mark.parametrize("delimiter", ["", "ab", '"', "\n", "comma,"])
def test_what_is_not_a_delimiter(delimiter: str) -> None:
    with pytest.raises(UsageError, match="--delimiter"):
        ReadOptions(delimiter=delimiter)


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown field: 'text'"):
        ReadOptions(columns={"text": "comment"})


@pytest.mark.parametrize("options", [{"delimiter": ";"}, {"has_header": False}])
def test_options_of_tables_are_refused_for_json(write: Write, options: dict[str, Any]) -> None:
    assert refusal_of(write("a.jsonl", '{"body":"x"}\n'), **options)[0] == "'a.jsonl' is not a delimited table"


def test_options_become_flags_again() -> None:
    options = ReadOptions(columns={"body": "a b", "author": "who"}, delimiter="\t", encoding="cp1252", has_header=False)
    assert options.flags() == [
        "--column", "a b", "--author-column", "who", "--delimiter", "tab", "--encoding", "cp1252", "--no-header",
    ]  # fmt: skip
    assert ReadOptions().flags() == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("id;comment\n1;one two\n2;three\n", ["one two", "three"]),
        ("user|text\na|one two\n", ["one two"]),
        ("comment\none\n", ["comment", "one"]),
        ("Well, yes.\nNo, no; not this.\n", ["Well, yes.", "No, no; not this."]),
    ],
)
def test_standard_input_names_its_columns(monkeypatch: pytest.MonkeyPatch, content: str, expected: list[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert [row.body for row in read_rows("-", ReadOptions(), RowReport())] == expected


@pytest.mark.parametrize("content", ["id,said\n1,x\n2,y\n", "3,2023-11-14,u/otter,some words\n5,2023-11-15,u/x,more\n"])
def test_a_table_in_standard_input_is_not_read_as_texts(monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    with pytest.raises(UsageError):
        list(read_rows("-", ReadOptions(), RowReport()))


def test_posts_are_told_from_comments_whatever_their_text_is_called(write: Write) -> None:
    path = write("a.csv", "id,title,text,score,comments\na,A title,what it says,3,14\n")
    assert refusal_of(path)[0] == "'a.csv' has posts, not comments: no column 'body'"

    both = write("b.csv", "title,num_comments,comment_text,text\nA title,3,what it says,what the post says\n")
    assert bodies_of(both) == ["what it says"]


def test_posts_between_comments_are_left_out_by_the_column_that_tells_them(write: Write) -> None:
    content = "dataType,title,body\npost,A title,what the post says\ncomment,,what it says\nPost,T,x\ncomment,,more\n"
    path, report = write("a.csv", content), RowReport()

    assert bodies_of(path, report) == ["what it says", "more"]
    assert report.skipped == {"not a comment": 2}
    assert report.read == 4
    other = write("b.csv", "type,body\npost,one\nneutral,two\n")
    assert bodies_of(other) == ["one", "two"]


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        ("subreddit.id,subreddit.name,body", {"body": "body", "subreddit": "subreddit.name"}),
        ("parent.author,post.score,body", {"body": "body"}),
        ("author.name,author.id,body", {"body": "body", "author": "author.name"}),
        ("data.id,data.author,data.body", {"body": "data.body", "id": "data.id", "author": "data.author"}),
        ("comm_date,comm_author,comment", {"body": "comment", "author": "comm_author", "created_utc": "comm_date"}),
        (
            "title,num_comments,author,user,comment,post_text",
            {"body": "comment", "author": "user"},
        ),
        ("comment_karma,comment", {"body": "comment"}),
    ],
)
def test_columns_of_other_objects_are_not_those_of_the_comment(
    write: Write, names: str, columns: dict[str, str]
) -> None:
    path = write("a.csv", f"{names}\n{','.join('x' for _ in names.split(','))}\n")
    assert columns_of(path) == columns
