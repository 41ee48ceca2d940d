"""Purging removes the matching comments of a corpus of any format and nothing else, or leaves it unchanged."""

import csv
import errno
import io
import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.errors import EmptyInputError, GruError, LockedError, UsageError
from grucli.read.blocks import RowReport
from grucli.read.rows import read_rows
from grucli.read.schema import ReadOptions
from grucli.read.sources import COMPRESSIONS
from grucli.reddit.corpus.pseudonyms import AuthorHasher, author_key
from grucli.reddit.corpus.purge import PurgeCriteria, PurgeResult, build_criteria, purge, read_ids
from grucli.text.dataset import post_of
from tests.fault_injection import failing_disk
from tests.read.compression import COMPRESS

Rows = Sequence[dict[str, object]]


def write_corpus(path: Path, rows: Rows) -> Path:
    """Write a corpus in the format that the name says."""
    compression = path.suffix if path.suffix in COMPRESSIONS else ""
    file_format = path.name.split(".")[1]
    text = io.StringIO()
    if file_format == "jsonl":
        text.writelines(json.dumps(row) + "\n" for row in rows)
    elif file_format == "tsv":
        text.writelines("\t".join(map(str, row)) + "\n" for row in [list(rows[0]), *(row.values() for row in rows)])
    else:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    path.write_bytes(COMPRESS[compression](text.getvalue().encode()))
    return path


def run_purge(path: Path, criteria: PurgeCriteria, dry_run: bool = False) -> PurgeResult:
    return purge(
        str(path),
        criteria,
        read=ReadOptions(),
        dry_run=dry_run,
        before_writing=lambda: None,
        on_progress=lambda *_: None,
    )


def read_bodies(path: Path) -> list[str]:
    return [row.body for row in read_rows(str(path), ReadOptions(), RowReport())]


def read_conversations(path: Path) -> list[list[str]]:
    """Read conversations as training does."""
    result: list[list[str]] = []
    before = None
    for row in read_rows(str(path), ReadOptions(), RowReport()):
        if row.thread is None or row.thread != before:
            result.append([])
        before = row.thread
        result[-1].append(row.body)
    return result


def read_csv_rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


def make_rows(*turns: str) -> Rows:
    """Make rows from words such as `t3_a.1:c1`, a thread and an id; the text is the id."""
    counts: dict[str, int] = {}
    rows: list[dict[str, object]] = []
    for turn in turns:
        thread, _, id_ = turn.partition(":")
        counts[thread] = counts.get(thread, 0) + 1
        rows.append({"thread": thread, "turn": counts[thread], "id": id_, "body": id_})
    return rows


ROWS: Rows = [
    {"id": "c1", "author": "Ann", "body": 'say "hello", Bob'},
    {"id": "t1_c2", "author": "bob", "body": "hello"},
    {"id": "c3", "author": "ann", "body": "bye"},
    {"id": "c4", "author": "[deleted]", "body": "?"},
]


@pytest.mark.parametrize("compression", ["", *COMPRESSIONS])
@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl"])
def test_every_form_stays_what_it_was(tmp_path: Path, form: str, compression: str) -> None:
    path = write_corpus(tmp_path / f"corpus.{form}{compression}", ROWS)
    done = run_purge(path, PurgeCriteria(ids=frozenset({"c2", "c3", "c9"})))
    assert (done.removed, done.kept, done.matched) == (2, 2, {"c2", "c3"})
    assert (done.removed_characters, done.characters) == (8, 17)
    assert read_bodies(path) == ['say "hello", Bob', "?"]
    assert list(tmp_path.iterdir()) == [path]
    write_corpus(tmp_path / f"other.{form}{compression}", [ROWS[0], ROWS[3]])
    assert run_purge(path, PurgeCriteria(ids=frozenset({"x"}))).kept == 2


def test_a_dump_without_an_inner_suffix_is_json_lines(tmp_path: Path) -> None:
    path = write_corpus(tmp_path / "RC.jsonl.zst", ROWS).rename(tmp_path / "RC.zst")
    assert run_purge(path, PurgeCriteria(names=frozenset({"ann"}))).removed == 2
    table = write_corpus(tmp_path / "table.csv.gz", ROWS).rename(tmp_path / "table.gz")
    with pytest.raises(UsageError, match="no suffix for the format"):
        run_purge(table, PurgeCriteria(ids=frozenset({"c1"})))


@pytest.mark.parametrize(
    "content",
    [
        '{"id":"c1","body":"a","replies":[{"id":"c2","body":"b"}]}\n{"id":"c3","body":"c"}\n',
        '{"title":"t","id":"p","comments":[{"id":"c1","body":"a"},{"id":"c2","body":"b"}]}\n',
        '[\n {\n  "id":"p","title":"t","selftext":"s"},\n {"id":"c1","body":"a"},\n {"id":"c2","body":"b"}\n]',
    ],
)
def test_a_file_that_would_lose_more_than_comments_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text(content)
    with pytest.raises(UsageError, match="is no corpus"):
        run_purge(path, PurgeCriteria(ids=frozenset({"c2"})))
    assert path.read_text() == content


def test_what_is_not_meant_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    lines = [
        b'{"id":"c%d","x":[1.5,null,{"y":"\xc3\xa9"}],"n":100000000000000000000,"body":"a"}\n' % n for n in range(5)
    ]
    path.write_bytes(b"".join(lines))
    run_purge(path, PurgeCriteria(ids=frozenset({"c2"})))
    assert path.read_bytes() == b"".join(lines[:2] + lines[3:])
    path = tmp_path / "corpus.csv"
    path.write_text('id,body\nc1,"a\n\n""b"", c"\nc2,\nc3,x\n', newline="")
    run_purge(path, PurgeCriteria(ids=frozenset({"c3"})))
    assert path.read_text() == 'id,body\nc1,"a\n\n""b"", c"\nc2,\n'


def test_where_nothing_is_meant_the_file_is_not_touched(tmp_path: Path) -> None:
    path = write_corpus(tmp_path / "corpus.csv", ROWS)
    content, state = path.read_bytes(), path.stat()
    called: list[str] = []
    done = purge(
        str(path),
        PurgeCriteria(ids=frozenset({"c9"})),
        read=ReadOptions(),
        dry_run=False,
        before_writing=lambda: called.append("!"),
        on_progress=lambda *_: None,
    )
    assert (done.removed, done.kept, called) == (0, 4, [])
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) == (
        content,
        state.st_mtime_ns,
        state.st_ino,
    )
    assert list(tmp_path.iterdir()) == [path]


def test_a_dry_run_says_the_same_and_changes_nothing(tmp_path: Path) -> None:
    path = write_corpus(tmp_path / "corpus.csv", make_rows("a.1:1", "a.1:2", "a.1:3", "b.1:4"))
    content = path.read_bytes()
    wanted = PurgeCriteria(ids=frozenset({"2"}))
    said = run_purge(path, wanted, dry_run=True)
    assert path.read_bytes() == content
    assert run_purge(path, wanted) == said
    assert (said.removed, said.kept, said.split_conversations) == (1, 3, 1)


def test_people_are_found_by_their_hash(home: Path, tmp_path: Path) -> None:
    hashed = AuthorHasher(author_key())
    path = write_corpus(tmp_path / "corpus.csv", [{**row, "author": hashed(str(row["author"]))} for row in ROWS])
    assert b"ann" not in path.read_bytes().lower()
    done = run_purge(path, build_criteria([], ["u/ANN"]))
    assert (done.removed, done.matched) == (2, {"ann"})
    assert read_bodies(path) == ["hello", "?"]


def test_people_are_found_in_a_corpus_that_was_made_of_a_corpus(home: Path, tmp_path: Path) -> None:
    hashed = AuthorHasher(author_key())
    path = write_corpus(
        tmp_path / "corpus.csv", [{**row, "author": hashed(hashed(str(row["author"])))} for row in ROWS]
    )
    assert run_purge(path, build_criteria([], ["ann"])).removed == 2


def test_without_the_key_hashes_are_not_searched_in_vain(home: Path, tmp_path: Path) -> None:
    wanted = build_criteria([], ["ann"])
    assert not home.exists()  # searching does not create a key
    plain = write_corpus(tmp_path / "plain.csv", ROWS)
    assert run_purge(plain, wanted).removed == 2
    path = write_corpus(tmp_path / "corpus.csv", [{"id": "c1", "author": "0123456789abcdef", "body": "x"}])
    content = path.read_bytes()
    with pytest.raises(GruError, match=r"the author key is missing.*author\.key"):
        run_purge(path, wanted)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("before", "gone", "after"),
    [
        ("a.1:1 a.1:2 a.1:3", "2", "1/3"),
        ("a.1:1 a.1:2 a.1:3", "1", "2 3"),
        ("a.1:1 a.1:2 a.1:3", "3", "1 2"),
        ("a.1:1 a.1:2 a.1:3 a.1:4 a.1:5", "2 4", "1/3/5"),
        ("a.1:1 a.1:2 a.1:3 a.1:4 a.1:5", "1 2 4", "3/5"),
        ("a.1:1 a.2:2 a.1:3", "2", "1/3"),
        ("a.1:1 b.1:2 b.1:3 a.1:4 a.1:5", "2 3 4", "1/5"),
        ("a.1:1 :2 a.1:3", "2", "1/3"),
        ("a.1:1 :2 a.1:3", "1", "2/3"),
        (":1 :2 :3", "2", "1/3"),
        ("room:1 room:2 room:3", "2", "1/3"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_nothing_is_joined_over_a_gap(tmp_path: Path, form: str, before: str, gone: str, after: str) -> None:
    path = write_corpus(tmp_path / f"corpus.{form}", make_rows(*before.split(" ")))
    run_purge(path, PurgeCriteria(ids=frozenset(gone.split())))
    assert "/".join(" ".join(turns) for turns in read_conversations(path)) == after


def test_the_rest_is_of_the_same_post_and_counts_anew(tmp_path: Path) -> None:
    path = write_corpus(tmp_path / "corpus.csv", make_rows(*(f"t3_a.12:{n}" for n in range(1, 8)), "t3_a.13:8"))
    assert run_purge(path, PurgeCriteria(ids=frozenset({"3", "6"}))).split_conversations == 2
    rows = read_csv_rows(path)
    assert [row["turn"] for row in rows] == ["1", "2", "1", "2", "1", "1"]
    names = list(dict.fromkeys(row["thread"] for row in rows))
    assert (names[0], names[-1], len(names)) == ("t3_a.12", "t3_a.13", 4)
    assert {post_of(name) for name in names} == {"t3_a"}
    run_purge(path, PurgeCriteria(ids=frozenset({"1"})))  # the head of a path that keeps its name
    assert (read_csv_rows(path)[0]["thread"], read_csv_rows(path)[0]["turn"]) == ("t3_a.12", "1")


def test_turns_in_json_stay_numbers(tmp_path: Path) -> None:
    path = write_corpus(
        tmp_path / "corpus.jsonl", [{"thread": 7, "turn": n, "id": n, "body": "x"} for n in range(1, 4)]
    )
    run_purge(path, PurgeCriteria(ids=frozenset({"2"})))
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert (first["thread"], first["turn"]) == (7, 1)
    assert second["thread"].startswith("7.0")
    assert second["turn"] == 1


def test_a_corpus_may_have_threads_and_no_turns(tmp_path: Path) -> None:
    path = write_corpus(tmp_path / "corpus.csv", [{"thread": "a.1", "id": f"{n}", "body": f"{n}"} for n in range(3)])
    run_purge(path, PurgeCriteria(ids=frozenset({"1"})))
    assert read_conversations(path) == [["0"], ["2"]]
    assert list(read_csv_rows(path)[0]) == ["thread", "id", "body"]


def test_the_same_words_behind_two_gaps_are_not_joined(tmp_path: Path) -> None:
    said = [("ann", "hello?"), ("bob", "no"), ("ann", "hello?"), ("bob", "no"), ("ann", "hello?")]
    path = write_corpus(tmp_path / "corpus.csv", [{"thread": "a.1", "author": who, "body": body} for who, body in said])
    run_purge(path, PurgeCriteria(names=frozenset({"bob"})))
    assert read_conversations(path) == [["hello?"]] * 3


def test_conversations_of_which_nothing_is_missing_keep_their_names(tmp_path: Path) -> None:
    path = write_corpus(tmp_path / "corpus.csv", make_rows("a.1:1", ":2", "a.1:3", "b.1:4"))
    assert run_purge(path, PurgeCriteria(ids=frozenset({"4"}))).split_conversations == 0
    assert [row["thread"] for row in read_csv_rows(path)] == ["a.1", "", "a.1"]


row_specs = st.lists(st.tuples(st.sampled_from(["", "a.1", "a.2", "b.1"]), st.booleans()), min_size=1, max_size=14)


@given(row_specs, st.lists(st.integers(0, 13), max_size=4))
def test_what_is_left_are_parts_of_what_was_said(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, bool]], later: list[int]
) -> None:
    path = write_corpus(
        tmp_path_factory.mktemp("purge") / "corpus.csv",
        make_rows(*(f"{name}:{n}" for n, (name, _) in enumerate(drawn))),
    )
    posts = {str(n): post_of(name) for n, (name, _) in enumerate(drawn)}
    gone = {str(n) for n, (_, out) in enumerate(drawn) if out}
    whole = read_conversations(path)
    for ids in (gone, set(map(str, later))):  # a corpus that was purged is purged again
        done = run_purge(path, PurgeCriteria(ids=frozenset(ids)))
        assert done.removed + done.kept == sum(map(len, whole))
        expected = []
        for turns in whole:
            part: list[str] = []
            for id_ in turns:
                if id_ in ids:
                    expected.append(part)
                    part = []
                else:
                    part.append(id_)
            expected.append(part)
        whole = [part for part in expected if part]
        if not whole:
            return
        assert read_conversations(path) == whole
        assert all(post_of(row["thread"]) == posts[row["id"]] for row in read_csv_rows(path))


def test_rows_that_cannot_be_read_go_too_and_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "corpus.csv"
    path.write_bytes(b"id,body\nc1,a\nc2,b,too many\nc3,\xff\nc4,d\n")
    done = run_purge(path, PurgeCriteria(ids=frozenset({"c1"})))
    assert (done.removed, done.kept, sum(done.report.skipped.values())) == (1, 1, 2)
    assert path.read_bytes() == b"id,body\nc4,d\n"


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:100]])
def test_a_damaged_corpus_is_left_alone(tmp_path: Path, damage: "type[bytes]") -> None:
    rows: Rows = [{"id": f"c{n * n}", "body": f"number {n}"} for n in range(100)]
    path = write_corpus(tmp_path / "corpus.jsonl.gz", rows)
    path.write_bytes(damage(path.read_bytes()))
    content = path.read_bytes()
    with pytest.raises(GruError, match="corrupt"):
        run_purge(path, PurgeCriteria(ids=frozenset({"c1"})))
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl"])
def test_a_corpus_that_does_not_say_who_is_refused_with_what_is_there(tmp_path: Path, form: str) -> None:
    path = write_corpus(tmp_path / f"corpus.{form}", [{"id": "c1", "body": "x"}, {"id": "c2", "body": "y"}])
    content = path.read_bytes()
    with pytest.raises(UsageError, match="has no authors, which --author needs") as caught:
        run_purge(path, PurgeCriteria(frozenset({"c1"}), frozenset({"ann"})))
    assert caught.value.hint.endswith("id, body")
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.txt", "does not record who wrote what"),
        ("a.txt.gz", "does not record"),
        ("a.json", "cannot purge"),
        ("-", "standard input"),
    ],
)
def test_what_cannot_be_purged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(b"c1")
    with pytest.raises(UsageError, match=said):
        run_purge(Path(name), PurgeCriteria(ids=frozenset({"c1"})))


@pytest.mark.parametrize(("name", "content"), [("a.csv", ""), ("a.csv", "id,body\n"), ("a.jsonl", "\n\n")])
def test_an_empty_corpus_is_nothing_to_work_on(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(EmptyInputError, match="no comments"):
        run_purge(tmp_path / name, PurgeCriteria(ids=frozenset({"c1"})))


def test_a_corpus_that_changes_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = write_corpus(tmp_path / "corpus.csv", ROWS)

    def change(stage: str, done: int, total: int | None) -> None:
        if done:
            path.write_bytes(b"id,body\nc7,new\n")

    with pytest.raises(LockedError, match="file changed"):
        purge(
            str(path),
            PurgeCriteria(ids=frozenset({"c1"})),
            read=ReadOptions(),
            dry_run=False,
            before_writing=lambda: None,
            on_progress=change,
        )
    assert path.read_bytes() == b"id,body\nc7,new\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fails_at_any_moment_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "corpus.csv.zst"
    for fail_at in range(1, 100):
        content = write_corpus(path, ROWS).read_bytes()
        caught: list[OSError] = []
        with failing_disk(fail_at, errno.ENOSPC) as injector:
            try:
                run_purge(path, PurgeCriteria(ids=frozenset({"c1"})))
            except OSError as error:
                caught.append(error)
        if not injector.triggered:
            break
        assert [error.filename for error in caught] == [str(path)]
        assert (path.read_bytes() == content) != (injector.requests[-2:] == ["replace", "fsync"])
        assert list(tmp_path.iterdir()) == [path]
    assert fail_at > 3


def test_ids_are_read_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "ids"
    path.write_bytes(b"\xef\xbb\xbf# deleted in May\r\nt1_c1\r\n\n  c2 \nc3")
    assert list(read_ids(str(path))) == ["c1", "c2", "c3"]
    (tmp_path / "ids.gz").write_bytes(COMPRESS[".gz"](b"c1\n"))
    assert list(read_ids(str(tmp_path / "ids.gz"))) == ["c1"]
    path.write_bytes('"id"\r\n"t1_c1"\r\n"c2"\r\n'.encode("utf-16"))
    assert list(read_ids(str(path))) == ["c1", "c2"]
    path.write_text('author;"comment_id";note\nkettle;"t1_c1";"a, b"\n\n# and\nwillow;c2;\n')
    assert list(read_ids(str(path))) == ["c1", "c2"]
    link = "https://www.reddit.com/r/madeup/comments/1abc/a_made_up_title/c1"
    path.write_text(f"{link}\n{link}/\n{link}/?context=3\n")
    assert list(read_ids(str(path))) == ["c1"] * 3


@pytest.mark.parametrize("name", ["corpus.csv", "corpus.jsonl"])
def test_a_corpus_that_is_partly_undecodable_is_not_rewritten_without_that_part(tmp_path: Path, name: str) -> None:
    path = write_corpus(tmp_path / name, [*ROWS, *({**ROWS[0], "id": f"d{number}"} for number in range(200))])
    content = path.read_bytes()
    for number in range(10, 20):
        content = content.replace(f"d{number}".encode(), b"d\xff\xfe%d" % number, 1)
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is not UTF-8 text in 10 of"):
        run_purge(path, PurgeCriteria(ids=frozenset({"c2"})))
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"c1\nt3_post\n", "line 2"),
        (b"c1 c2\n", "line 1"),
        (b"c1,c2\n", "line 1"),
        (b"id,author\nc1,a\n\n,b\n", "line 4"),
        (b"x" * 5_000_000, "line 1"),
        (b"c1\n" + b"x" * 5_000_000, "line 2"),
        (b"\xff\n", "is not UTF-8 text"),
        (bytes(range(256)) * 9, "is not UTF-8 text"),
    ],
)
def test_something_else_is_no_list_of_ids(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "ids"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        list(read_ids(str(path)))


def test_a_list_that_is_cut_short_is_not_the_list(tmp_path: Path) -> None:
    path = tmp_path / "ids.gz"
    path.write_bytes(COMPRESS[".gz"](b"".join(b"c%d\n" % (n * n) for n in range(5000)))[:-9])
    with pytest.raises(GruError, match="corrupt"):
        list(read_ids(str(path)))


def test_invalid_criteria(tmp_path: Path) -> None:
    (tmp_path / "none").write_text("\n# nothing\n")
    with pytest.raises(UsageError, match="missing --ids or --author"):
        build_criteria([], [])
    with pytest.raises(EmptyInputError, match="no ids"):
        build_criteria([str(tmp_path / "none")], [])
    with pytest.raises(UsageError, match="no such file"):
        build_criteria([str(tmp_path / "missing")], [])
    for nobody in ("", " u/ ", "[deleted]"):
        with pytest.raises(UsageError, match="invalid user name"):
            build_criteria([], [nobody])


SPELLINGS = ("ann", "u/Ann", " /u/ANN", "@ann", "https://www.reddit.com/user/Ann/")


@pytest.mark.parametrize("option", SPELLINGS)
@pytest.mark.parametrize("column", ["author", "Author", "username", "comment_author"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_author_is_found_in_every_spelling(tmp_path: Path, form: str, column: str, option: str) -> None:
    authors = [*SPELLINGS, "bob", "u/annie", "[deleted]"]
    path = write_corpus(tmp_path / f"corpus.{form}", [{"id": a, column: a, "body": f"by {a}"} for a in authors])
    done = run_purge(path, build_criteria([], [option]))
    assert (done.removed, done.kept, done.matched) == (5, 3, {"ann"})
    assert read_bodies(path) == ["by bob", "by u/annie", "by [deleted]"]


def test_an_author_is_found_by_the_hash_that_earlier_versions_gave_a_spelling(tmp_path: Path, home: Path) -> None:
    hasher = AuthorHasher(author_key())
    rows: Rows = [{"author": hasher.hash_exactly(name), "body": name} for name in ("ann", "u/ann", "/u/ann", "bob")]
    path = write_corpus(tmp_path / "corpus.csv", rows)
    assert run_purge(path, build_criteria([], ["u/Ann"])).removed == 3
    assert read_bodies(path) == ["bob"]


@pytest.mark.parametrize("id_", ["c1", "t1_c1", "https://www.reddit.com/r/pics/comments/abc/a_title/c1/"])
def test_an_id_is_found_in_every_spelling(tmp_path: Path, id_: str) -> None:
    path = write_corpus(tmp_path / "corpus.csv", [{"comment_id": id_, "text": "x"}, {"comment_id": "c2", "text": "y"}])
    assert run_purge(path, PurgeCriteria(ids=frozenset({"c1"}))).removed == 1
    numbers = write_corpus(tmp_path / "corpus.jsonl", [{"id": 1, "body": "x"}, {"id": 2.0, "body": "y"}])
    assert run_purge(numbers, PurgeCriteria(ids=frozenset({"1", "2"}))).removed == 2


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_table_keeps_its_delimiter(tmp_path: Path, suffix: str, delimiter: str) -> None:
    path = tmp_path / f"corpus{suffix}"
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    rows = [["id", "author", "comment"], ["1", "ann", 'a; b, "c" | d'], ["2", "bob", "x\ty\nz"], ["3", "ann", "e"]]
    writer.writerows(rows)
    path.write_text(text.getvalue(), newline="")
    assert run_purge(path, build_criteria([], ["bob"])).removed == 1
    assert list(csv.reader(io.StringIO(path.read_text()), delimiter=delimiter)) == [rows[0], rows[1], rows[3]]


def test_a_table_without_a_header_stays_without(tmp_path: Path) -> None:
    path = tmp_path / "corpus.csv"
    path.write_text("1,u/ann,Well then I say so\n2,u/bob,It is not what I said\n")
    read = ReadOptions(has_header=False, columns={"author": "2"})
    done = purge(
        str(path),
        build_criteria([], ["bob"]),
        read=read,
        dry_run=False,
        before_writing=lambda: None,
        on_progress=lambda *_: None,
    )
    assert (done.removed, path.read_text()) == (1, "1,u/ann,Well then I say so\n")


def test_only_a_hashed_corpus_may_have_another_key(tmp_path: Path, home: Path) -> None:
    author_key()
    plain = write_corpus(tmp_path / "plain.csv", [{"author": "bob", "body": "x"}])
    hashed = write_corpus(tmp_path / "hashed.csv", [{"author": "0123456789abcdef", "body": "x"}])
    criteria = build_criteria([], ["ann"])
    assert not run_purge(plain, criteria).authors_hashed
    assert run_purge(hashed, criteria).authors_hashed


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_what_only_the_owner_reads_is_read_by_nobody_else_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_corpus(tmp_path / "corpus.csv", ROWS)
    path.chmod(0o600)
    modes: set[int] = set()

    def note_modes() -> None:
        modes.update(stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir() if "lock" not in each.name)

    purge(
        str(path),
        PurgeCriteria(ids=frozenset({"c2"})),
        read=ReadOptions(),
        dry_run=False,
        before_writing=note_modes,
        on_progress=lambda *_: note_modes(),
    )
    note_modes()
    assert modes == {0o600}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_a_table_keeps_its_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "corpus.csv"
    rows = [f"{n};{'ann' if n % 2 else 'bob'};I don’t think it’s “fine” – café {n}\n" for n in range(40)]
    path.write_bytes("".join(["id;author;body\n", *rows]).encode(encoding))
    assert run_purge(path, build_criteria([], ["bob"])).removed == 20
    assert path.read_bytes() == "".join(["id;author;body\n", *rows[1::2]]).encode(encoding)


def test_authors_that_are_objects_are_found_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    lines = [f'{{"_id":{{"$oid":"5f{n}"}},"author":{{"name":"Someone{n}"}},"body":"a"}}\n' for n in range(3)]
    path.write_text("".join(lines))
    assert run_purge(path, PurgeCriteria(names=frozenset({"someone1"}))).removed == 1
    assert path.read_text() == lines[0] + lines[2]
    assert run_purge(path, PurgeCriteria(ids=frozenset({"5f2"}))).removed == 1
