"""What is written is what training reads, whatever a comment contains; and files are complete or absent."""

import doctest
import errno
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from grucli.errors import UsageError
from grucli.read.blocks import RowReport
from grucli.read.rows import read_rows, read_running_text
from grucli.read.schema import ReadOptions
from grucli.read.sources import COMPRESSIONS
from grucli.reddit.comments import Comment
from grucli.reddit.corpus import writer
from grucli.reddit.corpus.writer import (
    COLUMNS,
    CONVERSATION_COLUMNS,
    make_batch_encoder,
    open_corpus,
    parse_output,
)
from tests.fault_injection import failing_disk

OUTPUT_SUFFIXES = [form + compression for form in (".csv", ".jsonl", ".txt") for compression in ("", *COMPRESSIONS)]
SPECIAL_CHARS = "\"'\\,;\t\r\n\v\f\x1b\x7f\x85\u2028\u202e\ufeff\U0001f600ab {}[]"

bodies = st.text(
    st.one_of(st.sampled_from(SPECIAL_CHARS), st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
comments = st.builds(
    Comment,
    body=bodies.filter(lambda body: bool(body) and not body.isspace()),
    id=st.one_of(st.none(), bodies),
    author=bodies,
    subreddit=st.one_of(st.none(), bodies),
    score=st.one_of(st.none(), st.integers(-(10**9), 10**9)),
    created_utc=st.one_of(st.none(), st.integers(0, 2**40)),
)


def write_comments(path: Path, rows: list[Comment], columns: tuple[str, ...] = COLUMNS) -> None:
    encode = make_batch_encoder(parse_output(path).file_format, columns)
    with open_corpus(parse_output(path), columns) as file:
        for row in rows:
            file.write(b"".join(encode([row])))


def test_the_examples_hold() -> None:
    result = doctest.testmod(writer)
    assert result.attempted > 0
    assert result.failed == 0


@given(
    st.lists(st.builds(Comment, body=bodies, id=st.sampled_from(["c1", "c2"]), score=st.integers()), max_size=4),
    st.lists(comments, max_size=2),
    st.sampled_from(["csv", "jsonl", "txt"]),
)
@example([Comment("x", "a,b", "", "pics", 1, 2)], [], "csv")
@example([Comment("x", "c1", "", None, 1, 2)], [], "csv")
@example([Comment("x", 'a"', "", "pics", 1, 2)], [], "csv")
def test_many_rows_at_once_are_those_one_by_one(rows: list[Comment], odd: list[Comment], form: str) -> None:
    def encode_plainly(row: Comment) -> bytes:
        if form == "txt":
            return f"{row.body}\n\n".encode()
        values = {name: getattr(row, name) for name in COLUMNS}
        return writer.csv_line(list(values.values())) if form == "csv" else writer.json_line(values)

    assert make_batch_encoder(form)(rows) == list(map(encode_plainly, rows))
    assert make_batch_encoder(form)(rows + odd) == list(map(encode_plainly, rows + odd))


@given(st.lists(comments, max_size=8), st.sampled_from([suffix for suffix in OUTPUT_SUFFIXES if ".txt" not in suffix]))
def test_rows_are_read_back_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Comment], suffix: str
) -> None:
    path = tmp_path_factory.mktemp("corpus") / f"corpus{suffix}"
    write_comments(path, rows)
    report = RowReport()
    result = [row.body for row in read_rows(str(path), ReadOptions(), report)]
    assert result == [row.body for row in rows]
    assert (report.read, report.skipped) == (len(rows), {})


@given(st.lists(comments, max_size=8), st.sampled_from([suffix for suffix in OUTPUT_SUFFIXES if ".txt" in suffix]))
def test_a_txt_holds_the_bodies_with_an_empty_line_behind_each(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Comment], suffix: str
) -> None:
    path = tmp_path_factory.mktemp("corpus") / f"corpus{suffix}"
    text = "".join(f"{row.body}\n\n" for row in rows)
    assume(not text.startswith("\ufeff"))  # a byte-order mark, which readers drop
    write_comments(path, rows)
    assert "".join(read_running_text(str(path), ReadOptions(), RowReport())) == text


@pytest.mark.slow
@pytest.mark.parametrize("suffix", OUTPUT_SUFFIXES)
def test_the_same_rows_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    rows = [Comment(f"number {n}", f"c{n}", "a1b2", "cats", n, n) for n in range(20_000)]
    write_comments(tmp_path / f"one{suffix}", rows)
    write_comments(tmp_path / f"two{suffix}", rows)
    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_every_column_is_there() -> None:
    comment = Comment("hello", "c1", "a1b2", "cats", -3, 1_130_000_000, "t3_p", "t3_p")
    assert make_batch_encoder("csv")([comment]) == [b"c1,a1b2,cats,-3,1130000000,hello\n"]
    assert make_batch_encoder("jsonl")([comment]) == [
        b'{"id":"c1","author":"a1b2","subreddit":"cats","score":-3,"created_utc":1130000000,"body":"hello"}\n'
    ]


@pytest.mark.parametrize("name", ["corpus", "corpus.tsv", "corpus.zst", "corpus.csv.zip", "-", "corpus.json"])
def test_a_name_that_says_no_form_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="suffix") as caught:
        parse_output(name)
    assert all(form in caught.value.hint for form in (".csv", ".jsonl", ".txt", ".zst"))


def test_conversations_are_not_written_as_running_text() -> None:
    assert parse_output("a.JSONL.ZST", conversations=True).compression == ".zst"
    with pytest.raises(UsageError, match=r"a \.txt cannot hold conversations"):
        parse_output("a.txt.gz", conversations=True)


@pytest.mark.parametrize("suffix", OUTPUT_SUFFIXES)
def test_a_failure_leaves_what_was_there(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"corpus{suffix}"
    path.write_bytes(b"before")

    def fail() -> None:
        with open_corpus(parse_output(path)) as file:
            file.write(b"x" * 1_000_000)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [(result, result.read_bytes()) for result in tmp_path.iterdir()] == [(path, b"before")]


@pytest.mark.parametrize("suffix", OUTPUT_SUFFIXES)
def test_a_disk_that_fails_at_any_moment_leaves_what_was_there(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"corpus{suffix}"
    rows = [Comment(f"{n * n}", f"c{n}") for n in range(200)]
    for fail_at in range(1, 1000):
        path.write_bytes(b"before")
        with failing_disk(fail_at, errno.ENOSPC) as injector:
            caught: list[OSError] = []
            try:
                write_comments(path, rows)
            except OSError as error:
                caught.append(error)
        assert all((error.errno, error.filename) == (errno.ENOSPC, str(path)) for error in caught)
        assert bool(caught) == injector.triggered
        if not injector.triggered:
            break
        # After the rename the new file is complete, even if the fsync of the directory fails.
        renamed = injector.requests[-2:] == ["replace", "fsync"]
        assert list(tmp_path.iterdir()) == [path]
        assert (path.read_bytes() == b"before") != renamed
    assert fail_at > 3
    assert path.read_bytes() != b"before"


def test_columns_of_conversations_begin_with_what_training_looks_for() -> None:
    assert CONVERSATION_COLUMNS[:2] == ("thread", "turn")
    assert set(COLUMNS) < set(CONVERSATION_COLUMNS)
