"""Removal of control characters from untrusted text: all terminal output goes through here.

Comments, model output, file names, metadata and error texts are untrusted. Rich's own `escape()` and `Text()` let
escape sequences and bidirectional overrides through.
"""

import re

BIDI_CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks, embeddings, overrides and isolates of bidirectional text."""

# C0 except tab and newline, DEL, C1, surrogates.
_CONTROL_CHARS = f"\x00-\x08\x0b-\x1f\x7f-\x9f{BIDI_CONTROLS}\ud800-\udfff"
_control_pattern = re.compile(f"[{_CONTROL_CHARS}]")
_line_break_pattern = re.compile(r" *[\t\n\u2028\u2029][ \t\n\u2028\u2029]*")


def sanitize(text: str) -> str:
    """Return `text` without characters that control a terminal; newlines and tabs are kept."""
    return _control_pattern.sub("", text)


def sanitize_line(text: str) -> str:
    """Return `text` sanitized on one line: white space with a line break or a tab in it becomes one space."""
    return _line_break_pattern.sub(" ", sanitize(text)).strip()


def mark_line_breaks(text: str) -> str:
    """Return `text` sanitized on one line, with ` / ` between its lines that are not blank."""
    return " / ".join(filter(None, map(sanitize_line, sanitize(text).splitlines())))


def escape_control_json(document: str) -> str:
    r"""Return a JSON document with all control characters as \u escapes; its value is the same.

    The document must have no line breaks between tokens: control characters are then inside strings only.
    """
    return _control_pattern.sub(lambda match: f"\\u{ord(match.group()):04x}", document)
