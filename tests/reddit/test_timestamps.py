"""Moments: what is understood, what is refused, and that a moment shown is the moment read."""

import datetime
import doctest
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.errors import UsageError
from grucli.reddit import timestamps
from grucli.reddit.timestamps import (
    DateOrder,
    date_order,
    format_timestamp,
    has_ordered_date,
    parse_time,
    parse_timestamp,
    parse_written_time,
)

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


SECOND = 1_700_000_000
MINUTE = SECOND - 20


@pytest.mark.parametrize(
    "value",
    [
        SECOND,
        float(SECOND) + 0.9,
        "1700000000",
        " 1700000000.0 ",
        "1.7e9",
        1_700_000_000_123,
        "1700000000123",
        1_700_000_000_123_456,
        "1700000000123456789",
        "2023-11-14T22:13:20Z",
        "2023-11-14t22:13:20z",
        "2023-11-14T22:13:20+00:00",
        "2023-11-14 22:13:20.123456",
        "2023-11-14 22:13:20.123456789 UTC",
        "2023-11-14T22:13:20.000+0000",
        "2023-11-15 00:13:20 +0200",
        "2023-11-14 17:13:20-05:00",
        "2023-11-14 17:13:20 EST",
        "20231114T221320",
        "2023/11/14 22:13:20",
        "2023.11.14 22:13:20",
        "14.11.2023 22:13:20",
        "14.11.2023, 22:13:20",
        "Tue, 14 Nov 2023 22:13:20 GMT",
        "Tue, 14 Nov 2023 17:13:20 -0500",
        "Tue Nov 14 22:13:20 2023",
        "Tue Nov 14 22:13:20 +0000 2023",
        "Tue Nov 14 2023 23:13:20 GMT+0100 (Central European Standard Time)",
        "Tuesday, November 14, 2023 at 10:13:20 PM",
        "Nov 14, 2023 10:13:20 p.m.",
        "Nov 14, 2023, 10:13:20 PM UTC",
        "November 14th 2023 22:13:20",
        "14 Nov 2023 22:13:20",
        "14-Nov-2023 22:13:20",
        "14. November 2023 22:13:20",
        "22:13:20 14 Nov 2023",
        "12:13:20 pm -1000, 14 Nov 2023",
    ],
)
def test_every_usual_spelling_of_a_time(value: object) -> None:
    assert parse_time(value) == SECOND


@pytest.mark.parametrize("text", ["2023-11-14 22:13", "Nov 14, 2023 10:13 PM", "2023-11-14T22:13+00:00"])
def test_a_time_without_seconds(text: str) -> None:
    assert parse_time(text) == MINUTE


@pytest.mark.parametrize("text", ["2023-11-14", "20231114", "14 Nov 2023", "2023/11/14", "14.11.2023", "nov 14 2023"])
def test_a_date_alone_is_its_first_second(text: str) -> None:
    assert parse_time(text) == 1_699_920_000


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "soon",
            "3 hours ago",
            "yesterday at 10:13",
            "02/01/2024",
            "2024-13-01",
            "31 Feb 2024",
            "14 Nov",
            "10:13",
        ),
        *(
            "13:13 PM 14 Nov 2023",
            "2023-11-14 25:00",
            "14 Mayo 2023",
            "2023-11-14 10:13 XST",
            "14 Nov 2023 !",
            "14/11/23",
        ),
        *("1/1/2024 and 2/1/2024", "9" * 30, "٢٠٢٣-١١-١٤", True, None, float("nan"), float("inf"), 1e300, [], {}),
    ],
)
def test_what_is_not_certain_is_not_read(value: object) -> None:
    assert parse_time(value) is None


@pytest.mark.parametrize(
    ("values", "order"),
    [
        (["02/01/2024 10:00", "1/31/2024"], "MDY"),
        (["31-1-2024", "02-01-2024"], "DMY"),
        (["02/01/2024"], None),
        (["31/1/2024", "1/31/2024"], None),
        ([], None),
        (["2024/01/31", "13.12.2024"], "DMY"),
    ],
)
def test_the_order_of_dates_is_taken_only_where_it_is_certain(values: list[str], order: DateOrder | None) -> None:
    assert date_order(values) == order


def test_a_date_is_read_in_its_order() -> None:
    assert parse_time("02/01/2024 10:00", "DMY") == parse_time("2024-01-02 10:00")
    assert parse_time("2/1/2024 10:00 am", "MDY") == parse_time("2024-02-01 10:00")
    assert parse_time("31/01/2024", "MDY") is None
    assert has_ordered_date(" 2/1/2024 10:00")
    assert not has_ordered_date("2024-01-02")
    assert not has_ordered_date(5)


def test_an_option_takes_what_the_data_may_have() -> None:
    assert parse_timestamp("14 Nov 2023 22:13:20", "--after", 0) == SECOND


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text: str) -> None:
    assert isinstance(parse_written_time(text), int | None)
    assert isinstance(parse_time(text, "DMY"), int | None)


@given(st.datetimes(datetime.datetime(1970, 1, 2), datetime.datetime(2200, 1, 1)), st.data())
def test_written_times_are_read_back(moment: datetime.datetime, data: st.DataObject) -> None:
    moment = moment.replace(microsecond=0)
    formats = ("%d %B %Y %H:%M:%S", "%b %d, %Y %I:%M:%S %p", "%a, %d %b %Y %H:%M:%S +0000", "%a %b %d %H:%M:%S %Y")
    text = moment.strftime(data.draw(st.sampled_from((*formats, "%Y-%m-%d %H:%M:%S", "%Y/%m/%dT%H:%M:%SZ"))))
    assert parse_time(text) == int(moment.replace(tzinfo=datetime.UTC).timestamp())
