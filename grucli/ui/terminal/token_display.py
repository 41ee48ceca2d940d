"""Tokens as something to look at, also those that a terminal would show as nothing."""

from grucli.ui.terminal.sanitize import sanitize


def show_control_chars(text: str, ascii_only: bool = False) -> str:
    """Give a token with marks in the place of its line ends and of what cannot be shown; tabs are blanks."""
    newline, hidden = ("\\n", "?") if ascii_only else ("↵", "·")
    return sanitize(text).replace("\n", newline).replace("\t", " ") or hidden


def repr_token(text: str, ascii_only: bool = False) -> str:
    """The same where it stands alone, so that its blanks are seen as well; no text is the end of a reply."""
    if not text:
        return "(the end)"
    return show_control_chars(text, ascii_only).replace(" ", "_" if ascii_only else "␣")
