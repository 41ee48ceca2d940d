"""Facts about one thing, a line for each: a name at the left, what is known at the right."""

from collections.abc import Sequence

from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.sanitize import safe_line


def show_facts(terminal: Terminal, facts: Sequence[tuple[str, str | Text]], label: int) -> None:
    """Print facts on stdout, their names in `label` columns; on a terminal, further rows of a fact stand under it.

    A fact that is a `Text` is guarded already.
    """
    for name, fact in facts:
        known = safe_line(fact) if isinstance(fact, str) else fact
        terminal.show(Text.assemble((f"{name:<{label}}", "dim"), known), label)
