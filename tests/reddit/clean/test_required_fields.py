"""An option that cannot work on a source is refused, whatever the source: no option is ignored in silence."""

import json
from pathlib import Path
from typing import Any

import pytest

from grucli.errors import UsageError
from grucli.read.sources import resolve_sources
from grucli.reddit.clean.explain import explain_comment
from grucli.reddit.clean.options import CleanOptions
from grucli.reddit.clean.pipeline import clean
from grucli.reddit.clean.report import CleanReport
from grucli.reddit.clean.required_fields import required_fields
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.registry import RULES

OPTIONS: dict[str, dict[str, Any]] = {
    "--author": {"authors": frozenset({"ann"})},
    "--not-author": {"not_authors": frozenset({"ann"})},
    "--min-score": {"min_score": 1},
    "--max-score": {"max_score": 5},
    "--after": {"after": 5},
    "--before": {"before": 5},
    "--subreddit": {"subreddits": frozenset({"pics"})},
}
FLAGS = {"author": "--author-column", "score": "--score-column", "created_utc": "--time-column"}


def run(path: Path, *, replies: bool = False, **config: Any) -> CleanReport:
    options = CleanOptions(
        sources=resolve_sources([str(path)]), output=None, rule_config=RuleConfig(**config), replies=replies
    )
    return clean(options)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        text = [
            ",".join(rows[0]),
            *(",".join("" if cell is None else str(cell) for cell in row.values()) for row in rows),
        ]
        path.write_text("\n".join(text) + "\n")
    return path


def test_every_option_on_metadata_names_the_field_that_it_needs() -> None:
    assert {flag for rule in RULES if rule.field for flag in rule.options} == set(OPTIONS)
    for flag, config in OPTIONS.items():
        assert [need.option for need in required_fields(RuleConfig(**config), replies=False)] == [flag]
    assert [need.field for need in required_fields(RuleConfig(), replies=True)] == ["id", "parent_id"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("flag", OPTIONS)
def test_an_option_without_its_column_is_refused(tmp_path: Path, flag: str, suffix: str) -> None:
    path = write(tmp_path / f"x{suffix}", [{"body": f"number {n}"} | {"other": "well; yes"[:n]} for n in range(9)])
    with pytest.raises(UsageError, match=rf"x{suffix}' has no \w+, which {flag} needs") as error:
        run(path, **OPTIONS[flag])
    assert error.value.hint.endswith("-column; it has: body, other")


@pytest.mark.parametrize("empty", [None, "", "nan", "NULL"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("flag", OPTIONS)
def test_an_option_whose_column_is_empty_is_refused(tmp_path: Path, flag: str, suffix: str, empty: str | None) -> None:
    field = next(rule.field for rule in RULES if flag in rule.options)
    path = write(tmp_path / f"x{suffix}", [{"body": f"number {n}", field: empty} for n in range(9)])
    with pytest.raises(UsageError, match=f"which {flag} needs"):
        run(path, **OPTIONS[flag])
    write(path, [{"body": f"number {n}", field: empty if n else "7"} for n in range(9)])
    assert run(path, **OPTIONS[flag]).read == 9


@pytest.mark.parametrize("missing", ["id", "parent_id"])
def test_conversations_without_ids_or_parents_are_refused(tmp_path: Path, missing: str) -> None:
    row = {"id": "c1", "parent_id": "t3_p", "body": "Well."}
    del row[missing]
    with pytest.raises(UsageError, match="which --replies needs"):
        run(write(tmp_path / "x.csv", [row]), replies=True)


def test_a_source_without_rows_lacks_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").touch()
    assert run(tmp_path / "x.jsonl", min_score=2).read == 0
    (tmp_path / "x.csv").write_text("id,score,body\n")
    assert run(tmp_path / "x.csv", min_score=2).read == 0


def test_one_source_of_several_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", [{"score": 3, "body": "Well."}])
    write(tmp_path / "b.csv", [{"id": "c1", "body": "Well, yes."}])
    sources = resolve_sources([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")])
    with pytest.raises(UsageError, match=r"b\.csv"):
        clean(CleanOptions(sources=sources, output=None, rule_config=RuleConfig(min_score=1)))


def test_explaining_a_comment_refuses_as_well(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", [{"id": "c1", "body": "Well."}])
    options = CleanOptions(sources=resolve_sources([str(path)]), output=None, rule_config=RuleConfig(min_score=1))
    with pytest.raises(UsageError, match="which --min-score needs"):
        explain_comment(options, "c1")


@pytest.mark.parametrize(("num_bad", "is_refused"), [(4, False), (6, True)])
def test_times_are_needed_where_they_are_compared(tmp_path: Path, num_bad: int, is_refused: bool) -> None:
    times = ["the day before"] * num_bad + ["2023-11-14 22:13"] * (10 - num_bad)
    path = write(tmp_path / "x.csv", [{"body": f"number {n}", "created": time} for n, time in enumerate(times)])
    report = run(path)
    assert report.unread[str(path)]["created_utc"].count == num_bad
    assert report.notes == [
        f"{num_bad} times in '{path}' cannot be read, the first in line 2: they count as missing",
    ]
    if is_refused:
        with pytest.raises(UsageError, match=r"6 of 10 times in .* cannot be read, which --after needs"):
            run(path, after=5)
    else:
        assert run(path, after=5).dropped == {"date": num_bad}
