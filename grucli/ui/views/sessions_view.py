"""The list of saved chat sessions."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len

from grucli.chat.turns import preview
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.terminal.wrapping import truncate

if TYPE_CHECKING:
    from grucli.chat.session_store import SessionInfo

_COLUMNS = ("SESSION", "CHANGED", "MODEL", "FIRST LINE")


def show_sessions(terminal: Terminal, infos: Sequence["SessionInfo"]) -> None:
    """Print one line per session on stdout, and a warning for each that cannot be read."""
    if not infos:
        terminal.info("no saved sessions; start a chat with: gru chat")
        return
    rows = [_COLUMNS, *map(_row, infos)]
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(_COLUMNS) - 1)]
    ascii_only, columns = terminal.data.options.ascii_only, terminal.data.width - 1
    for row in rows:
        cells = [text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=False)]
        line = "  ".join([*cells, row[-1]]).rstrip()
        terminal.print_line(truncate(line, columns, ascii_only) if terminal.data.is_terminal else line)
    for info in infos:
        if info.problem:
            terminal.warn(info.problem)


def _row(info: "SessionInfo") -> tuple[str, ...]:
    changed = f"{datetime.fromtimestamp(info.modified):%Y-%m-%d %H:%M}"
    return sanitize_line(info.name), changed, sanitize_line(info.model), sanitize_line(preview(info.first_line))
