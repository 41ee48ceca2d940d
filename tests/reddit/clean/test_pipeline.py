"""Cleaning as a whole: every comment is counted once, and the corpus is the same however it is made."""

import csv
import io
import json
import multiprocessing
import os
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grucli.errors import GruError, LockedError, UsageError
from grucli.read import blocks
from grucli.read.blocks import RowReport
from grucli.read.rows import read_rows
from grucli.read.schema import ReadOptions
from grucli.read.sources import resolve_sources
from grucli.reddit.clean import pipeline
from grucli.reddit.clean.batch import (
    CleanedBatch,
    CleanJob,
    comment_from_record,
    make_job_cleaner,
    process_local_keys,
    text_keys,
)
from grucli.reddit.clean.options import CleanOptions
from grucli.reddit.clean.pipeline import clean
from grucli.reddit.clean.reader import RawBatch
from grucli.reddit.clean.report import CleanReport
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.registry import RULES, filter_names
from grucli.reddit.clean.worker_pool import WorkerPool
from grucli.reddit.comments import Comment
from grucli.reddit.corpus import pseudonyms
from grucli.reddit.corpus.writer import parse_output
from tests.fault_injection import failing_disk
from tests.read.compression import COMPRESS


@pytest.fixture(autouse=True)
def _home(home: Path) -> None:
    """Every test has a key of its own."""


def make_comment(number: int, body: str | None, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"c{number}",
        "author": f"Person{number % 7}",
        "subreddit": "python",
        "score": number,
        "created_utc": 1134365188 + number,
        "link_id": f"t3_p{number % 5}",
        "parent_id": f"t3_p{number % 5}",
        "body": body,
        "edited": False,
    } | fields


def encode_dump(comments: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(comment).encode() + b"\n" for comment in comments)


def make_options(sources: list[Path] | Path, out: Path | None, **options: Any) -> CleanOptions:
    paths = [sources] if isinstance(sources, Path) else sources
    target = None if out is None else parse_output(out, conversations=options.get("replies", False))
    return CleanOptions(sources=resolve_sources(map(str, paths)), output=target, **options)


def counts_add_up(report: CleanReport) -> bool:
    drop_stats = [drops for by_reason in report.reasons.values() for drops in by_reason.values()]
    return report.read == report.kept + report.dropped.total() and all(len(drops.examples) <= 5 for drops in drop_stats)


def read_rows_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_dump_becomes_a_corpus(tmp_path: Path) -> None:
    source, out = tmp_path / "RC.zst", tmp_path / "out.csv"
    source.write_bytes(
        COMPRESS[".zst"](
            encode_dump(
                [
                    make_comment(1, "Salt &amp;amp; *pepper*, see https://example.com/x"),
                    make_comment(2, "[deleted]", author="[deleted]"),
                    make_comment(3, "I am a bot, and this was done by one."),
                    make_comment(4, "the same"),
                    make_comment(5, "the  same"),
                    make_comment(6, "no name", author="[deleted]", score="12"),
                ]
            )
            + b""
        )
    )
    report = clean(make_options(source, out))

    assert (report.read, report.kept, report.dropped) == (6, 3, {"deleted": 1, "bot": 1, "duplicate": 1})
    assert report.reasons["duplicate"][""].examples == [(str(source), 5)]
    result = read_rows_csv(out)
    assert [row["id"] for row in result] == ["c1", "c4", "c6"]
    assert result[0]["body"] == "Salt & pepper, see [URL]"
    assert result[0]["author"] == pseudonyms.AuthorHasher(pseudonyms.author_key())("person1")
    assert (result[2]["author"], result[2]["score"]) == ("", "12")
    assert report.characters == sum(len(row["body"]) for row in result)
    assert b"Person" not in out.read_bytes()


@pytest.mark.parametrize("replies", [False, True])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_the_page_of_a_person_is_not_named(tmp_path: Path, form: str, replies: bool) -> None:
    source, out = tmp_path / "RC.jsonl", tmp_path / f"out.{form}"
    places = ["u_Alice", "U_ALICE", "u/alice", "usedcars"]
    source.write_bytes(encode_dump([make_comment(n, f"number {n}", subreddit=place) for n, place in enumerate(places)]))
    clean(make_options(source, out, replies=replies))

    hidden = "u_" + pseudonyms.AuthorHasher(pseudonyms.author_key())("Alice")
    result = read_rows_csv(out) if form == "csv" else list(map(json.loads, out.read_text().splitlines()))
    assert [row["subreddit"] for row in sorted(result, key=lambda row: row["id"])] == [
        hidden,
        hidden,
        hidden,
        "usedcars",
    ]
    assert b"alice" not in out.read_bytes().lower()


def test_the_page_of_a_person_can_be_asked_for(tmp_path: Path) -> None:
    source, out = tmp_path / "RC.jsonl", tmp_path / "out.csv"
    source.write_bytes(encode_dump([make_comment(1, "on her page", subreddit="u_Alice"), make_comment(2, "elsewhere")]))
    clean(make_options(source, out, rule_config=RuleConfig(subreddits=frozenset({"u_alice"}))))
    assert [row["body"] for row in read_rows_csv(out)] == ["on her page"]


def test_half_a_character_costs_no_comment(tmp_path: Path) -> None:
    source, out = tmp_path / "RC.jsonl", tmp_path / "out.csv"
    source.write_bytes(b'{"text":"see \\ud83d that"}\n{"text":"whole"}\n')
    assert clean(make_options(source, out)).dropped == {}
    assert [row["body"] for row in read_rows_csv(out)] == ["see \ufffd that", "whole"]


def test_two_cleanings_of_one_output_do_not_collide(tmp_path: Path) -> None:
    source, out = tmp_path / "RC.jsonl", tmp_path / "out.csv"
    source.write_bytes(encode_dump([make_comment(n, f"number {n}") for n in range(9)]))
    late = make_options(source, out)

    def meanwhile(stage: str, done: int, total: int | None) -> None:
        with pytest.raises(LockedError, match=rf"out\.csv' is in use by process {os.getpid()}"):
            clean(late)

    clean(make_options(source, out), meanwhile)
    with pytest.raises(UsageError, match="already exists"):
        clean(late)
    assert len(read_rows_csv(out)) == 9
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == ["out.csv"]


def test_what_a_killed_cleaning_left_is_swept(tmp_path: Path) -> None:
    source, out = tmp_path / "RC.jsonl", tmp_path / "out.csv"
    source.write_bytes(encode_dump([make_comment(1, "one")]))
    (tmp_path / ".out.csv.99-0123abcd.tmp").write_text("half a corp")
    clean(make_options(source, out))
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == ["out.csv"]


ENCODERS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    ".jsonl": encode_dump,
    ".json": lambda comments: json.dumps({"data": comments}, indent=1).encode(),
    ".csv": lambda comments: _encode_table(comments, ","),
    ".tsv": lambda comments: _encode_table(comments, "\t"),
}


def _encode_table(comments: list[dict[str, Any]], separator: str) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(comments[0]), delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(comments)
    return file.getvalue().encode()


@pytest.mark.slow
@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize("form", ENCODERS)
def test_every_form_gives_the_same_corpus(tmp_path: Path, form: str, packing: str) -> None:
    comments = [make_comment(n, f"text number {n % 900}") for n in range(1000)]
    expected, out = tmp_path / "expected.csv", tmp_path / "out.csv"
    (tmp_path / "a.jsonl").write_bytes(encode_dump(comments))
    clean(make_options(tmp_path / "a.jsonl", expected))
    source = tmp_path / f"b{form}{packing}"
    source.write_bytes(COMPRESS[packing](ENCODERS[form](comments)))
    report = clean(make_options(source, out))

    assert out.read_bytes() == expected.read_bytes()
    assert (report.read, report.kept, report.dropped) == (1000, 900, {"duplicate": 100})


def test_parquet_gives_the_same_corpus(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    comments = [make_comment(n, f"text number {n}") for n in range(1500)]
    (tmp_path / "a.jsonl").write_bytes(encode_dump(comments))
    parquet.write_table(pyarrow.Table.from_pylist(comments), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        report = clean(make_options(tmp_path / name, tmp_path / f"{name}.csv"))
        assert (report.read, report.kept) == (1500, 1500)

    assert (tmp_path / "a.parquet.csv").read_bytes() == (tmp_path / "a.jsonl.csv").read_bytes()


def test_parquet_adds_up_among_other_forms(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    comments = [make_comment(n, None if n % 10 == 0 else f"text number {n % 700}") for n in range(1000)]
    parquet.write_table(pyarrow.Table.from_pylist(comments), tmp_path / "a.parquet")
    (tmp_path / "b.jsonl").write_bytes(encode_dump([make_comment(n, f"another {n}") for n in range(19)]))
    report = clean(make_options([tmp_path / "a.parquet", tmp_path / "b.jsonl"], tmp_path / "out.csv"))

    assert report.read == 1019
    assert report.dropped == {"schema": 100, "duplicate": 270}
    assert counts_add_up(report)


HOSTILE_LINES = st.one_of(
    st.sampled_from(
        [
            b'{"body":"a fine comment","id":"c1"}',
            b'{"body":"torn',
            b'{"body":"x","body":"y"}',
            b'{"body":"\\ud800 lone"}',
            b'{"body":"\xff"}',
            b'{"body":5,"score":1e999}',
            b'{"body":"numbers","score":' + b"9" * 5000 + b"}",
            b'{"body":"NaN","score":NaN}',
            b'{"body":null}',
            b'{"body":"odd","author":["x"],"id":{}}',
            b'{"x":' + b"[" * 10_000 + b"]" * 10_000 + b',"body":"deep"}',
            b'{"data":[{"body":"inside one"},{"body":"inside two"},3,null]}',
            b'{"data":null,"error":"Timeout. Maybe slow down a bit"}',
            b"[]",
            b"[[[[[",
            b"",
            b"\0\0\0",
            b'{"body":"' + b"y" * 2000 + b'"}',
            b'{"id":"c2","body":"&amp;lt; \\u202e \\u0000 \\u200b"}',
        ]
    ),
    st.binary(max_size=30),
    st.dictionaries(
        st.sampled_from([*Comment.__struct_fields__, "data", "edited"]),
        st.recursive(st.none() | st.integers() | st.text(max_size=20), st.lists, max_leaves=4),
    ).map(msgspec.json.encode),
)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    st.lists(HOSTILE_LINES, max_size=12),
    st.sampled_from([".jsonl", ".json", ".csv", ".tsv", ".zst"]),
    st.booleans(),
    st.integers(0, 40),
)
def test_whatever_comes_is_counted_once(
    tmp_path: Path, lines: list[bytes], form: str, replies: bool, torn: int
) -> None:
    source, out = tmp_path / f"a{form}", tmp_path / "out.jsonl"
    text = (b"id,body,author\n" if form == ".csv" else b"") + b"\n".join(lines)
    packed = COMPRESS[".zst"](text) if form == ".zst" else text
    source.write_bytes(packed[: len(packed) - torn] if torn < len(packed) // 2 else packed)
    out.unlink(missing_ok=True)
    try:
        report = clean(make_options(source, out, replies=replies))
    except GruError:
        assert not out.exists()
        return
    assert counts_add_up(report)
    assert out.exists() == bool(report.kept)
    if report.kept:
        read = RowReport()
        bodies = [row.body for row in read_rows(str(out), ReadOptions(), read)]
        assert (len(bodies), read.skipped) == (report.kept, {})
        assert sum(map(len, bodies)) == report.characters


def test_bad_rows_count_under_schema_with_their_lines(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_bytes(b'{"body":"fine"}\nno\n{"body":null}\n\n{"author":3,"body":5}\n{"id":"c"}\n')
    report = clean(make_options(source, tmp_path / "out.csv"))

    assert report.dropped == {"schema": 4}
    assert {
        reason: (drops.count, [line for _, line in drops.examples])
        for reason, drops in report.reasons["schema"].items()
    } == {
        "not JSON": (1, [2]),
        "no text": (2, [3, 6]),
        "'body' of a wrong type": (1, [5]),
    }


def test_damage_keeps_what_came_before_it(tmp_path: Path) -> None:
    source = tmp_path / "a.zst"
    packed = COMPRESS[".zst"](encode_dump([make_comment(n, f"{n} {os.urandom(30).hex()}") for n in range(9000)]))
    source.write_bytes(packed[: len(packed) // 2])
    report = clean(make_options(source, tmp_path / "out.csv"))

    assert report.kept == len(read_rows_csv(tmp_path / "out.csv")) > 1000
    assert report.dropped == {"schema": 1}
    assert "is corrupt: everything after line" in report.notes[0]
    assert counts_add_up(report)


@pytest.mark.slow
@pytest.mark.parametrize("replies", [False, True])
def test_any_number_of_workers_writes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replies: bool) -> None:
    monkeypatch.setattr(blocks, "TARGET_BLOCK_BYTES", 2000)
    monkeypatch.setattr(pipeline, "logical_cpus", lambda: 3)
    comments = [make_comment(n, f"text number {n % 700}", parent_id=f"t1_c{n - 5}") for n in range(1000)]
    (tmp_path / "a.jsonl").write_bytes(encode_dump(comments) + b"torn\n")
    (tmp_path / "b.csv").write_bytes(_encode_table(comments[::2], ","))
    sources = [tmp_path / "a.jsonl", tmp_path / "b.csv"]
    reports = [
        clean(make_options(sources, tmp_path / f"{count}.csv", workers=count, replies=replies)) for count in (1, 3)
    ]

    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "3.csv").read_bytes()
    assert replace(reports[0], seconds=0) == replace(reports[1], seconds=0)
    assert reports[0].read == 1501


def test_there_are_no_more_workers_than_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []

    class Counting(WorkerPool):
        def __init__(self, job: CleanJob, count: int) -> None:
            counts.append(count)
            super().__init__(job, count)

    monkeypatch.setattr(pipeline, "WorkerPool", Counting)
    monkeypatch.setattr(pipeline, "logical_cpus", lambda: 2)
    (tmp_path / "a.jsonl").write_bytes(encode_dump([make_comment(1, "one")]))
    assert clean(make_options(tmp_path / "a.jsonl", None, workers=100_000)).kept == 1
    assert counts == [2]


def test_near_duplicates_are_dropped_when_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("rensa")
    long = " ".join(f"word{n}" for n in range(50))
    source = tmp_path / "a.jsonl"
    source.write_bytes(
        encode_dump(
            [
                make_comment(1, long),
                make_comment(2, long + " edit: typo"),
                make_comment(3, "else"),
                make_comment(4, long),
            ]
        )
    )

    assert clean(make_options(source, None)).dropped == {"duplicate": 1}
    report = clean(make_options(source, None, rule_config=RuleConfig(near_duplicates=True)))
    assert report.dropped == {"duplicate": 1, "near-duplicate": 1}
    assert report.reasons["near-duplicate"][""].examples == [(str(source), 2)]


def test_a_rule_that_is_skipped_drops_nothing(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_bytes(encode_dump([make_comment(1, "same"), make_comment(2, "same"), make_comment(3, "[deleted]")]))
    report = clean(make_options(source, None, rule_config=RuleConfig(skip_rules=frozenset({"duplicate", "deleted"}))))

    assert (report.kept, report.dropped) == (3, {})


def test_the_rules_that_may_drop_are_named_in_their_order() -> None:
    assert filter_names(RuleConfig()) == ["schema", "deleted", "missing", "bot", "length", "duplicate"]
    asked = filter_names(RuleConfig(min_score=1, skip_rules=frozenset({"bot"}), near_duplicates=True))
    assert asked == ["schema", "deleted", "missing", "score", "length", "duplicate", "near-duplicate"]


def test_conversations_are_paths_and_the_rest_is_counted(tmp_path: Path) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "out.csv"
    source.write_bytes(
        encode_dump(
            [
                make_comment(3, "Thanks!", parent_id="t1_c2", link_id="t3_p"),
                make_comment(1, "A question?", parent_id="t3_p", link_id="t3_p", score=20),
                make_comment(2, "An answer.", parent_id="t1_c1", link_id="t3_p", score=9),
                make_comment(4, "Thanks!", parent_id="t1_c9", link_id="t3_p"),
                make_comment(4, "Thanks a lot!", parent_id="t1_c9", link_id="t3_p"),
            ]
        )
    )
    report = clean(make_options(source, out, replies=True, min_turns=2))

    assert [(row["thread"], row["turn"], row["body"]) for row in read_rows_csv(out)] == [
        ("t3_p.1", "1", "A question?"),
        ("t3_p.1", "2", "An answer."),
        ("t3_p.1", "3", "Thanks!"),
    ]
    assert (report.kept, report.conversations, report.characters) == (3, 1, 28)
    assert {reason: drops.count for reason, drops in report.reasons["conversation"].items()} == {
        "duplicate id": 1,
        "short conversation": 1,
    }
    assert counts_add_up(report)
    assert clean(make_options(source, None, replies=True, min_turns=2)).dropped == report.dropped
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["a.jsonl", "out.csv"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_no_conversations_are_made_of_conversations(tmp_path: Path, form: str) -> None:
    talk = tmp_path / f"talk.{form}"
    (tmp_path / "a.jsonl").write_bytes(encode_dump([make_comment(n, f"number {n}") for n in range(9)]))
    clean(make_options(tmp_path / "a.jsonl", talk, replies=True))
    with pytest.raises(UsageError, match="already contains conversations"):
        clean(make_options([tmp_path / "a.jsonl", talk], tmp_path / "out.csv", replies=True))

    assert not (tmp_path / "out.csv").exists()
    assert clean(make_options(talk, tmp_path / "out.csv")).kept == 9
    (tmp_path / "b.csv").write_text("thread,turn,id,parent_id,body\nx,1,c1,t3_p,Why?\nx,2,c2,t1_c1,Because.\n")
    assert clean(make_options(tmp_path / "b.csv", None, replies=True)).conversations == 1


def test_where_nothing_replies_to_anything_no_conversations_are_built(tmp_path: Path) -> None:
    sources = [tmp_path / f"{name}.jsonl" for name in "ab"]
    for number, source in enumerate(sources):
        parent = {"parent_id": "t3_p"} if source.stem == "a" else {"parent_id": None}
        source.write_bytes(encode_dump([make_comment(n, f"{n} of {number}", **parent) for n in range(9)]))

    with pytest.raises(UsageError, match=r"b\.jsonl' has no parents, which --replies needs"):
        clean(make_options(sources, tmp_path / "out.csv", replies=True))
    assert not (tmp_path / "out.csv").exists()
    assert not clean(make_options(sources[0], None, replies=True)).notes
    assert not clean(make_options(sources, None)).notes


def test_replies_to_what_is_not_there_are_told(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_bytes(encode_dump([make_comment(n, f"number {n}", parent_id=f"t1_gone{n}") for n in range(9)]))
    assert clean(make_options(source, None, replies=True)).notes == [
        "9 replies start a conversation: what they reply to is not there"
    ]


def test_a_txt_keeps_no_names_and_needs_no_key(tmp_path: Path, home: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(encode_dump([make_comment(1, "one"), make_comment(2, "two")]))
    clean(make_options(tmp_path / "a.jsonl", tmp_path / "out.txt"))
    clean(make_options(tmp_path / "a.jsonl", None))

    assert (tmp_path / "out.txt").read_text() == "one\n\ntwo\n\n"
    assert not (home / "author.key").exists()


def test_the_text_may_be_in_another_column(tmp_path: Path) -> None:
    for name, content in (
        ("a.jsonl", b'{"said":"one","body":"no"}\n{"body":"no"}\n{"said":"two"}\n'),
        ("a.csv", b"said,body\none,no\ntwo,no\n"),
        ("a.tsv", b"no\tone\nno\ttwo\n"),
    ):
        (tmp_path / name).write_bytes(content)
        column = "2" if name == "a.tsv" else "said"
        clean(make_options(tmp_path / name, tmp_path / "out.csv", read=ReadOptions().with_column(column), force=True))
        assert [row["body"] for row in read_rows_csv(tmp_path / "out.csv")] == ["one", "two"]
    (tmp_path / "lone.jsonl").write_bytes(b'{"text":"one"}\n{"text":"two"}\n')
    assert clean(make_options(tmp_path / "lone.jsonl", None)).kept == 2


@pytest.mark.parametrize("count", [3, 5000])
@pytest.mark.parametrize("column", [None, "boddy"])
def test_a_source_without_the_column_is_refused_and_named(tmp_path: Path, count: int, column: str | None) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "out.csv"
    source.write_bytes(b'{"id":"c1","said":"x"}\n' * count)
    with pytest.raises(UsageError, match=f"no column '{column or 'body'}'") as caught:
        clean(make_options(source, out, read=ReadOptions().with_column(column)))
    assert "id, said" in caught.value.hint
    (tmp_path / "a.csv").write_text("id,said\n1,x\n")
    with pytest.raises(UsageError, match="no column"):
        clean(make_options(tmp_path / "a.csv", out, read=ReadOptions().with_column(column)))
    assert not out.exists()


def test_a_first_row_without_the_text_is_no_reason_to_stop(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_bytes(b'{"id":"c1","x":1}\n' * 3 + b'{"id":"c2","body":"fine"}\n')

    assert clean(make_options(source, None)).dropped == {"schema": 3}


def test_where_nothing_is_kept_nothing_is_written(tmp_path: Path) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "out.csv"
    source.write_bytes(encode_dump([make_comment(1, "[deleted]")]))
    for replies in (False, True):
        report = clean(make_options(source, out, replies=replies))
        assert (report.read, report.kept, counts_add_up(report)) == (1, 0, True)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.jsonl"]


def test_what_was_there_is_kept_unless_forced(tmp_path: Path) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "out.csv"
    source.write_bytes(encode_dump([make_comment(1, "x y")]))
    out.write_text("before")
    with pytest.raises(UsageError, match="already exists"):
        make_options(source, out)
    with pytest.raises(UsageError, match="both input and output"):
        make_options(source, source, force=True)
    (tmp_path / "link.jsonl").symlink_to(source)
    with pytest.raises(UsageError, match="both input and output"):
        make_options(source, tmp_path / "link.jsonl", force=True)
    assert out.read_text() == "before"
    clean(make_options(source, out, force=True))
    assert len(read_rows_csv(out)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("fatal", range(1, 5))
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, fatal: int) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "out.csv"
    source.write_bytes(encode_dump([make_comment(n, f"text {n} " * 30) for n in range(3000)]))
    out.write_text("before")
    pseudonyms.author_key()
    with failing_disk(fatal, 28), pytest.raises(OSError, match="No space left"):
        clean(make_options(source, out, force=True))

    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["a.jsonl", "out.csv"]


@pytest.mark.slow
def test_memory_stays_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "TARGET_BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr(blocks, "_PREFETCH_SLICE_BYTES", 1 << 14)

    def peak(count: int) -> int:
        text = encode_dump([make_comment(n % 50, "the same text again and again " * 9) for n in range(50)]) * (
            count // 50
        )
        source = tmp_path / f"{count}.jsonl.zst"
        source.write_bytes(COMPRESS[".zst"](text))
        del text
        tracemalloc.start()
        clean(
            make_options(source, tmp_path / f"{count}.csv", rule_config=RuleConfig(skip_rules=frozenset({"duplicate"})))
        )
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(2000) * 1.3 > peak(20_000)


def test_standard_input_and_short_reads_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = encode_dump([make_comment(n, f"text number {n % 90}") for n in range(100)]) + b'{"body":\n"x"}\n{}{}\n'
    (tmp_path / "a.jsonl").write_bytes(text)
    clean(make_options(tmp_path / "a.jsonl", tmp_path / "file.csv"))

    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(7)

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Trickle(text)))
    monkeypatch.setattr(blocks, "TARGET_BLOCK_BYTES", 500)
    report = clean(CleanOptions(sources=resolve_sources(["-"]), output=parse_output(tmp_path / "pipe.csv")))

    assert (tmp_path / "pipe.csv").read_bytes() == (tmp_path / "file.csv").read_bytes()
    assert report.dropped == {"duplicate": 10, "schema": 4}


def test_sources_that_cannot_be_meant(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    for names, what in (
        (["-", "-"], "twice"),
        ([str(tmp_path / "a.txt")], "running text"),
        (["nothing.zst"], "no such file"),
    ):
        with pytest.raises(UsageError, match=what):
            CleanOptions(sources=resolve_sources(names), output=None)
    with pytest.raises(UsageError, match="FILE"):
        CleanOptions(sources=(), output=None)
    with pytest.raises(UsageError, match="--min-turns"):
        CleanOptions(sources=resolve_sources(["-"]), output=None, min_turns=2)


@pytest.mark.parametrize(
    ("rule", "option", "options"),
    [
        ("score", "--min-score", {"min_score": 3}),
        ("author", "--not-author", {"not_authors": frozenset({"ann"})}),
        ("subreddit", "--subreddit", {"subreddits": frozenset({"python"})}),
        ("length", "--max-chars", {"max_chars": 50}),
        ("near-duplicate", "--near-duplicates", {"near_duplicates": True}),
    ],
)
def test_a_rule_cannot_be_asked_for_and_skipped(rule: str, option: str, options: dict[str, Any]) -> None:
    config = RuleConfig(skip_rules=frozenset({rule}), **options)
    with pytest.raises(UsageError, match=f"{option} conflicts with --skip-rule {rule}"):
        CleanOptions(sources=resolve_sources(["-"]), output=None, rule_config=config)
    CleanOptions(
        sources=resolve_sources(["-"]), output=None, rule_config=replace(config, skip_rules=frozenset({"bot"}))
    )


def test_every_option_of_a_rule_is_known_to_contradict_skipping_it() -> None:
    configurable = {each.name for each in fields(RuleConfig)} - {"skip_rules"}
    assert sorted(name for rule in RULES for name in rule.options.values()) == sorted(configurable)
    for rule in RULES:
        for flag, name in rule.options.items():
            assert name in {text := flag.removeprefix("--").replace("-", "_"), f"{text}s"}


def test_progress_is_told_by_bytes(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl.gz"
    source.write_bytes(
        COMPRESS[".gz"](encode_dump([make_comment(n, f"{n} {os.urandom(20).hex()}") for n in range(3000)]))
    )
    reported: list[tuple[str, int, int | None]] = []
    asked = make_options(source, None)
    clean(asked, lambda stage, done, total: reported.append((stage, done, total)))

    assert asked.size == source.stat().st_size
    assert reported[0] == ("cleaning", 0, asked.size)
    assert reported[-1] == ("cleaning", asked.size, asked.size)
    assert reported == sorted(reported)


@pytest.mark.parametrize("keys", [process_local_keys, text_keys])
def test_keys_are_the_same_where_the_texts_are(keys: Callable[[list[Comment], bool], bytes]) -> None:
    # The second and the third are the same bytes in Python's memory.
    texts = ["Well, yes.", "ab", "\u6261", "", "é", "😀", "\ufffd"]
    comments = [Comment(text, parent_id=parent) for text in texts for parent in ("t1_a", "t1_b")]

    def different(replies: bool) -> int:
        result = np.frombuffer(keys(comments, replies), np.uint64)
        assert result.tobytes() == keys(
            [Comment("".join(c.body or ""), parent_id=c.parent_id) for c in comments], replies
        )
        return len(set(result.tolist()))

    assert different(replies=False) == len(texts)
    assert different(replies=True) == len(comments)


def test_only_who_works_alone_uses_keys_that_nobody_else_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(encode_dump([make_comment(number, "Well, well.") for number in range(3)]))
    monkeypatch.setattr(
        "grucli.reddit.clean.batch.process_local_keys", lambda comments, replies: bytes(8 * len(comments))
    )
    monkeypatch.setattr("grucli.reddit.clean.batch.text_keys", lambda *_: pytest.fail("the slow way"))

    assert clean(make_options(path, None, workers=1)).dropped == {"duplicate": 2}
    with pytest.raises(pytest.fail.Exception, match="the slow way"):
        make_job_cleaner(CleanJob(RuleConfig(), "csv", None))(
            RawBatch(0, {"body": "body"}, blocks.Block(1, b'{"body":"Well."}'), [])
        )


def test_fields_of_any_table_make_a_comment() -> None:
    assert comment_from_record({"text": "x", "author": "", "body": "y", "score": 3}, {"body": "text"}) == Comment(
        "x", score=3
    )
    with pytest.raises(msgspec.ValidationError):
        comment_from_record({"body": ["x"]}, {})


def test_a_batch_can_be_sent_and_gives_the_same_anywhere() -> None:
    def sent(value: Any) -> Any:
        inbox, outbox = multiprocessing.Pipe(duplex=False)
        with inbox, outbox:
            outbox.send(value)
            return inbox.recv()

    job = pipeline.make_job(
        CleanOptions(sources=resolve_sources(["-"]), output=parse_output("x.csv"), rule_config=RuleConfig(min_score=1))
    )
    batch = RawBatch(
        0, {"body": "body"}, blocks.Block(1, encode_dump([make_comment(1, "one"), make_comment(0, "two")])[:-1]), []
    )
    there = sent(make_job_cleaner(sent(job))(sent(batch)))

    assert there == make_job_cleaner(job)(batch)
    assert isinstance(there, CleanedBatch)
    assert there.dropped == RowReport(skipped=Counter({"score: too low": 1}), lines={"score: too low": [2]})
