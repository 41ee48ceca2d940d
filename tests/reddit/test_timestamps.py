"""Moments: what is understood, what is refused, and that a moment shown is the moment read."""

import datetime
import doctest
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.errors import UsageError
from grucli.reddit import timestamps
from grucli.reddit.timestamps import format_timestamp, parse_timestamp

LAST_DAY_TIMESTAMP = int(datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC).timestamp())


def test_the_examples() -> None:
    result = doctest.testmod(timestamps)
    assert result.attempted >= 4
    assert result.failed == 0


@given(st.integers(0, LAST_DAY_TIMESTAMP))
def test_what_is_shown_is_read_back(moment: int) -> None:
    assert parse_timestamp(format_timestamp(moment), "--after", 0) == moment


@pytest.mark.parametrize(
    ("text", "seconds"), [("12h", 43_200), ("2w", 1_209_600), ("1y", 31_536_000), (" 3d ", 259_200)]
)
def test_an_age_counts_back(text: str, seconds: int) -> None:
    assert parse_timestamp(text, "--before", 2e9 + 0.9) == 2_000_000_000 - seconds


@given(st.text(max_size=30))
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    with suppress(UsageError):
        assert 0 <= parse_timestamp(text, "--after", 2e9) <= timestamps.MAX_TIMESTAMP


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2024-13-01", "-5", "1e9", "99999w", "1960-01-01", "3m", "٣d", "12345678901234"]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(UsageError, match="--before"):
        parse_timestamp(text, "--before", 2e9)


def test_a_date_without_dashes_is_no_number_of_seconds() -> None:
    assert parse_timestamp("20240131", "--after", 0) == parse_timestamp("2024-01-31", "--after", 0)
    assert parse_timestamp("0", "--after", 0) == 0
