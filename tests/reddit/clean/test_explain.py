"""One comment on its way through the rules, duplicates included."""

import json
from pathlib import Path
from typing import Any

import pytest

from grucli.errors import UsageError
from grucli.read.schema import ReadOptions
from grucli.read.sources import resolve_sources
from grucli.reddit.clean.explain import Explanation, explain_comment
from grucli.reddit.clean.options import CleanOptions
from grucli.reddit.clean.pipeline import clean
from grucli.reddit.clean.rules.config import RuleConfig

LONG_TEXT = " ".join(f"word{n}" for n in range(40))
COMMENTS = [
    {"id": "c1", "body": "*Salt* &amp;amp; pepper", "author": "Somebody"},
    {"id": "c2", "body": "[deleted]"},
    {"id": "c3", "body": "Salt & pepper", "parent_id": "t1_x"},
    {"id": "c4", "body": LONG_TEXT},
    {"id": "c5", "body": f"{LONG_TEXT} again"},
    {"body": "no id"},
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(comment) + "\n" for comment in COMMENTS))
    return path


def explain_by_id(source: Path, name: str, **options: Any) -> Explanation:
    return explain_comment(CleanOptions(sources=resolve_sources([str(source)]), output=None, **options), name)


def test_each_rule_that_changes_a_comment_shows_how(source: Path) -> None:
    result = explain_by_id(source, "t1_c1")
    changed = {step.rule: (step.before, step.after) for step in result.steps if step.before != step.after}

    assert changed == {
        "entities": ("*Salt* &amp;amp; pepper", "*Salt* & pepper"),
        "markdown": ("*Salt* & pepper", "Salt & pepper"),
    }
    assert (result.raw.body, result.raw.author, result.line, result.kept) == (
        "*Salt* &amp;amp; pepper",
        "Somebody",
        1,
        True,
    )
    assert result.steps[-1].rule == "duplicate"


def test_what_is_dropped_says_by_which_rule(source: Path) -> None:
    result = explain_by_id(source, "c2")

    assert [(step.rule, step.dropped) for step in result.steps][-1] == ("deleted", "deleted")
    assert not result.kept


def test_a_duplicate_names_the_first(source: Path) -> None:
    assert explain_by_id(source, "c3").steps[-1].dropped == f"as c1, line 1 of {source}"
    assert explain_by_id(source, "c3", replies=True).kept
    assert explain_by_id(source, "c3", rule_config=RuleConfig(skip_rules=frozenset({"duplicate"}))).kept


def test_a_near_duplicate_names_the_first(source: Path) -> None:
    pytest.importorskip("rensa")
    assert explain_by_id(source, "c5").kept
    last = explain_by_id(source, "c5", rule_config=RuleConfig(near_duplicates=True)).steps[-1]

    assert (last.rule, last.dropped) == ("near-duplicate", f"as c4, line 4 of {source}")
    assert explain_by_id(source, "c4", rule_config=RuleConfig(near_duplicates=True)).kept


def test_a_conversation_is_put_together_as_the_cleaning_does(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [
        {"id": "c3", "body": "Thanks!", "parent_id": "t1_c2", "link_id": "t3_p"},
        {"id": "c1", "body": "A question?", "parent_id": "t3_p", "link_id": "t3_p"},
        {"id": "c2", "body": "An answer.", "parent_id": "t1_c1", "link_id": "t3_p"},
        {"id": "c4", "body": "[deleted]", "parent_id": "t1_c3", "link_id": "t3_p"},
        {"id": "c5", "body": "You are welcome.", "parent_id": "t1_c4", "link_id": "t3_p"},
        {"id": "c6", "body": "Elsewhere.", "parent_id": "t3_q", "link_id": "t3_q"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    places = {
        row["id"]: (found.turn, found.turns) for row in rows if (found := explain_by_id(path, row["id"], replies=True))
    }

    assert places == {"c1": (1, 3), "c2": (2, 3), "c3": (3, 3), "c4": (None, None), "c5": (1, 1), "c6": (1, 1)}
    assert explain_by_id(path, "c2", replies=True, min_turns=3).kept
    last = explain_by_id(path, "c5", replies=True, min_turns=3).steps[-1]
    assert (last.rule, last.dropped) == ("conversation", "short conversation: 1 of at least 3 turns")
    dropped = [row["id"] for row in rows if not explain_by_id(path, row["id"], replies=True, min_turns=2).kept]
    assert (
        len(dropped)
        == clean(
            CleanOptions(sources=resolve_sources([str(path)]), output=None, replies=True, min_turns=2)
        ).dropped.total()
    )
    assert explain_by_id(path, "c2").turns is None


def test_what_standard_input_cannot_tell_is_said(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for options, count in (
        ({}, 1),
        ({"replies": True}, 1),
        ({"rule_config": RuleConfig(skip_rules=frozenset({"duplicate"}))}, 0),
    ):
        with source.open() as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            result = explain_comment(CleanOptions(sources=resolve_sources(["-"]), output=None, **options), "c1")
        assert (result.kept, len(result.notes)) == (True, count)


def test_a_comment_that_is_not_there(source: Path) -> None:
    for name in ("c9", "c", "word1"):
        with pytest.raises(UsageError, match=f"no comment with the id '{name}'"):
            explain_by_id(source, name)


def test_tables_are_searched_too(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,said\nt1_c1,**x y**\n")

    assert explain_by_id(path, "c1", read=ReadOptions(columns={"body": "said"})).steps[-2].after == "x y"
