"""Formatting of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.errors import pluralize
from grucli.ui.terminal.formatting import format_duration, format_float, format_si


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (6.6, "0:07"),
        (59.6, "1:00"),
        (754, "12:34"),
        (3723, "1:02:03"),
        (360_000, "100:00:00"),
        (-3, "0:00"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        *((0, "0"), (999, "999"), (1000, "1.0k"), (1234, "1.2k"), (9951, "10k"), (35_400, "35k"), (999_499, "999k")),
        *((999_500, "1.0M"), (1_234_567, "1.2M"), (8.1e9, "8.1G"), (3e12, "3T")),
    ],
)
def test_counts(count: float, text: str) -> None:
    assert format_si(count) == text


def test_a_count_with_what_it_counts() -> None:
    assert [pluralize(n, "layer") for n in (0, 1, 2, 1234)] == ["0 layers", "1 layer", "2 layers", "1,234 layers"]


@given(st.floats(0, 9.9e11))
def test_a_short_count_is_short_and_close(count: float) -> None:
    text = format_si(count)
    unit = {"k": 1e3, "M": 1e6, "G": 1e9}.get(text[-1], 1.0)
    assert len(text) <= 4
    assert abs(float(text.rstrip("kMG")) * unit - count) <= max(0.051 * count, 0.5)


def test_a_figure_that_is_missing_is_a_dash() -> None:
    assert format_float(None) == "-"
    assert format_float(1.23456) == "1.235"
    assert format_float(1.0, 1) == "1.0"


def test_a_figure_of_many_digits_is_short() -> None:
    assert format_float(999_999.5) == "999999.500"
    assert format_float(-1e300, 2) == "-1.00e+300"
