"""The recipes of `grucli.training.recipe`, and what a run is estimated to reach."""

import dataclasses
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.text.token_file import TextKind
from grucli.training.estimates import describe_estimate
from grucli.training.options import Hyperparameters, check_options
from grucli.training.recipe import Conditions, choose, describe, weight_decay
from tests.training.small_runs import run_summary, small_options

COMMENTS = Conditions(2_900_000, 800_000, "comments", "subword", 4.0)


@given(
    characters=st.integers(0, 10**12),
    tokens=st.integers(1, 10**12),
    kind=st.sampled_from(get_args(TextKind)),
    tokenizer=st.sampled_from(["char", "word", "subword"]),
    core_minutes=st.floats(1e-6, 1e9),
)
def test_any_text_and_time_have_a_recipe_within_the_ranges(
    characters: int, tokens: int, kind: TextKind, tokenizer: str, core_minutes: float
) -> None:
    conditions = Conditions(characters, tokens, kind, tokenizer, core_minutes)
    hparams = Hyperparameters(**choose(conditions, {}), tokenizer=tokenizer)
    check_options(hparams)
    assert 128 <= hparams.hidden <= 1024
    assert hparams.tied == (tokenizer != "char")
    assert describe(hparams, conditions, is_timed=False).endswith(kind)
    assert describe(hparams, conditions, is_timed=True).endswith("core-minutes")
    assert describe(hparams, None, is_timed=True).endswith(f"weight decay {hparams.weight_decay:g}")
    describe_estimate(conditions)


def test_more_time_and_more_text_make_a_larger_network() -> None:
    def hidden(**changed: Any) -> int:
        size: int = choose(dataclasses.replace(COMMENTS, **changed), {})["hidden"]
        return size

    assert hidden(core_minutes=1.0) < hidden() < hidden(core_minutes=20.0)
    assert hidden(characters=100_000, core_minutes=20.0) < hidden(core_minutes=20.0)
    assert hidden(core_minutes=1e6) == hidden(core_minutes=1e9)  # the text is the limit


@pytest.mark.usefixtures("home")
def test_threads_do_not_change_the_network(tmp_path: Path) -> None:
    text = tmp_path / "a.csv"
    text.write_text("body\n" + "the cat sat\n" * 200, encoding="utf-8")
    for steps, minutes in ((1, None), (None, 1e-6)):
        sizes = set()
        for threads in (1, 2, 64):
            options = small_options(text, name=f"a-{steps}-{threads}", hidden=None, threads=threads)
            sizes.add(run_summary(dataclasses.replace(options, steps=steps, minutes=minutes)).parameters)
        assert len(sizes) == 1


def test_weight_decay_is_a_time_in_epochs() -> None:
    assert weight_decay(1000, 0.005) == pytest.approx(2 * weight_decay(2000, 0.005), rel=0.05)
    assert weight_decay(1000, 0.005) == pytest.approx(2 * weight_decay(1000, 0.01), rel=0.05)
    assert weight_decay(0, 1e-9) == 1
    assert weight_decay(10, 0.005) == weight_decay(300, 0.005) == pytest.approx(1 / (1200 * 0.005), rel=0.05)
    slow, fast = choose(COMMENTS, {"lr": 0.001, "batch": 32}), choose(COMMENTS, {"lr": 0.1, "batch": 32})
    assert (fast["lr"], fast["batch"]) == (0.1, 32)
    assert slow["weight_decay"] == pytest.approx(100 * fast["weight_decay"], rel=0.05)
    assert choose(COMMENTS, {"weight_decay": 0.0})["weight_decay"] == 0


def test_an_estimate_gets_better_with_time_and_needs_a_similar_text() -> None:
    def bits(conditions: Conditions) -> float:
        line = describe_estimate(conditions)
        assert line is not None
        return float(line.split()[2])

    times = [bits(dataclasses.replace(COMMENTS, core_minutes=minutes)) for minutes in (2.0, 3.0, 4.0, 20.0, 50.0)]
    assert times == sorted(times, reverse=True)
    assert times[0] > times[1] > times[2] > times[-2] == times[-1]
    lengths = [
        bits(dataclasses.replace(COMMENTS, characters=count)) for count in (300_000, 700_000, 900_000, 2_900_000)
    ]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[1] - lengths[2] < 0.1  # no jump halfway between two measured lengths
    assert "in 5 times the time" in str(describe_estimate(COMMENTS))
    assert "in 2 times the time" in str(describe_estimate(dataclasses.replace(COMMENTS, core_minutes=10.0)))
    assert "times the time" not in str(describe_estimate(dataclasses.replace(COMMENTS, core_minutes=20.0)))
    assert describe_estimate(dataclasses.replace(COMMENTS, characters=100)) is None
    adapted = describe_estimate(COMMENTS, is_adapted=True)
    assert adapted is not None
    assert float(adapted.split()[2]) < bits(COMMENTS)
    for minutes in (1.9, 1e4):
        assert describe_estimate(dataclasses.replace(COMMENTS, core_minutes=minutes)) is None
