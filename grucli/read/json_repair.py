"""Repairs of text that is almost JSON: what programs write that is certain in its meaning, mended on whole blocks.

Only what is outside of strings is changed. A string ends with its line at the latest, so that one broken line does not
change how the next are read.
"""

import ast
import json
import re
import warnings
from collections import Counter
from typing import cast

import msgspec
import numpy as np

from grucli.read.json_split import is_outside_strings, line_starts, mask_escapes

MAX_LITERAL_BYTES = 1 << 20
"""Bytes of a line of Python literals; its syntax tree takes about 100 times as much."""

NAN_READ = "has NaN or Infinity in {rows}, read as null"
PYTHON_WORDS_READ = "has None, True or False in {rows}, read as JSON"
TRAILING_COMMAS_READ = "has a trailing comma in {rows}, ignored"
PYTHON_LITERALS_READ = "has Python literals in {rows}, read as JSON"

_BOM = b"\xef\xbb\xbf"
_WORD = rb"(?<=[\s:,\[])"
_REPAIRS: tuple[tuple[bytes, bytes, str | None], ...] = (
    (_WORD + rb"[-+]?(?:NaN|nan|Infinity|inf)\b", b"null", NAN_READ),
    (_WORD + rb"None\b", b"null", PYTHON_WORDS_READ),
    (_WORD + rb"True\b", b"true", PYTHON_WORDS_READ),
    (_WORD + rb"False\b", b"false", PYTHON_WORDS_READ),
    (rb",(?=\s*[}\]])", b"", TRAILING_COMMAS_READ),
)
"""Patterns of tokens, what they mean in JSON, and what to tell the user."""

_LINE_REPAIRS: tuple[tuple[bytes, bytes, str | None], ...] = (
    (rb"(?<=\}),(?=[ \t\r]*(?:\n|\Z))", b"", None),
    (rb"^" + _BOM, b"", None),
)
"""What separates the elements of an array with one per line, and what `copy a+b` leaves at the start of a line."""

_LONE_SURROGATE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""Any escape in JSON; the group is a surrogate without its other half."""

_PYTHON_DICT = re.compile(rb"[\[(\s]*\{\s*'")
_HEAD_BYTES = 64
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def _compile(repairs: tuple[tuple[bytes, bytes, str | None], ...]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(b"(%s)" % pattern for pattern, _, _ in repairs), re.MULTILINE)


_TEXT_PATTERN = _compile(_REPAIRS)
_LINES_PATTERN = _compile(_REPAIRS + _LINE_REPAIRS)


def repair_text(text: bytes, *, by_line: bool) -> tuple[bytes, Counter[str]]:
    r"""Return the text with what is not JSON replaced, and in how many lines, by what to tell the user.

    `by_line`: each line is a value. Newlines are neither removed nor added.

    >>> repair_text(b'{"a": NaN, "b": "NaN"}\n{"a": [1, 2,]},\n', by_line=True)[0]
    b'{"a": null, "b": "NaN"}\n{"a": [1, 2]}\n'
    """
    if _SURROGATE.search(text):
        text = replace_lone_surrogates(text)
    found = list((_LINES_PATTERN if by_line else _TEXT_PATTERN).finditer(text))
    if not found:
        return text, Counter()
    offsets = np.array([match.start() for match in found], np.intp)
    lines = line_starts(text, offsets).tolist()
    python_lines = {line for line in set(lines) if looks_like_python(text[line : line + _HEAD_BYTES])}
    repairs = _REPAIRS + _LINE_REPAIRS
    parts: list[bytes] = []
    end = 0
    repaired: set[tuple[str, int]] = set()
    for match, line, is_outside in zip(found, lines, is_outside_strings(mask_escapes(text), offsets), strict=True):
        if is_outside and line not in python_lines:
            _, replacement, message = repairs[cast(int, match.lastindex) - 1]
            parts += [text[end : match.start()], replacement]
            end = match.end()
            if message is not None:
                repaired.add((message, line))
    return b"".join([*parts, text[end:]]), Counter(message for message, _ in repaired)


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
    return msgspec.json.decode(replace_lone_surrogates(text))


class _NameReplacer(ast.NodeTransformer):
    """Replaces the numbers that Python prints as names."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(None) if node.id in ("nan", "inf", "NaN", "NaT") else node
