"""One comment on its way through the rules, duplicates included."""

import json
from pathlib import Path
from typing import Any

import pytest

from grucli.errors import UsageError
from grucli.reddit.explaining import Explained, explain_comment
from grucli.reddit.pipeline import Plan, locate_all
from grucli.reddit.rules.settings import Settings

LONG = " ".join(f"word{n}" for n in range(40))
COMMENTS = [
    {"id": "c1", "body": "*Salt* &amp;amp; pepper", "author": "Somebody"},
    {"id": "c2", "body": "[deleted]"},
    {"id": "c3", "body": "Salt & pepper", "parent_id": "t1_x"},
    {"id": "c4", "body": LONG},
    {"id": "c5", "body": f"{LONG} again"},
    {"body": "no id"},
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(comment) + "\n" for comment in COMMENTS))
    return path


def explained(source: Path, name: str, **options: Any) -> Explained:
    return explain_comment(Plan(sources=locate_all([str(source)]), output=None, **options), name)


def test_each_rule_that_changes_a_comment_shows_how(source: Path) -> None:
    found = explained(source, "t1_c1")
    changed = {step.rule: (step.before, step.after) for step in found.steps if step.before != step.after}

    assert changed == {
        "entities": ("*Salt* &amp;amp; pepper", "*Salt* & pepper"),
        "markdown": ("*Salt* & pepper", "Salt & pepper"),
    }
    assert (found.raw.body, found.raw.author, found.line, found.kept) == (
        "*Salt* &amp;amp; pepper",
        "Somebody",
        1,
        True,
    )
    assert found.steps[-1].rule == "duplicate"


def test_what_is_dropped_says_by_which_rule(source: Path) -> None:
    found = explained(source, "c2")

    assert [(step.rule, step.dropped) for step in found.steps][-1] == ("deleted", "deleted")
    assert not found.kept


def test_a_duplicate_names_the_first(source: Path) -> None:
    assert explained(source, "c3").steps[-1].dropped == f"as c1, line 1 of {source}"
    assert explained(source, "c3", replies=True).kept
    assert explained(source, "c3", settings=Settings(skip=frozenset({"duplicate"}))).kept


def test_a_near_duplicate_names_the_first(source: Path) -> None:
    pytest.importorskip("rensa")
    assert explained(source, "c5").kept
    last = explained(source, "c5", near_duplicates=True).steps[-1]

    assert (last.rule, last.dropped) == ("near-duplicate", f"as c4, line 4 of {source}")
    assert explained(source, "c4", near_duplicates=True).kept


def test_a_comment_that_is_not_there(source: Path) -> None:
    for name in ("c9", "c", "word1"):
        with pytest.raises(UsageError, match=f"no comment '{name}'"):
            explained(source, name)


def test_tables_are_searched_too(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,said\nt1_c1,**x y**\n")

    assert explained(path, "c1", column="said").steps[-2].after == "x y"
