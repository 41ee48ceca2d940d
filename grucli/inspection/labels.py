"""Simple facts about each place in a text, with which the values of single units are compared.

A label is the value after a character was read. The labels of a token are those of its last character.
"""

import json
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from grucli.errors import UsageError, quote
from grucli.inspection.trace import Trace

Mask = NDArray[np.bool_]

MAX_SECONDS = 5
"""Time for a search: a pattern such as (a+)+b takes years."""

_SEARCH = """
import json, re, sys
pattern, text = json.load(sys.stdin)
print(json.dumps([match.span() for match in re.finditer(pattern, text)]))
"""
_OPEN, _CLOSED = "([{", ")]}"
_QUOTES = {'"': '"', "“": "”", "«": "»"}


def _in_quotes(text: str) -> list[bool]:
    closing, labels = "", []
    for char in text:
        if not closing:
            closing = _QUOTES.get(char, "")
        elif char in (closing, "\n"):
            closing = ""
        labels.append(bool(closing))
    return labels


def _in_brackets(text: str) -> list[bool]:
    depth, labels = 0, []
    for char in text:
        depth = max(depth + (char in _OPEN) - (char in _CLOSED), 0) if char != "\n" else 0
        labels.append(depth > 0)
    return labels


def _column(text: str) -> list[int]:
    start, columns = -1, []
    for position, char in enumerate(text):
        start = position if char == "\n" else start
        columns.append(position - start)
    return columns


def _late_in_line(text: str) -> list[bool]:
    columns = np.array(_column(text))
    return list(columns > np.median(columns)) if len(columns) else []


def _per_char(check: Callable[[str], bool]) -> Callable[[str], list[bool]]:
    return lambda text: [check(char) for char in text]


_BY_CHARACTER: dict[str, Callable[[str], Sequence[bool]]] = {
    "inside quotes": _in_quotes,
    "inside brackets": _in_brackets,
    "inside a word": _per_char(lambda char: char.isalnum() or char in "'’"),
    "late in the line": _late_in_line,
    "start of a line": lambda text: [column <= 1 for column in _column(text)],
    "capital letter": _per_char(str.isupper),
    "vowel": _per_char(lambda char: char.lower() in "aeiou"),
    "digit": _per_char(str.isdigit),
    "end of a sentence": _per_char(lambda char: char in ".!?"),
}
SECOND_SPEAKER = "second speaker"
NAMES = (*_BY_CHARACTER, SECOND_SPEAKER)
"""The labels that are tried."""


def labels(trace: Trace) -> dict[str, Mask]:
    """Return each label, bool [T], by its name."""
    text = "".join(trace.texts)
    by_name = {name: _at_tokens(trace, label(text)) for name, label in _BY_CHARACTER.items()}
    return by_name | {SECOND_SPEAKER: trace.turns % 2 == 1}


def matches(trace: Trace, pattern: str) -> Mask:
    """Return where a regular expression matches, bool [T]: tokens that end inside a match, or at its end.

    Raises:
        UsageError: it is not one, or takes too long.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of what a later Python will read otherwise
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"{quote(pattern)} is not a regular expression: {error}", "correct the pattern") from error
    text = "".join(trace.texts)
    inside = np.zeros(len(text), np.bool_)
    for start, end in _find_spans(pattern, text):
        inside[start:end] = True
    return _at_tokens(trace, inside.tolist())


def _find_spans(pattern: str, text: str) -> list[tuple[int, int]]:
    """Return the spans of all matches. A search cannot be stopped, so it has a process of its own, which can."""
    command = [sys.executable, "-I", "-S", "-c", _SEARCH]
    try:
        result = subprocess.run(
            command, input=json.dumps([pattern, text]), capture_output=True, text=True, timeout=MAX_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        hint = "use a simpler one, without repetitions inside repetitions"
        raise UsageError(f"{quote(pattern)} takes more than {MAX_SECONDS} seconds", hint) from None
    return [(start, end) for start, end in json.loads(result.stdout)]


def is_shown(trace: Trace) -> Mask:
    """Return which tokens show text, bool [T]: ends, and all but the last byte of a character, show none."""
    return np.array([bool(text) for text in trace.texts], np.bool_)


def _at_tokens(trace: Trace, values: Sequence[bool]) -> Mask:
    ends = np.cumsum([len(text) for text in trace.texts]) - 1
    before_the_first = False  # tokens before any character have no label
    return np.asarray(np.array([*values, before_the_first], np.bool_)[ends])
