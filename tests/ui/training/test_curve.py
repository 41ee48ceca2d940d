"""The loss curve: exact while it can be, stable while it grows, bounded for runs of any length."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grucli.ui.training.curve import ASCII_BLOCKS, BLOCKS, Curve, render_columns, y_range

loss_values = st.lists(st.floats(0.0, 20.0), min_size=1, max_size=60)


def make_curve(values: list[float], first: int = 1, every: int = 1) -> Curve:
    curve = Curve()
    for index, value in enumerate(values):
        curve.add(first + index * every, value)
    return curve


@given(loss_values, st.integers(0, 1000))
def test_a_curve_that_fits_is_shown_as_it_is(values: list[float], first: int) -> None:
    last = first + len(values) - 1
    assert make_curve(values, first).columns(60, first, last) == values


def test_gaps_are_bridged_by_a_straight_line() -> None:
    assert make_curve([4.0, 1.0, 2.5], every=3).columns(20, 1, 7) == [4.0, 3.0, 2.0, 1.0, 1.5, 2.0, 2.5]


def test_what_came_before_the_first_value_is_empty() -> None:
    assert make_curve([2.0], first=4).columns(10, 1, 8) == [None, None, None, 2.0]


def test_a_full_chart_merges_neighbors() -> None:
    curve = make_curve([1.0, 3.0, 5.0, 7.0, 9.0])
    assert curve.columns(5, 1, 5) == [1.0, 3.0, 5.0, 7.0, 9.0]
    assert curve.columns(4, 1, 5) == [2.0, 6.0, 9.0]


@pytest.mark.slow
@given(st.integers(3, 60), st.integers(2, 900))
def test_a_column_stays_as_it_is_until_the_chart_is_full(width: int, steps: int) -> None:
    curve = Curve()
    before: list[float | None] = []
    for step in range(steps):
        curve.add(step, math.sin(step))
        now = curve.columns(width, 0, step)
        assert (step + 1) / width <= 1 or width / 2 <= len(now) <= width
        if len(now) > len(before) > 1:
            assert now[: len(before) - 1] == pytest.approx(before[:-1])
        before = now


def test_a_finished_curve_fills_the_chart() -> None:
    curve = make_curve([float(step) for step in range(70)], first=0)
    assert len(curve.columns(64, 0, 69)) == 35
    stretched = curve.columns(64, 0, 69, stretch=True)
    assert len(stretched) == 64
    assert stretched == sorted(stretched, key=lambda value: value or 0.0)


def test_a_million_steps_need_the_memory_of_a_few_hundred() -> None:
    curve = make_curve([0.5] * 3000, every=997)
    assert len(curve.columns(10_000, 1, 3_000_000)) <= 10_000
    assert len(curve._sums) <= 512
    assert set(curve.columns(100, 1, 3_000_000)) == {0.5}


def test_what_is_not_a_number_leaves_no_trace() -> None:
    curve = make_curve([2.0, math.nan, math.inf, 2.0])
    assert curve.columns(10, 1, 4) == [2.0] * 4
    assert Curve().columns(10, 0, 5) == []
    assert make_curve([math.nan]).first is None


def test_bars_have_eight_levels() -> None:
    assert render_columns(list(range(8)), 0, 7, 1) == ["▁▂▃▄▅▆▇█"]
    assert render_columns([None, *range(16)], 0, 15, 2) == ["         ▁▂▃▄▅▆▇█", " ▁▂▃▄▅▆▇█████████"]


def test_bars_keep_to_the_edges_they_pass() -> None:
    assert render_columns([-5.0, 0.0, 1.0, 99.0], 0.0, 1.0, 1) == ["▁▁██"]
    assert render_columns([3.0, 3.0], 3.0, 3.0, 2) == ["  ", "▁▁"]


@given(loss_values, st.integers(1, 9), st.sampled_from([BLOCKS, ASCII_BLOCKS]))
@example([0.0, 2.2250738585072014e-308], 1, BLOCKS)
def test_a_higher_value_never_stands_lower(values: list[float], rows: int, blocks: str) -> None:
    drawn = render_columns(values, min(values), max(values), rows, blocks)
    assert [len(line) for line in drawn] == [len(values)] * rows
    heights = [sum(BLOCKS.index(line[i]) for line in drawn) for i in range(len(values))] if blocks == BLOCKS else []
    for value, height in zip(values, heights, strict=False):
        assert 1 <= height <= rows * 8
        assert all(height <= other for other, its in zip(heights, values, strict=True) if its > value)


def test_the_plunge_at_the_beginning_leaves_the_chart() -> None:
    assert y_range([9.0] + [2.0, 1.5] * 10, [None, 2.5, 1.0]) == (1.0, 2.5)
    assert y_range([], [None]) == (0.0, 0.0)
    assert y_range([4.0, 3.0]) == (3.0, 4.0)
