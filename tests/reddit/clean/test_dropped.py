"""The file of dropped comments has each of them once, with its rule, as it was read, and without its author's name."""

import gzip
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from grucli.errors import UsageError
from grucli.read import blocks
from grucli.read.sources import resolve_sources
from grucli.reddit.clean import pipeline
from grucli.reddit.clean.dropped import RecordEncoder, resolve_dropped
from grucli.reddit.clean.options import CleanOptions
from grucli.reddit.clean.pipeline import clean
from grucli.reddit.clean.report import CleanReport
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.corpus.pseudonyms import AuthorHasher, author_key
from grucli.reddit.corpus.writer import parse_output

Row = dict[str, Any]

ROWS: list[Row] = [
    {"id": "c1", "author": "Ann", "body": "Well, yes.", "link_id": "t3_p", "parent_id": "t3_p", "flair": {"a": [1]}},
    {"id": "c2", "author": "RemindMeBot", "body": "I will.", "link_id": "t3_p", "parent_id": "t1_c1", "score": 5},
    {"id": "c3", "author": "u/Bob", "body": "Well, yes.", "link_id": "t3_p", "parent_id": "t3_p", "username": "Bob"},
    {
        "id": "c4",
        "author": "bob",
        "body": "[removed]",
        "link_id": "t3_p",
        "parent_id": "t1_c1",
        "author_fullname": "t2_b",
    },
    {"id": "c5", "author": "", "body": "nan", "link_id": "t3_p", "parent_id": "t1_c1", "subreddit": "u_Bob"},
    {"id": "c1", "author": "Eve", "body": "Another one.", "link_id": "t3_p", "parent_id": "t1_c2"},
    {"id": "c7", "author": "Eve", "body": None, "link_id": "t3_p", "parent_id": "t1_c2"},
    {"id": "c8", "author": "Eve", "body": "**Bold** reply.", "link_id": "t3_q", "parent_id": "t3_q"},
]


def write_sources(folder: Path) -> list[Path]:
    """Write the rows as JSON lines with bad lines between, and as tables."""
    lines = [json.dumps(row) for row in ROWS]
    lines[3:3] = ["torn", '{"body": 5, "author": "Ann"}']
    (folder / "a.jsonl").write_text("\n".join([*lines, "x" * 5000]) + "\n")
    names = ("id", "author", "body", "parent_id")
    table = [",".join(names), *(",".join(f'"{row[name] or ""}"' for name in names) for row in ROWS)]
    table[4:4] = ['c9,"torn', "c10,too,many,fields,here"]
    (folder / "b.csv").write_text("\n".join(table).replace('"torn', "torn") + "\n")
    return [folder / "a.jsonl", folder / "b.csv"]


def run(
    sources: list[Path], folder: Path, name: str = "dropped.jsonl", **options: Any
) -> tuple[CleanReport, list[Row]]:
    path = folder / name
    report = clean(
        CleanOptions(
            sources=resolve_sources([str(source) for source in sources]),
            output=parse_output(folder / f"{name.split('.')[0]}-corpus.jsonl"),
            dropped=resolve_dropped(str(path), dry_run=False),
            **options,
        )
    )
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return report, [json.loads(line) for line in data.splitlines()]


@pytest.mark.parametrize("replies", [False, True])
def test_every_dropped_comment_is_there_once(tmp_path: Path, replies: bool) -> None:
    options: Row = {"replies": True, "min_turns": 2} if replies else {}
    report, rows = run(write_sources(tmp_path), tmp_path, **options)
    assert len(rows) == report.dropped.total() == report.read - report.kept
    for rule, count in report.dropped.items():
        assert sum(row["rule"] == rule for row in rows) == count
    for rule, by_reason in report.reasons.items():
        for reason, drops in by_reason.items():
            found = [(row["source"], row["line"]) for row in rows if (row["rule"], row["reason"]) == (rule, reason)]
            assert set(drops.examples) <= set(found)
            assert len(found) == drops.count


def test_a_comment_is_as_it_was_read_and_its_author_is_hashed(tmp_path: Path, home: Path) -> None:
    _, rows = run(write_sources(tmp_path)[:1], tmp_path)
    hasher = AuthorHasher(author_key())
    by_line = {row["line"]: row for row in rows}
    assert by_line[2] == {
        "source": str(tmp_path / "a.jsonl"),
        "line": 2,
        "rule": "bot",
        "reason": "name",
        "record": ROWS[1] | {"author": hasher("RemindMeBot")},
    }
    assert by_line[3]["rule"] == "duplicate"
    assert by_line[3]["record"] == ROWS[2] | {"author": hasher("bob"), "username": hasher("bob")}
    assert by_line[6]["record"]["author_fullname"] == hasher("t2_b")
    assert by_line[7]["record"]["subreddit"] == f"u_{hasher('bob')}"
    assert (by_line[7]["rule"], by_line[7]["reason"]) == ("missing", "")
    text = (tmp_path / "dropped.jsonl").read_text()
    assert not any(name in text for name in ('"Ann"', '"Bob"', '"Eve"', "RemindMe", "u/"))


def test_a_bad_row_is_quoted_in_part(tmp_path: Path) -> None:
    _, rows = run(write_sources(tmp_path), tmp_path)
    bad = {(Path(row["source"]).name, row["line"]): row for row in rows if "raw" in row}
    assert bad["a.jsonl", 4] == {
        "source": str(tmp_path / "a.jsonl"),
        "line": 4,
        "rule": "schema",
        "reason": "not JSON",
        "raw": "torn",
    }
    assert len(bad["a.jsonl", 11]["raw"]) == blocks.MAX_BAD_ROW_CHARS
    assert bad["b.csv", 6]["raw"] == "c10,too,many,fields,here"
    assert [row["line"] for row in rows if row["source"].endswith("a.jsonl")] == sorted(
        row["line"] for row in rows if row["source"].endswith("a.jsonl")
    )


@pytest.mark.parametrize("replies", [False, True])
def test_the_corpus_is_the_same_with_and_without_it(tmp_path: Path, replies: bool) -> None:
    sources = write_sources(tmp_path)
    run(sources, tmp_path, replies=replies)
    options = CleanOptions(
        sources=resolve_sources([str(source) for source in sources]),
        output=parse_output(tmp_path / "alone.jsonl"),
        replies=replies,
    )
    clean(options)
    assert (tmp_path / "alone.jsonl").read_bytes() == (tmp_path / "dropped-corpus.jsonl").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("replies", [False, True])
def test_any_number_of_workers_writes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replies: bool) -> None:
    monkeypatch.setattr(blocks, "TARGET_BLOCK_BYTES", 300)
    monkeypatch.setattr(pipeline, "logical_cpus", lambda: 3)
    sources = write_sources(tmp_path)
    for count in (1, 3):
        run(sources, tmp_path, f"{count}.jsonl", workers=count, replies=replies, min_turns=2 if replies else None)
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "3.jsonl").read_bytes()


def test_it_is_written_where_nothing_is_kept(tmp_path: Path) -> None:
    report, rows = run(write_sources(tmp_path)[:1], tmp_path, "x.jsonl.gz", rule_config=RuleConfig(min_chars=500))
    assert (report.kept, len(rows)) == (0, report.read)
    assert not (tmp_path / "x-corpus.jsonl").exists()


@pytest.mark.skipif(os.name == "nt", reason="no modes")
def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    run(write_sources(tmp_path), tmp_path)
    assert stat.S_IMODE((tmp_path / "dropped.jsonl").stat().st_mode) == 0o600


def test_a_refused_run_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no scores"):
        run(write_sources(tmp_path)[1:], tmp_path, rule_config=RuleConfig(min_score=1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.csv"]


@pytest.mark.parametrize(
    ("name", "dry_run", "message"),
    [
        ("x.csv", False, "not a file of JSON lines"),
        ("x.dat", False, "unsupported output suffix"),
        ("x.jsonl", True, "--dropped conflicts with --dry-run"),
    ],
)
def test_what_it_cannot_be(name: str, dry_run: bool, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve_dropped(name, dry_run=dry_run)
    assert resolve_dropped(None, dry_run=dry_run) is None


def test_it_is_no_other_file_of_the_run(tmp_path: Path) -> None:
    sources = resolve_sources([str(path) for path in write_sources(tmp_path)])
    output = parse_output(tmp_path / "out.jsonl")
    with pytest.raises(UsageError, match="name the same file"):
        CleanOptions(sources=sources, output=output, dropped=output)
    with pytest.raises(UsageError, match="both input and output"):
        CleanOptions(sources=sources, output=output, dropped=parse_output(tmp_path / "a.jsonl"), force=True)
    (tmp_path / "d.jsonl").touch()
    with pytest.raises(UsageError, match="already exists") as error:
        CleanOptions(sources=sources, output=output, dropped=parse_output(tmp_path / "d.jsonl"))
    assert "--dropped" in error.value.hint


def test_without_a_key_authors_are_left_out() -> None:
    fields: Row = {"user": {"name": "Ann"}, "a": [{"author": "Ann", "b": 1}], "text": "Hi.", "n": 1.5}
    assert json.loads(b"{%s}" % RecordEncoder(None)(fields, None))["record"] == {
        "user": None,
        "a": [{"author": None, "b": 1}],
        "text": "Hi.",
        "n": 1.5,
    }
    deep: Row = {}
    for _ in range(100):
        deep = {"a": deep, "author": "Ann"}
    assert b"Ann" not in RecordEncoder(AuthorHasher(bytes(32)))(deep, None)
