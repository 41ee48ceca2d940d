"""Scores as tools write them: numbers, with separators, a unit, or words around them."""

import math
import re

_MAX_SCORE = 1e15
_SCORE = re.compile(
    r"([+\-−]?)((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]{1,2})?\s*([km]?)"
    r"(?:\s*(?:points?|upvotes?|votes?|likes?))?",
    re.IGNORECASE,
)
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}


def parse_score(value: object) -> int | None:
    """Return a score, or None if it is not known.

    >>> [parse_score(value) for value in (3.0, "12", "-3", "1,234", "1.2k", "5 points", "score hidden", None)]
    [3, 12, -3, 1234, 1200, 5, None, None]
    """
    if isinstance(value, str):
        match = _SCORE.fullmatch(value.strip())
        if match is None:
            return None
        sign, digits, exponent, unit = match.groups(default="")
        value = float(digits.replace(",", "") + exponent) * (-1 if sign in ("-", "−") else 1)
        value = round(value * _FACTORS[unit.lower()]) if unit else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if abs(value) < _MAX_SCORE else None
