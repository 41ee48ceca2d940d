"""The commands of `gru`: one file each, options in, one call, result shown. No logic lives here.

A command is loaded when it is called, and its functions import what they call when they run, so that help, completion
and usage errors cost little more than Typer itself.
"""

import sys
from collections import UserDict
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from grucli.cli.command_base import (
    AnyCommand,
    GlobalOptions,
    GruCommand,
    GruGroup,
    ParameterSource,
    expand_wildcards,
    usage_error_from_click,
)
from grucli.errors import UsageError

COMMANDS = {
    "demo": "Watch a model learn from real conversations for a minute, then read what it writes.",
    "fetch": "Fetch comments.",
    "clean": "Clean comments: dumps, fetched files or tables in, one corpus to train on out.",
    "purge": "Remove comments from a corpus by id or author.",
    "train": "Train a model on comments.",
    "sample": "Generate comments.",
    "chat": "Chat with a model.",
    "eval": "Measure how well models predict a text: fewer bits per character are better.",
    "compare": "Compare cells: networks of equal size, trained in turns on the same text.",
    "inspect": "See what a model's gates and units do while it reads a text.",
    "doctor": "Show system information: speed, directories, settings.",
    "models": "List and manage models.",
    "sessions": "List and remove saved chats.",
}
"""Every command, in the order of help, with its summary. `grucli.cli.NAME` holds its function, or `app` for a group."""

HELP = """Turn a subreddit's comments into a small network that talks like it.

\b
  gru demo                          everything once, in about a minute
  gru fetch r/cooking -o raw.jsonl  fetch the comments of a subreddit
  gru clean raw.jsonl -o food.csv   make a corpus of them
  gru train food.csv                train on it, or on any table of comments
  gru sample --temp 0.8 -n 5        write five comments
  gru chat                          talk with the newest model
  gru eval MODEL test.csv --json    measure it on text it has not seen

Every option --some-name can also be set as GRU_SOME_NAME or in config.toml. GRU_HOME moves all files that gru writes.
"""

app = typer.Typer(name="gru", cls=GruGroup, help=HELP, add_completion=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    install_completion: Annotated[
        bool, typer.Option("--install-completion", help="Install Tab completion for your shell and exit.")
    ] = False,
    show_completion: Annotated[
        str | None, typer.Option(metavar="SHELL", help="Print a script for bash, zsh, fish or powershell and exit.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="With --version: output JSON.")] = False,
) -> None:
    if json and context.get_parameter_source("json") is ParameterSource.COMMANDLINE:
        name = context.invoked_subcommand or "COMMAND"
        raise UsageError("--json must follow the command", f"try: gru {name} --json")
    if show_completion is not None:
        from grucli.cli.completions import script

        typer.echo(script(show_completion), nl=False)
        raise typer.Exit
    if install_completion:
        from grucli.cli.completions.install import current_shell, install
        from grucli.ui.terminal.console import terminal

        written = install(current_shell(), Path.home())
        terminal().info(f"Written: {', '.join(map(str, written))}. Start a new shell and try: gru <Tab>")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


class _LazyCommands(UserDict[str, Any]):
    """Commands by name, each loaded when it is first used."""

    def __getitem__(self, name: str) -> AnyCommand:
        if self.data[name] is None:
            self.data[name] = _load_command(name)
        command: AnyCommand = self.data[name]
        return command


def _load_command(name: str) -> AnyCommand:
    module = import_module(f"grucli.cli.{name}")
    command_app = getattr(module, "app", None)
    if command_app is None:
        command_app = typer.Typer(add_completion=False, rich_markup_mode=None)
        command_app.command(name, cls=GruCommand)(getattr(module, name, None) or getattr(module, f"{name}_"))
    command = typer.main.get_command(command_app)
    command.name = name
    return command


def build_cli() -> GruGroup:
    """Build the tree of commands."""
    group = typer.main.get_command(app)
    assert isinstance(group, GruGroup)
    group.commands = _LazyCommands(dict.fromkeys(COMMANDS))
    group.summaries = COMMANDS
    return group


def parse_and_run(arguments: Sequence[str], options: GlobalOptions) -> int:
    """Parse and run a command line, and return the exit status. `options` receives the global options.

    Raises:
        GruError: the command line is wrong, or the command failed.
    """
    # Windows shells do not expand *.csv.
    words = expand_wildcards(arguments) if sys.platform == "win32" else list(arguments)
    command = build_cli()
    try:
        with command.make_context("gru", words, obj=options) as context:
            command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    except typer.TyperException as error:
        raise usage_error_from_click(error) from error
    return 0
