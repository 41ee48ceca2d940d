"""The history of typed lines: a text file in the format of prompt_toolkit, for the user alone.

Each entry is a comment, with the time and when its session was started, and its lines after `+`:

    # 2026-11-27 20:41:43.000000 2026-11-27T20:40:00.000000+00:00
    +hello there
"""

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from grucli.files import atomic_write, open_private

_COMMENT, _LINE = b"\n# ", "+"


class InputHistory:
    """The history in the file `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[str]:
        """Return all entries, the oldest first; none if the file cannot be read."""
        texts: list[list[str]] = [[]]
        with suppress(OSError):
            for line in self.path.read_bytes().decode("utf-8", "replace").split("\n"):
                if line.startswith(_LINE):
                    texts[-1].append(line[1:])
                elif texts[-1]:
                    texts.append([])
        return ["\n".join(text) for text in texts if text]

    def append(self, text: str, session_started_at: str) -> None:
        """Add an entry of a session; do nothing if the file cannot be written."""
        lines = "".join(f"{_LINE}{line}\n" for line in text.split("\n"))
        with suppress(OSError, UnicodeError):
            entry = f"\n# {datetime.now()} {session_started_at}\n{lines}".encode()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab", buffering=0, opener=open_private) as file:
                file.write(entry)

    def remove(self, session_started_at: str) -> None:
        """Remove the entries of a session.

        Raises:
            OSError: the file cannot be read or written.
        """
        if not session_started_at or not self.path.exists():
            return
        first, *entries = self.path.read_bytes().split(_COMMENT)
        suffix = f" {session_started_at}".encode()
        kept = [entry for entry in entries if not entry.partition(b"\n")[0].endswith(suffix)]
        if len(kept) < len(entries):
            atomic_write(self.path, _COMMENT.join([first, *kept]), follow_symlinks=False)

    def clear(self) -> None:
        """Delete the file.

        Raises:
            OSError: the file cannot be deleted.
        """
        self.path.unlink(missing_ok=True)
