"""The fields of comments from other tools: names, ids, scores and times as they write them."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from grucli.read.schema import ReadOptions
from grucli.read.sources import resolve_sources
from grucli.reddit.clean.options import CleanOptions
from grucli.reddit.clean.pipeline import clean
from grucli.reddit.clean.report import CleanReport
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.corpus.pseudonyms import AuthorHasher, author_key
from grucli.reddit.corpus.writer import parse_output

Row = dict[str, Any]
SECOND = 1_700_000_000


def run(path: Path, rows: list[Row], *, replies: bool = False, **config: Any) -> tuple[CleanReport, list[Row]]:
    """Clean rows, and return the report and the corpus."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    output = path.with_name("out.jsonl")
    report = clean(
        CleanOptions(
            sources=resolve_sources([str(path)]),
            output=parse_output(output),
            rule_config=RuleConfig(**config),
            read=ReadOptions(),
            replies=replies,
            force=True,
        )
    )
    return report, [json.loads(line) for line in output.read_text().splitlines()] if report.kept else []


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_table_of_another_tool_becomes_a_corpus_like_any_other(tmp_path: Path, home: Path, suffix: str) -> None:
    names = ("comment_id", "Author", "comment_score", "created", "Subreddit", "comment_body")
    values = [
        ("c1", "u/Ann", "1.2k", "2023-11-14 22:13:20", "r/madeup", "It is a cat."),
        (
            "t1_c2",
            "https://www.reddit.com/user/Ann/",
            "3 points",
            "Nov 14, 2023 10:13:20 PM",
            "/r/madeup/",
            "It is so.",
        ),
        ("c3", "u/AutoModerator", "1", "2023-11-14", "madeup", "Read the rules."),
        ("c4", "None", "nan", "NaT", "N/A", "Nobody said so."),
        ("c5", "Bob", "5", "2023-11-14", "madeup", "NaN"),
    ]
    report, corpus = run(tmp_path / f"x{suffix}", [dict(zip(names, row, strict=True)) for row in values])
    ann = AuthorHasher(author_key())("ann")
    assert report.dropped == {"bot": 1, "missing": 1}
    assert corpus[:2] == [
        {"id": id_, "author": ann, "subreddit": "madeup", "score": score, "created_utc": SECOND, "body": body}
        for id_, score, body in (("c1", 1200, "It is a cat."), ("t1_c2", 3, "It is so."))
    ]
    assert corpus[2] == dict.fromkeys(("id", "subreddit", "score", "created_utc")) | {
        "id": "c4",
        "author": "",
        "body": "Nobody said so.",
    }
    assert not report.unread


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("option", ["ann", "u/Ann", "@ANN", "https://reddit.com/u/ann"])
def test_an_author_is_one_in_every_spelling(tmp_path: Path, suffix: str, option: str) -> None:
    authors = ("ann", "u/Ann", "/u/ANN", " @ann", "https://www.reddit.com/user/Ann/", "bob", "annie")
    rows = [{"username": author, "body": f"number {n}"} for n, author in enumerate(authors)]
    assert run(tmp_path / f"x{suffix}", rows, not_authors=frozenset({option}))[0].dropped == {"author": 5}
    assert run(tmp_path / f"x{suffix}", rows, authors=frozenset({option}))[0].kept == 5


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize(
    ("dates", "expected"), [(("11/14/2023", "02/01/2024"), "2024-02-01"), (("14/11/2023", "02/01/2024"), "2024-01-02")]
)
def test_dates_with_slashes_are_read_in_the_order_that_one_of_them_shows(
    tmp_path: Path, suffix: str, dates: tuple[str, str], expected: str
) -> None:
    # The one that shows the order comes last, long after the first batch.
    rows = [{"date": f"{dates[1]} 10:00", "body": f"number {n}"} for n in range(1200)]
    report, corpus = run(tmp_path / f"x{suffix}", [*rows, {"date": dates[0], "body": "the last"}])
    assert not report.unread
    assert {row["created_utc"] for row in corpus[:-1]} == {
        {"2024-02-01": 1_706_781_600, "2024-01-02": 1_704_189_600}[expected]
    }
    assert corpus[-1]["created_utc"] == 1_699_920_000


@pytest.mark.parametrize("dates", [("02/01/2024", "03/01/2024"), ("31/01/2024", "01/31/2024")])
def test_dates_of_an_uncertain_order_are_not_read(tmp_path: Path, dates: tuple[str, ...]) -> None:
    report, corpus = run(tmp_path / "x.csv", [{"date": date, "body": f"number {n}"} for n, date in enumerate(dates)])
    assert [row["created_utc"] for row in corpus] == [None, None]
    assert re.search(r"2 times in .* cannot be read, the first in line 2", report.notes[0])
    assert report.to_json()["unread"] == {
        str(tmp_path / "x.csv"): {"created_utc": {"count": 2, "first": [f"{tmp_path / 'x.csv'}:{n}" for n in (2, 3)]}}
    }


@pytest.mark.parametrize(
    "value", [SECOND, SECOND * 1000 + 5, SECOND * 10**6, f"{SECOND}.0", str(SECOND), float(SECOND)]
)
def test_times_are_numbers_of_any_unit_in_dumps_too(tmp_path: Path, value: object) -> None:
    rows = [{"id": "c1", "author": "a", "score": 1, "created_utc": value, "body": "Well, yes."}]
    assert run(tmp_path / "x.jsonl", rows)[1][0]["created_utc"] == SECOND


def test_numbers_as_ids_lose_no_row(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"id": 1, "parent_id": None, "author": 5, "body": "Why?"},
        {"id": 2, "parent_id": 1.0, "author": True, "body": "Because.", "score": [], "created_utc": {}},
        {"id": "3", "parent_id": 2.0, "author": "ann", "body": "Ah."},
    ]
    report, corpus = run(tmp_path / "x.jsonl", rows, replies=True)
    assert (report.dropped, report.conversations) == ({}, 1)
    assert [row["id"] for row in corpus] == ["1", "2", "3"]


def test_replies_join_by_the_columns_of_other_tools(tmp_path: Path) -> None:
    rows = [
        {"comment_id": "a", "parent_comment_id": "", "post_id": "p", "text": "Why?"},
        {"comment_id": "b", "parent_comment_id": "a", "post_id": "p", "text": "Because."},
        {"comment_id": "c", "parent_comment_id": "t1_b", "post_id": "t3_p", "text": "Ah."},
        {"comment_id": "d", "parent_comment_id": "p", "post_id": "p", "text": "Another."},
    ]
    report, corpus = run(tmp_path / "x.csv", rows, replies=True)
    assert report.conversations == 2
    assert [(row["thread"], row["turn"]) for row in corpus] == [
        *(("t3_p.1", 1), ("t3_p.1", 2), ("t3_p.1", 3)),
        ("t3_p.2", 1),
    ]


@pytest.mark.parametrize("column", ["author", "username", "user", "comment_author", "poster"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_no_corpus_has_an_author_in_plain(tmp_path: Path, suffix: str, column: str) -> None:
    rows = [
        {
            column: "made_up_otter",
            "body": "It is a cat.",
            "subreddit": "u_made_up_otter",
            "permalink": "/u/made_up_otter",
        }
    ]
    run(tmp_path / f"x{suffix}", rows)
    assert b"otter" not in (tmp_path / "out.jsonl").read_bytes()
