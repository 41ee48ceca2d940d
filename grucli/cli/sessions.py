"""`gru sessions`: list and remove saved chats."""

from typing import Annotated

import typer

from grucli.cli.command_base import GruCommand, GruGroup
from grucli.cli.confirmation import Yes, confirm
from grucli.cli.options import Json
from grucli.errors import UsageError

app = typer.Typer(cls=GruGroup, add_completion=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def sessions(context: typer.Context, json: Json = False) -> None:
    """List and remove saved chats.

    \b
      gru sessions                      list them, the latest first
      gru sessions remove holidays
      gru sessions remove --all         also the history of typed lines
      gru chat --private                a chat that is not saved at all
    """
    if context.invoked_subcommand is None:
        list_(json=json)


@app.command("list", cls=GruCommand)
def list_(json: Json = False) -> None:
    """List the saved chats, the latest first.

    \b
      gru sessions list
      gru sessions list --json
    """
    from grucli.api.sessions import list_sessions
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.sessions_view import show_sessions

    infos = list_sessions()
    if json:
        terminal().print_json(infos)
    else:
        show_sessions(terminal(), infos)


@app.command(cls=GruCommand)
def remove(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Session names.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Remove all sessions, and the history of typed lines.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Remove saved chats, with their lines in the history of typed lines.

    \b
      gru sessions remove holidays
      gru sessions remove --all --yes
    """
    from grucli.api.sessions import RemovedSessions, find_sessions, remove_sessions
    from grucli.ui.terminal.console import terminal

    if all_ == bool(names):
        raise UsageError("give the names of sessions, or --all", "list them with: gru sessions")
    found = find_sessions(names or (), every=all_)
    question = (
        f"Delete all {len(found):,} sessions and the history of typed lines?" if all_ else f"Delete {', '.join(found)}?"
    )
    removed: list[str] = []
    if not yes and not confirm(f"{question} [y/N] "):
        terminal().info("nothing deleted")
    else:
        for name in remove_sessions(found, history=all_):
            removed.append(name)
            terminal().info(f"deleted '{name}'")
        if all_:
            terminal().info("deleted the history of typed lines")
    if json:
        terminal().print_json(RemovedSessions(tuple(removed)))
