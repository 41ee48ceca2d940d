"""Asking before something is deleted."""

import sys
from typing import Annotated

import typer

from grucli.errors import UsageError

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")]


def confirm(question: str) -> bool:
    """Ask on stderr, and return True if the user answers yes.

    Raises:
        UsageError: stdin is not a terminal.
    """
    from grucli.ui.terminal.console import plain_text, terminal

    if not sys.stdin.isatty():
        raise UsageError("stdin is not a terminal, cannot ask for confirmation", "use --yes to delete without asking")
    terminal().messages.print(plain_text(question), end="")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
