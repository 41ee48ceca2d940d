"""Parsing of typed numbers.

Python also accepts 1_0 for ten and the digits of every script; neither is likely to be meant by a user.
"""

import re

_NUMERIC = re.compile(r"[+-]*[\d._,]*\d(e[+-]?[\d_]*\d)?", re.IGNORECASE)


def parse_int(text: str) -> int:
    """Parse a whole number.

    Raises:
        ValueError: the text is not a whole number.
    """
    return int(_require_plain_ascii(text))


def parse_float(text: str) -> float:
    """Parse a number.

    Raises:
        ValueError: the text is not a number.
    """
    return float(_require_plain_ascii(text))


def looks_numeric(text: str) -> bool:
    """Return True if a number is meant, even if it is not valid, such as 1_0 or 0,5."""
    return _NUMERIC.fullmatch(text) is not None


def _require_plain_ascii(text: str) -> str:
    if "_" in text or not text.isascii():
        raise ValueError(f"'{text}' is not a number")
    return text
