"""The learning rate over a run, and how many steps fit into a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.training.schedule import FLOOR, WARM_UP, Stopwatch, rate


@given(horizon=st.integers(1, 5000), peak=st.floats(1e-5, 1))
def test_it_rises_falls_and_never_leaves_its_bounds(horizon: int, peak: float) -> None:
    rates = [rate(step, horizon, peak) for step in range(horizon)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(peak)
    assert all(0 < value <= peak * (1 + 1e-9) for value in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_it_ends_at_its_floor() -> None:
    assert rate(10_000, 10_000, 1.0) == pytest.approx(FLOOR)


def test_before_the_horizon_is_known_it_only_warms_up() -> None:
    assert [rate(step, None, 1.0) for step in (0, WARM_UP // 2 - 1, WARM_UP - 1, WARM_UP, 10**6)] == [
        1 / WARM_UP,
        0.5,
        1.0,
        1.0,
        1.0,
    ]


def test_the_stopwatch_leaves_cold_steps_out_and_fills_the_budget() -> None:
    watch = Stopwatch(60.0)
    answers = [watch.more_steps(seconds) for seconds in [5.0, 1.0, 1.0] + [0.1] * 8]
    assert answers[:-1] == [None] * 10
    assert answers[-1] == int((60 - 7.8) / 0.1)


def test_a_budget_shorter_than_a_step_ends_after_it() -> None:
    assert Stopwatch(1.0).more_steps(3.0) == 0
