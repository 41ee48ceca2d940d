"""The commands of `gru`: one file each, options in, one call, result shown. No logic lives here.

Functions of this package import what they call when they run, so that help, completion and usage errors cost no more
than Typer itself.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from grucli.cli import chat, clean, demo, doctor, fetch, models, purge, sample, train
from grucli.cli import eval as evaluation
from grucli.cli.command_base import (
    GlobalOptions,
    GruCommand,
    GruGroup,
    ParameterSource,
    TyperGroup,
    expand_wildcards,
    usage_error_from_click,
)
from grucli.errors import UsageError

COMMANDS: dict[str, Callable[..., Any]] = {
    "demo": demo.demo,
    "fetch": fetch.fetch,
    "clean": clean.clean,
    "purge": purge.purge,
    "train": train.train,
    "sample": sample.sample,
    "chat": chat.chat,
    "eval": evaluation.eval_,
    "doctor": doctor.doctor,
}
"""Every command by name, in the order in which help lists them."""

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
for _name, _function in COMMANDS.items():
    app.command(_name, cls=GruCommand)(_function)
app.add_typer(models.app, name="models")


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
    """Handle options of `gru` without a command."""
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


def build_cli() -> TyperGroup:
    """Build the tree of commands."""
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    return command


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
