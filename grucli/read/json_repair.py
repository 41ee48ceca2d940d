"""Repairs of text that is almost JSON: what programs write that is certain in its meaning, mended on whole blocks.

Only what is outside of strings is changed. A string ends with its line at the latest, so that one broken line does not
change how the next are read.
"""

import ast
import json
import re
import warnings
from collections import Counter
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

import msgspec
import numpy as np

from grucli.read.json_split import is_outside_strings, line_starts, mask_escapes

MAX_LITERAL_BYTES = 1 << 20
"""Bytes of a line of Python literals; its syntax tree takes about 100 times as much."""

MAX_VALUES = 1 << 22
"""Values in one JSON text: far more than a document of comments has."""

_MAX_REPAIRS = 1 << 20
NAN_READ = "has NaN or Infinity in {rows}, read as null"
PYTHON_WORDS_READ = "has None, True or False in {rows}, read as JSON"
TRAILING_COMMAS_READ = "has a trailing comma in {rows}, ignored"
PYTHON_LITERALS_READ = "has Python literals in {rows}, read as JSON"


class _Repair(NamedTuple):
    """What is not JSON, what it means there, and what to tell the user."""

    pattern: re.Pattern[bytes]
    replacement: bytes
    message: str | None = None


def _word(word: bytes, replacement: bytes, message: str) -> _Repair:
    # The word comes first in the pattern, which is thus searched for as fast as a string.
    return _Repair(re.compile(rb"%s(?<=[\s:,\[+-]%s)\b" % (word, word)), replacement, message)


_WORDS = (
    *(_word(word, b"null", NAN_READ) for word in (b"NaN", b"nan", b"Infinity", b"inf")),
    _word(b"None", b"null", PYTHON_WORDS_READ),
    _word(b"True", b"true", PYTHON_WORDS_READ),
    _word(b"False", b"false", PYTHON_WORDS_READ),
)
_IN_TEXT = (*_WORDS, _Repair(re.compile(rb",(?=\s*[}\]])"), b"", TRAILING_COMMAS_READ))
_IN_LINES = (
    *_WORDS,
    _Repair(re.compile(rb",(?=[ \t\r]*[}\]])"), b"", TRAILING_COMMAS_READ),
    _Repair(re.compile(rb"\},(?=[ \t\r]*(?:\n|\Z))"), b"}"),  # between the elements of an array
    _Repair(re.compile(rb"\xef\xbb\xbf(?<![^\n]\xef\xbb\xbf)"), b""),  # of files that were joined
)

_LONE_SURROGATE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""Any escape in JSON; the group is a surrogate without its other half."""

_PYTHON_DICT = re.compile(rb"[\[(\s]*\{\s*'")
_HEAD_BYTES = 64
_decoder = msgspec.json.Decoder()
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def decode_json(text: bytes) -> object:
    """Return the value of JSON text.

    Raises:
        TooManyValuesError: it has more than `MAX_VALUES`.
        ValueError: it is not JSON, or not UTF-8.
        RecursionError: it is nested too deep.
    """
    if has_too_many_values(text):
        raise TooManyValuesError
    return _decoder.decode(text)


def has_too_many_values(text: bytes) -> bool:
    """Return True for text of more than `MAX_VALUES` values, an object or a list counting twice."""
    return len(text) > MAX_VALUES and max(text.count(b","), 2 * (text.count(b"[") + text.count(b"{"))) > MAX_VALUES


class TooManyValuesError(ValueError):
    """Decoded, a text would take many times its size."""


def repair_text(text: bytes, *, by_line: bool) -> tuple[bytes, Counter[str]]:
    r"""Return the text with what is not JSON replaced, and in how many lines, by what to tell the user.

    `by_line`: each line is a value. Newlines are neither removed nor added.

    >>> repair_text(b'{"a": NaN, "b": "NaN"}\n{"a": [-Infinity, 2,]},\n', by_line=True)[0]
    b'{"a": null, "b": "NaN"}\n{"a": [null, 2]}\n'
    """
    if _SURROGATE.search(text):
        text = replace_lone_surrogates(text)
    matches = (
        (match.start(), match.end(), repair)
        for repair in (_IN_LINES if by_line else _IN_TEXT)
        for match in repair.pattern.finditer(text)
    )
    found = list(islice(matches, _MAX_REPAIRS + 1))
    if not 0 < len(found) <= _MAX_REPAIRS:
        return text, Counter()
    found.sort(key=itemgetter(0))
    offsets = np.array([start for start, _, _ in found], np.intp)
    lines = line_starts(text, offsets).tolist()
    python_lines = {line for line in set(lines) if looks_like_python(text[line : line + _HEAD_BYTES])}
    parts: list[bytes] = []
    last_end = 0
    repaired: set[tuple[str, int]] = set()
    outside = is_outside_strings(mask_escapes(text), offsets)
    for (start, end, (_, replacement, message)), line, is_outside in zip(found, lines, outside, strict=True):
        if is_outside and line not in python_lines:
            before = text[last_end:start]
            parts += [before.rstrip(b"+-") if replacement == b"null" else before, replacement]
            last_end = end
            if message is not None:
                repaired.add((message, line))
    return b"".join([*parts, text[last_end:]]), Counter(message for message, _ in repaired)


def replace_lone_surrogates(text: bytes) -> bytes:
    r"""Replace each escaped surrogate without its other half by U+FFFD: JSON can spell it, UTF-8 cannot hold it.

    >>> replace_lone_surrogates(rb'["\ud83d!", "\ud83d\ude00", "\\ud83d"]')
    b'["\\ufffd!", "\\ud83d\\ude00", "\\\\ud83d"]'
    """
    return _LONE_SURROGATE.sub(lambda match: rb"\ufffd" if match[1] else match[0], text)


def looks_like_python(line: bytes) -> bool:
    """Return True for the representation of a Python dict, or of a list of them."""
    return _PYTHON_DICT.match(line) is not None


def parse_python_literal(line: bytes) -> object:
    """Return the value of a line of Python literals, as `print(comment)` writes it.

    >>> parse_python_literal(b'''{'body': "it's", 'id': None, 'score': nan}''')
    {'body': "it's", 'id': None, 'score': None}

    Raises:
        ValueError: it is something else, or longer than `MAX_LITERAL_BYTES`.
    """
    if len(line) > MAX_LITERAL_BYTES:
        raise ValueError("too long")
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(line.decode().strip(), mode="eval")
        value = ast.literal_eval(_NameReplacer().visit(tree))
        text = json.dumps(value, allow_nan=False).encode()
    except (SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise ValueError(str(error)) from error
    return _decoder.decode(replace_lone_surrogates(text))


class _NameReplacer(ast.NodeTransformer):
    """Replaces the numbers that Python prints as names."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(None) if node.id in ("nan", "inf", "NaN", "NaT") else node
