"""The rules together: what a cleaner keeps, what it says, and that it comes to an end."""

import pickle
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.errors import UsageError
from grucli.read.blocks import RowReport
from grucli.read.records import open_records
from grucli.read.schema import ReadOptions
from grucli.read.sources import resolve_source
from grucli.reddit.clean.rule_engine import make_cleaner, trace_rules
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.registry import RULES
from grucli.reddit.comments import Comment
from grucli.ui.terminal.sanitize import sanitize
from tests.reddit.strategies import hostile_text, random_markup

PERMISSIVE_CONFIG = RuleConfig(min_chars=1, max_chars=1_000_000)
any_number = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5))
author_names = st.one_of(
    st.none(), st.sampled_from(["ann", "SomeBot", "[deleted]"]), st.text(st.characters(), max_size=5)
)


@given(hostile_text)
def test_cleaning_a_clean_text_changes_nothing(raw: str) -> None:
    clean, comment = make_cleaner(PERMISSIVE_CONFIG), Comment(body=raw)
    if clean(comment) is None:
        again = Comment(body=comment.body)
        assert clean(again) is None
        assert again.body == comment.body


@given(hostile_text)
def test_what_is_kept_is_harmless_and_can_be_written(raw: str) -> None:
    comment = Comment(body=raw)
    if make_cleaner(PERMISSIVE_CONFIG)(comment) is None:
        text = comment.body or ""
        assert text == sanitize(text) == text.strip()
        assert not re.search("[\u200b\ufeff\u2028\u2029\r\t]|  | \n|\n |\n\n\n", text)
        assert text.encode()


@given(
    st.builds(
        Comment,
        body=st.one_of(st.none(), random_markup),
        author=author_names,
        subreddit=author_names,
        score=any_number,
        id=author_names,
    )
)
def test_an_explanation_is_what_happens(comment: Comment) -> None:
    settings = RuleConfig(min_score=0, no_match=re.compile("word"))
    cleaned = msgspec.structs.replace(comment)
    dropped = make_cleaner(settings)(cleaned)
    steps = trace_rules(comment, settings)
    assert comment == cleaned or "nan" in repr(comment)
    for before, after in pairwise(steps):
        assert before.after == after.before
        assert before.dropped is None
    last = steps[-1]
    assert dropped == (None if last.dropped is None else f"{last.rule}: {last.dropped}" if last.dropped else last.rule)
    if dropped is None:
        assert last.after == cleaned.body
        assert {step.rule for step in steps} <= {rule.name for rule in RULES}


@given(
    st.builds(
        Comment,
        body=st.one_of(st.none(), hostile_text),
        author=author_names,
        subreddit=author_names,
        score=any_number,
        id=author_names,
    )
)
def test_every_drop_is_under_a_rule_of_the_table(comment: Comment) -> None:
    dropped = make_cleaner(RuleConfig(subreddits=frozenset({"ann"}), after=5))(comment)
    assert dropped is None or dropped.split(": ")[0] in {rule.name for rule in RULES}
    assert dropped != "schema" or comment.body is None


def test_what_cleaning_uncovers_is_checked_as_well() -> None:
    clean = make_cleaner(RuleConfig())
    assert clean(Comment(body="**[deleted]**")) == "deleted: deleted"
    assert clean(Comment(body="^I ^am ^a ^bot")) == "bot: says so"
    assert clean(Comment(body="> just a quote")) == "length: nothing left"
    assert clean(Comment(body="https://a.b/c")) == "length: nothing left"
    assert clean(Comment(body="/u/name!")) == "length: nothing left"


def test_an_empty_text_is_never_kept() -> None:
    assert make_cleaner(RuleConfig(skip_rules=frozenset({"length"})))(Comment(body="&#x200B;")) == "deleted: empty"
    assert make_cleaner(RuleConfig(skip_rules=frozenset({"length"})))(Comment(body="&gt;quote")) == "deleted: empty"


def test_layers_on_layers_come_to_an_end() -> None:
    clean = make_cleaner(RuleConfig())
    comment = Comment(body="&" + "amp;" * 1000 + "lt;3")
    assert (clean(comment), comment.body) == (None, "<3")
    deep = "no"
    for _ in range(200):
        deep = f"[{deep}](x)"
    assert clean(Comment(body=deep)) == "markdown: nested too deep"
    assert trace_rules(Comment(body=deep), RuleConfig())[-1].dropped == "nested too deep"


@pytest.mark.parametrize("rule", [rule.name for rule in RULES if rule.transform])
def test_a_skipped_rule_leaves_its_part(rule: str) -> None:
    raw = {
        "entities": "a &amp; b",
        "quotes": "> a quote",
        "markdown": "**bold**",
        "urls": "at http://a.b",
        "unicode": "it’s",
        "pii": "to u/name",
    }[rule]
    kept, changed = Comment(body=raw), Comment(body=raw)
    make_cleaner(RuleConfig(skip_rules=frozenset({rule})))(kept)
    make_cleaner(RuleConfig())(changed)
    assert kept.body == raw != changed.body


def test_all_transforms_can_be_skipped() -> None:
    comment = Comment(body="*a* ")
    settings = RuleConfig(skip_rules=frozenset(rule.name for rule in RULES if rule.transform))
    assert (make_cleaner(settings)(comment), comment.body) == (None, "*a* ")
    assert [step.rule for step in trace_rules(comment, settings)] == ["schema", "deleted", "missing", "bot", "length"]


def test_every_step_is_told_once_and_the_changes_of_later_rounds_besides() -> None:
    steps = trace_rules(Comment(body="&lt;3 a \\*b\\* \r\n"), RuleConfig())
    assert [step.rule for step in steps if step.before != step.after] == ["entities", "markdown", "unicode", "markdown"]
    assert [step.rule for step in steps][:6] == ["schema", "deleted", "missing", "bot", "entities", "quotes"]
    assert steps[-1].after == "<3 a b"


@pytest.mark.parametrize(
    ("choices", "named"),
    [
        ({"skip_rules": frozenset({"schema"})}, "schema"),
        ({"min_score": 3, "max_score": 2}, "--min-score"),
        ({"after": 10, "before": 10}, "--after"),
        ({"min_chars": 0}, "--min-chars"),
        ({"min_chars": 5, "max_chars": 4}, "--max-chars"),
        ({"language": "English"}, "--language"),
        ({"language": ""}, "--language"),
        ({"subreddits": frozenset({"r/"})}, "--subreddit"),
        ({"authors": frozenset({""})}, "--author"),
        ({"authors": frozenset({"Ann"}), "not_authors": frozenset({"u/ann"})}, "ann"),
    ],
)
def test_a_choice_that_cannot_be_meant_is_refused_by_name(choices: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError, match=re.escape(named)):
        RuleConfig(**choices)  # type: ignore[arg-type]


def test_an_unknown_rule_is_refused_and_the_others_named() -> None:
    with pytest.raises(UsageError) as refused:
        make_cleaner(RuleConfig(skip_rules=frozenset({"quote"})))
    assert "quote" in refused.value.message
    assert "quotes" in refused.value.hint


def test_settings_reach_another_process_whole() -> None:
    settings = RuleConfig(skip_rules=frozenset({"urls"}), match=re.compile("(?i)cat"), subreddits=frozenset({"r/Pics"}))
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - as multiprocessing does


def test_a_month_of_real_comments(real_data: Path) -> None:
    report = RowReport()
    clean = make_cleaner(RuleConfig())
    outcomes: Counter[str] = Counter()
    for record in open_records(resolve_source(str(real_data / "RC_2005-12.zst")), ReadOptions(), report).rows:
        comment = msgspec.convert(record.fields, Comment)
        outcome = clean(comment)
        outcomes[(outcome or "kept").split(":")[0]] += 1
        assert outcome or not re.search(r"&(amp|lt|gt);|https?://|\]\(http|[\r\x80-\x9f]", comment.body or "")
    assert sum(outcomes.values()) == report.read == 1075
    assert set(outcomes) == {"kept", "deleted", "length"}
    assert outcomes["kept"] > 800
