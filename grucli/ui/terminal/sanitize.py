"""The guard at the door to the terminal: what a stranger wrote may be read, never obeyed.

Comments, model output, file names, metadata and error texts all pass here on their way to a screen. Rich's own
`escape()` and `Text()` let escape sequences and bidirectional overrides through, so nothing relies on them.
"""

import re

BIDI_CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks, embeddings, overrides and isolates of text that runs both ways."""

# C0 but tab and newline, DEL, C1; stray surrogates.
_CONTROL_CHARS = f"\x00-\x08\x0b-\x1f\x7f-\x9f{BIDI_CONTROLS}\ud800-\udfff"
_control_pattern = re.compile(f"[{_CONTROL_CHARS}]")
_line_break_pattern = re.compile(r" *[\t\n\u2028\u2029][ \t\n\u2028\u2029]*")


def sanitize(text: str) -> str:
    """Give `text` without the characters that could steer a terminal; newlines and tabs stay."""
    return _control_pattern.sub("", text)


def sanitize_line(text: str) -> str:
    """Give `text` on one line: as `safe`, each run of white space with a line end or a tab in it a single space."""
    return _line_break_pattern.sub(" ", sanitize(text)).strip()


def escape_control_json(document: str) -> str:
    r"""Give a JSON document with everything that could steer a terminal as \u escapes; its value stays the same.

    Meant for the output of a JSON encoder that put no line breaks between tokens: every steering character then
    stands inside a string.
    """
    return _control_pattern.sub(lambda found: f"\\u{ord(found.group()):04x}", document)
