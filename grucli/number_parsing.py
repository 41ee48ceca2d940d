"""Numbers as people type them, in the shell and in a chat. Ground floor: it knows nothing of what they are for.

Python also takes 1_0 for ten, and the digits of every script: whoever types these means something else, or nothing.
"""

import re

_numeric_pattern = re.compile(r"[+-]*[\d._,]*\d(e[+-]?[\d_]*\d)?", re.IGNORECASE)


def parse_int(text: str) -> int:
    """The whole number that was typed.

    Raises:
        ValueError: it is none.
    """
    return int(_require_plain_ascii(text))


def parse_float(text: str) -> float:
    """The number that was typed.

    Raises:
        ValueError: it is none.
    """
    return float(_require_plain_ascii(text))


def looks_numeric(text: str) -> bool:
    """Whether a number was meant, also where it is none as it stands, such as 1_0 or 0,5."""
    return _numeric_pattern.fullmatch(text) is not None


def _require_plain_ascii(text: str) -> str:
    if "_" in text or not text.isascii():
        raise ValueError(f"'{text}' is not a number")
    return text
