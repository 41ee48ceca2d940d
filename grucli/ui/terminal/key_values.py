"""Facts about one thing, a line for each: a name at the left, what is known at the right."""

from collections.abc import Sequence

from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.sanitize import sanitize_line


def print_key_values(terminal: Terminal, items: Sequence[tuple[str, str | Text]], label_columns: int) -> None:
    """Print facts on stdout, their names in `label` columns; on a terminal, further rows of a fact stand under it.

    A fact that is a `Text` is guarded already.
    """
    for name, value in items:
        text = sanitize_line(value) if isinstance(value, str) else value
        terminal.print_line(Text.assemble((f"{name:<{label_columns}}", "dim"), text), label_columns)
