"""The text that sets the scene of a session, from a file."""

from pathlib import Path

from grucli.errors import UsageError

MAX_BYTES = 1 << 22
"""Bytes. A scene is read before the first reply, and with some models before each."""


def read_preamble(path: str) -> str:
    """Read a scene. Its last line end, which editors put there, is no part of it for a model that takes turns.

    Raises:
        UsageError: the file is no UTF-8 text, or too long for a scene. OSError: it cannot be read.
    """
    with Path(path).open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UsageError(f"'{path}' is longer than {MAX_BYTES:,} bytes", "a scene is a page or two")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise UsageError(f"'{path}' is not UTF-8 text", "give a plain text file to --opening") from None
