"""Intervals of a mean: Student's t against its tables."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.generation.confidence_interval import mean_interval, student_interval, student_t


@pytest.mark.parametrize(
    ("confidence", "degrees", "t"),
    [
        (0.95, 1, 12.7062), (0.95, 2, 4.30265), (0.95, 3, 3.18245), (0.95, 4, 2.77645), (0.95, 9, 2.26216),
        (0.95, 30, 2.04227), (0.95, 1000, 1.96234), (0.99, 5, 4.03214), (0.5, 1, 1.0), (0.9, 2, 2.91999),
    ],
)  # fmt: skip
def test_the_quantiles_are_those_of_the_tables(confidence: float, degrees: int, t: float) -> None:
    assert student_t(confidence, degrees) == pytest.approx(t, abs=1e-5 * t)


def test_one_value_has_no_interval() -> None:
    assert student_interval(np.array([1.0])) is None
    assert student_interval(np.array([])) is None


def test_equal_values_have_an_empty_interval() -> None:
    assert student_interval(np.array([2.0, 2.0, 2.0])) == (2.0, 2.0)


def test_an_interval() -> None:
    low, high = student_interval(np.array([1.0, 2.0, 3.0])) or (0.0, 0.0)
    assert (low, high) == pytest.approx((2 - 4.30265 / 3**0.5, 2 + 4.30265 / 3**0.5), abs=1e-4)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=40))
def test_it_is_wider_than_that_of_normal_theory_and_has_the_same_mean(values: list[float]) -> None:
    array = np.array(values)
    low, high = student_interval(array) or (0.0, 0.0)
    normal_low, normal_high = mean_interval(array) or (0.0, 0.0)
    assert low <= normal_low + 1e-9
    assert normal_high <= high + 1e-9
    assert (low + high) / 2 == pytest.approx(float(array.mean()), abs=1e-6)
