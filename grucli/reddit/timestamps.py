"""Times: those that users give to options, and those in the data. Without a time zone all are UTC.

A library that reads any date guesses what is missing or ambiguous; here a time is either certain or not read.
"""

import datetime
import math
import re
import time
from collections.abc import Iterable
from typing import Literal

from grucli.errors import UsageError

MAX_TIMESTAMP = 1 << 40
"""Latest valid timestamp (the year 36812), in seconds since 1970."""

MAX_SECONDS = 100_000_000_000
"""Numbers from here on (the year 5138) are milliseconds, microseconds or nanoseconds."""

DateOrder = Literal["DMY", "MDY"]
"""Whether the day or the month is the first number of dates such as 02/01/2024."""

_DAY_SECONDS = 86_400
_UNIT_SECONDS = {"h": 3_600, "d": _DAY_SECONDS, "w": 7 * _DAY_SECONDS, "y": 365 * _DAY_SECONDS}
_AGE_PATTERN = re.compile(r"([0-9]{1,6})([hdwy])")
_SECONDS_PATTERN = re.compile(r"0|[0-9]{9,13}")  # 20240131 is a date
_PARTIAL_DATE = re.compile(r"[0-9]{4}(-[0-9]{2})?")

_SCALES = (1, 1_000, 1_000_000, 1_000_000_000)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]{1,2})?", re.IGNORECASE)
_MAX_WRITTEN_CHARS = 100
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MIN_MONTH_CHARS = 3
_WEEKDAYS = {"mon", "monday", "tue", "tues", "tuesday", "wed", "wednesday", "thu", "thur", "thurs", "thursday"}
_IGNORED_WORDS = _WEEKDAYS | {"fri", "friday", "sat", "saturday", "sun", "sunday", "at", "on", "of", ""}
_ZONE_HOURS = {"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7}
"""The names of RFC 2822 besides UTC; others have several meanings."""

_ZONE_NAME_IN_WORDS = re.compile(r"\s*\([^()]*\)$")
_CLOCK = re.compile(
    r"(?<![^\s,t])(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?(?:\s*([ap])\.?m\.?)?"
    r"(?:\s*(utc|gmt|z|[ecmp][sd]t))?(?:\s*([+-])(\d\d):?(\d\d)?)?(?:\s*(?:utc|z))?(?![^\s,])",
    re.ASCII,
)
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d\d?)\2(\d\d?)t?", re.ASCII)
_YEAR_LAST = re.compile(r"(\d\d?)([-/.])(\d\d?)\2(\d{4})", re.ASCII)
_DAY_MONTH = re.compile(r"(\d\d?)(?:st|nd|rd|th|\.)?[ -]([a-z]+)\.?[ -](\d{4})", re.ASCII)
_MONTH_DAY = re.compile(r"([a-z]+)\.? (\d\d?)(?:st|nd|rd|th)? (\d{4})", re.ASCII)


def parse_optional_timestamp(text: str | None, option: str) -> int | None:
    """Return `parse_timestamp` relative to the current time, or None for None.

    Raises:
        UsageError: as `parse_timestamp`.
    """
    return None if text is None else parse_timestamp(text, option, time.time())


def parse_timestamp(text: str, option: str, now: float) -> int:
    """Return seconds since 1970. A date means its first second; an age is subtracted from `now`.

    >>> parse_timestamp("2024-02-01", "--after", now=0), parse_timestamp("2024-02", "--after", now=0)
    (1706745600, 1706745600)
    >>> parse_timestamp("2024-02-01T12:30", "--after", now=0)
    1706790600
    >>> parse_timestamp("2024-02-01 12:30+01:00", "--after", now=0)
    1706787000
    >>> parse_timestamp("1706745600", "--after", now=0), parse_timestamp("30d", "--after", now=1706745600)
    (1706745600, 1704153600)

    Raises:
        UsageError: the text is not a time, or before 1970; the message names `option`.
    """
    text = text.strip()
    timestamp: int | None
    if age := _AGE_PATTERN.fullmatch(text):
        timestamp = int(now) - int(age[1]) * _UNIT_SECONDS[age[2]]
    elif _SECONDS_PATTERN.fullmatch(text):
        timestamp = int(text)
    else:
        timestamp = parse_written_time(
            text + "-01-01"[3 * text.count("-") :] if _PARTIAL_DATE.fullmatch(text) else text
        )
    if timestamp is None:
        raise UsageError(
            f"{option}: invalid time '{text}'",
            "use 2024-01-31, '2024-01-31 18:00' (UTC), 30d, 12h, 2w, 1y, or seconds since 1970",
        )
    if not 0 <= timestamp <= MAX_TIMESTAMP:
        raise UsageError(f"{option}: time '{text}' is out of range", "use a time after 2005")
    return timestamp


def parse_time(value: object, order: DateOrder | None = None) -> int | None:
    """Return the seconds since 1970 of a time in the data, or None if it is not certain what time is meant.

    Numbers are seconds, or by their size milliseconds, microseconds or nanoseconds. `order` is that of the dates with
    slashes in the source, see `date_order`; without it they are not read.

    >>> [parse_time(value) for value in (1700000000, "1700000000.0", 1700000000123, "2023-11-14T22:13:20.5Z")]
    [1700000000, 1700000000, 1700000000, 1700000000]
    >>> [parse_time(text) for text in ("Nov 14, 2023 10:13:20 PM", "Tue, 14 Nov 2023 22:13:20 +0000", "soon")]
    [1700000000, 1700000000, None]
    >>> parse_time("11/14/2023 22:13:20"), parse_time("11/14/2023 22:13:20", "MDY")
    (None, 1700000000)
    """
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            return parse_written_time(text, order)
        # As in options, eight digits are a date: as seconds they would be long before Reddit.
        is_date = len(text) == len("20231114") and text.isdecimal()
        if is_date and (timestamp := parse_written_time(text)) is not None:
            return timestamp
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    scale = next((scale for scale in _SCALES if abs(value) < MAX_SECONDS * scale), None)
    return None if scale is None else int(value // scale)


def parse_written_time(text: str, order: DateOrder | None = None) -> int | None:
    """Return the seconds since 1970 of a written date, with or without a time of day; None if it is not one."""
    try:
        return _timestamp(datetime.datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        pass
    if len(text) > _MAX_WRITTEN_CHARS:
        return None
    try:
        return _parse_usual_forms(_ZONE_NAME_IN_WORDS.sub("", text.strip().lower()), order)
    except (ValueError, OverflowError):  # a day or an hour that does not exist
        return None


def date_order(values: Iterable[object]) -> DateOrder | None:
    """Return the order of the dates with slashes among `values` if it is certain, and None if it is not.

    >>> date_order(["02/01/2024", "31/01/2024"]), date_order(["02/01/2024"]), date_order(["31/1/2024", "1/31/2024"])
    ('DMY', None, None)
    """
    is_day = (False, False)
    for match in map(_match_ordered_date, values):
        if match is not None:
            is_day = (is_day[0] or int(match[1]) > len(_MONTHS), is_day[1] or int(match[3]) > len(_MONTHS))
    return None if is_day[0] == is_day[1] else "DMY" if is_day[0] else "MDY"


def has_ordered_date(value: object) -> bool:
    """Return True for a date whose order of day and month has to be known.

    >>> has_ordered_date("02/01/2024 12:30"), has_ordered_date("2024-02-01"), has_ordered_date("1.2.2024")
    (True, False, False)
    """
    match = _match_ordered_date(value)
    return match is not None and match[2] != "."


def _match_ordered_date(value: object) -> re.Match[str] | None:
    return _YEAR_LAST.match(value.strip()) if isinstance(value, str) else None


def _parse_usual_forms(text: str, order: DateOrder | None) -> int | None:
    clock = _CLOCK.search(text)
    rest = text if clock is None else f"{text[: clock.start()]} {text[clock.end() :]}"
    year_month_day = _parse_date(
        " ".join(word for word in re.split(r"[\s,]+", rest) if word not in _IGNORED_WORDS), order
    )
    if year_month_day is None:
        return None
    date = datetime.datetime(*year_month_day, tzinfo=datetime.UTC)
    if clock is None:
        return _timestamp(date)
    hour, minute, second, half, zone, sign, zone_hours, zone_minutes = clock.groups()
    if half and not 1 <= int(hour) <= 12:
        return None
    hours = int(hour) % 12 + (12 if half == "p" else 0) if half else int(hour)
    offset = 60 * int(zone_hours or 0) + int(zone_minutes or 0)
    minutes = 60 * _ZONE_HOURS.get(zone, 0) + (-offset if sign == "-" else offset)
    return _timestamp(date.replace(hour=hours, minute=int(minute), second=int(second or 0))) - 60 * minutes


def _parse_date(text: str, order: DateOrder | None) -> tuple[int, int, int] | None:
    """Return year, month and day."""
    if match := _YEAR_FIRST.fullmatch(text):
        return int(match[1]), int(match[3]), int(match[4])
    if match := _YEAR_LAST.fullmatch(text):
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        if match[2] == ".":  # written where the day is first
            order = "DMY"
        return None if order is None else (year, second, first) if order == "DMY" else (year, first, second)
    if match := _DAY_MONTH.fullmatch(text):
        return int(match[3]), _month_number(match[2]), int(match[1])
    if match := _MONTH_DAY.fullmatch(text):
        return int(match[3]), _month_number(match[1]), int(match[2])
    return None


def _month_number(word: str) -> int:
    """Return the number of a month, or 0, which no date has, for any other word."""
    names = [name.startswith(word) and len(word) >= _MIN_MONTH_CHARS for name in _MONTHS]
    return names.index(True) + 1 if True in names else 0


def _timestamp(date: datetime.datetime) -> int:
    return math.floor((date if date.tzinfo else date.replace(tzinfo=datetime.UTC)).timestamp())


def format_timestamp(timestamp: int) -> str:
    """Return the date, and the time of day unless that is midnight.

    >>> format_timestamp(1706745600), format_timestamp(1706790601), format_timestamp(1 << 40)
    ('2024-02-01', '2024-02-01 12:30:01', '1099511627776')
    """
    try:
        date = datetime.datetime.fromtimestamp(timestamp, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return str(timestamp)
    return date.strftime("%Y-%m-%d" if timestamp % _DAY_SECONDS == 0 else "%Y-%m-%d %H:%M:%S")
