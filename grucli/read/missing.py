"""What stands in a field where there is nothing: the words that programs write for a missing value."""

import re

MISSING_TEXTS = frozenset(
    ("None", "nan", "NaN", "null", "NULL", "NA", "N/A", "<NA>", "#N/A", "NaT", "\\N", "<null>", "(null)", "undefined")
)
"""Words for "no value", as Python, pandas, R, SQL and spreadsheets write them, that are not the text of a comment."""

MISSING_VALUES = MISSING_TEXTS | {"", "n/a", "none", "Null", "NAN", "-nan", "#NA", "nil", "DELETED"}
"""The same for any other field, where no word means something else."""

_MAX_CHARS = 40
"""Length of a word with white space around it; most texts are longer."""

DELETED_TEXT = re.compile(r"\[ ?(?:deleted|removed|unavailable)\b[^\]\n]{0,100}\]", re.IGNORECASE)
"""What Reddit shows instead of the text of a comment that is gone."""


def is_missing_text(text: str) -> bool:
    """Return True if a whole text is a word for "no value".

    >>> is_missing_text("nan"), is_missing_text("None of them")
    (True, False)
    """
    return len(text) <= _MAX_CHARS and text.strip() in MISSING_TEXTS


def is_placeholder(text: str) -> bool:
    """Return True if a whole text is a word for "no value", or says that the comment is gone.

    >>> is_placeholder("[removed]"), is_placeholder("[removed] is what it says")
    (True, False)
    """
    return is_missing_text(text) or (text[:1] == "[" and DELETED_TEXT.fullmatch(text) is not None)


def is_missing(value: object) -> bool:
    """Return True for a field without a value: None, NaN, nothing, or a word for it.

    >>> is_missing(" N/A "), is_missing(float("nan")), is_missing(0)
    (True, True, False)
    """
    return value is None or value != value or (isinstance(value, str) and value.strip() in MISSING_VALUES)
