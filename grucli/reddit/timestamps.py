"""Moments as people write them: a date, seconds since 1970, or an age such as 30d. All times are UTC."""

import datetime
import re
import time

from grucli.errors import UsageError

LATEST = 1 << 40
"""No moment is later than this (the year 36812): what is larger is no time at all."""

_DAY = 86_400
_UNITS = {"h": 3_600, "d": _DAY, "w": 7 * _DAY, "y": 365 * _DAY}
_age = re.compile(r"([0-9]{1,6})([hdwy])")
_seconds = re.compile(r"0|[0-9]{9,13}")  # 20240131 is a date
_part_of_a_date = re.compile(r"[0-9]{4}(-[0-9]{2})?")


def optional_moment(text: str | None, option: str) -> int | None:
    """The same as `parse_moment`, by the clock, and None where nothing was typed.

    Raises:
        UsageError: as there.
    """
    return None if text is None else parse_moment(text, option, time.time())


def parse_moment(text: str, option: str, now: float) -> int:
    """The second since 1970 that `text` means; a date means its first, an age counts back from `now`.

    >>> parse_moment("2024-02-01", "--after", now=0), parse_moment("2024-02", "--after", now=0)
    (1706745600, 1706745600)
    >>> parse_moment("2024-02-01T12:30", "--after", now=0), parse_moment("2024-02-01 12:30+01:00", "--after", now=0)
    (1706790600, 1706787000)
    >>> parse_moment("1706745600", "--after", now=0), parse_moment("30d", "--after", now=1706745600)
    (1706745600, 1704153600)

    Raises:
        UsageError: it means none, or one before 1970; `option` is named.
    """
    text = text.strip()
    if age := _age.fullmatch(text):
        moment = int(now) - int(age[1]) * _UNITS[age[2]]
    elif _seconds.fullmatch(text):
        moment = int(text)
    else:
        moment = _parse_date(text, option)
    if not 0 <= moment <= LATEST:
        raise UsageError(f"{option}: '{text}' is no time at which there was a comment", "name one from 2005 on")
    return moment


def _parse_date(text: str, option: str) -> int:
    whole = text + "-01-01"[3 * text.count("-") :] if _part_of_a_date.fullmatch(text) else text
    try:
        date = datetime.datetime.fromisoformat(whole)
        return int((date if date.tzinfo else date.replace(tzinfo=datetime.UTC)).timestamp())
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option}: '{text}' is no date, age or number of seconds",
            "write 2024-01-31, '2024-01-31 18:00' (UTC), 30d, 12h, 2w, 1y, or seconds since 1970",
        ) from None


def show_moment(moment: int) -> str:
    """A moment as people read it: the date, and the time of day where there is one.

    >>> show_moment(1706745600), show_moment(1706790601), show_moment(1 << 40)
    ('2024-02-01', '2024-02-01 12:30:01', '1099511627776')
    """
    try:
        date = datetime.datetime.fromtimestamp(moment, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return str(moment)
    return date.strftime("%Y-%m-%d" if moment % _DAY == 0 else "%Y-%m-%d %H:%M:%S")
