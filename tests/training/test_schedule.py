"""The learning rate over a run, and the number of steps in a time budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.training.schedule import (
    MAX_DROPOUT,
    MIN_DROPOUT,
    MIN_LR_RATIO,
    WARMUP_STEPS,
    StepTimer,
    default_dropout,
    default_embed_dropout,
    learning_rate_at,
)


@given(horizon=st.integers(1, 5000), peak=st.floats(1e-5, 1))
def test_it_rises_falls_and_never_leaves_its_bounds(horizon: int, peak: float) -> None:
    rates = [learning_rate_at(step, horizon, peak) for step in range(horizon)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(peak)
    assert all(0 < value <= peak * (1 + 1e-9) for value in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_it_ends_at_its_floor() -> None:
    assert learning_rate_at(10_000, 10_000, 1.0) == pytest.approx(MIN_LR_RATIO)


def test_before_the_horizon_is_known_it_only_warms_up() -> None:
    assert [
        learning_rate_at(step, None, 1.0) for step in (0, WARMUP_STEPS // 2 - 1, WARMUP_STEPS - 1, WARMUP_STEPS, 10**6)
    ] == [
        1 / WARMUP_STEPS,
        0.5,
        1.0,
        1.0,
        1.0,
    ]


def test_the_stopwatch_leaves_cold_steps_out_and_fills_the_budget() -> None:
    watch = StepTimer(60.0)
    answers = [watch.remaining_steps(seconds) for seconds in [5.0, 1.0, 1.0] + [0.1] * 8]
    assert answers[:-1] == [None] * 10
    assert answers[-1] == int((60 - 7.8) / 0.1)


def test_a_budget_shorter_than_a_step_ends_after_it() -> None:
    assert StepTimer(1.0).remaining_steps(3.0) == 0


def test_more_epochs_need_more_dropout_and_only_characters_some_of_the_embedding() -> None:
    epochs, steps = (0.1, 5.0, 1e9), 10_000
    assert [default_dropout(each, steps, is_adapted=False) for each in epochs] == [MIN_DROPOUT, 0.25, MAX_DROPOUT]
    assert [default_dropout(each, steps, is_adapted=True) for each in (0.5, 2.5, 1e9)] == pytest.approx(
        [0.15, 0.35, MAX_DROPOUT]
    )
    assert [default_embed_dropout(dropout, "char") for dropout in (0.1, 0.25, 0.5)] == [0, 0, pytest.approx(0.1)]
    assert default_embed_dropout(0.5, "subword") == 0


def test_few_steps_over_a_small_text_need_less_dropout() -> None:
    dropouts = [default_dropout(12.0, steps, is_adapted=False) for steps in (0, 1000, 1500, 3000)]
    assert dropouts == pytest.approx([MIN_DROPOUT, 0.2, 0.3, MAX_DROPOUT])
