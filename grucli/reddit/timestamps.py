"""Timestamps as users write them: a date, seconds since 1970, or an age such as 30d. All times are UTC."""

import datetime
import re
import time

from grucli.errors import UsageError

MAX_TIMESTAMP = 1 << 40
"""Latest valid timestamp (the year 36812), in seconds since 1970."""

_DAY_SECONDS = 86_400
_UNIT_SECONDS = {"h": 3_600, "d": _DAY_SECONDS, "w": 7 * _DAY_SECONDS, "y": 365 * _DAY_SECONDS}
_AGE_PATTERN = re.compile(r"([0-9]{1,6})([hdwy])")
_SECONDS_PATTERN = re.compile(r"0|[0-9]{9,13}")  # 20240131 is a date
_PARTIAL_DATE = re.compile(r"[0-9]{4}(-[0-9]{2})?")


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
    if age := _AGE_PATTERN.fullmatch(text):
        timestamp = int(now) - int(age[1]) * _UNIT_SECONDS[age[2]]
    elif _SECONDS_PATTERN.fullmatch(text):
        timestamp = int(text)
    else:
        timestamp = _parse_date(text, option)
    if not 0 <= timestamp <= MAX_TIMESTAMP:
        raise UsageError(f"{option}: time '{text}' is out of range", "use a time after 2005")
    return timestamp


def _parse_date(text: str, option: str) -> int:
    full_date = text + "-01-01"[3 * text.count("-") :] if _PARTIAL_DATE.fullmatch(text) else text
    try:
        date = datetime.datetime.fromisoformat(full_date)
        return int((date if date.tzinfo else date.replace(tzinfo=datetime.UTC)).timestamp())
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option}: invalid time '{text}'",
            "use 2024-01-31, '2024-01-31 18:00' (UTC), 30d, 12h, 2w, 1y, or seconds since 1970",
        ) from None


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
