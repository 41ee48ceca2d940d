"""`gru models`: list, show, rename, remove, path."""

import sys
from typing import Annotated

import typer

from grucli.cli.command_base import MODEL, GruCommand, GruGroup
from grucli.errors import ModelFileError, UsageError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")]

app = typer.Typer(cls=GruGroup, add_completion=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def models(context: typer.Context, json: Json = False) -> None:
    """See and tidy the models there are.

    \b
      gru models                        list them, the newest first
      gru models show emo --json        what `gru train --json` said of it
      gru models rename emo feelings
      gru models remove feelings
      cp "$(gru models path emo)" .     one file is a whole model
    """
    if context.invoked_subcommand is None:
        list_(json=json)


@app.command("list", cls=GruCommand)
def list_(json: Json = False) -> None:
    """List the models, the newest first.

    \b
      gru models list
      gru models list --json
    """
    from grucli.model.store import list_models, read_metrics
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.models_view import show_models

    entries = list_models()
    if not json:
        show_models(terminal(), entries, {entry.name: read_metrics(entry.path) for entry in entries})
        return
    terminal().print_json(
        [
            {
                "model": entry.name,
                "path": entry.path,
                "modified": entry.modified,
                "bytes": entry.bytes,
                "cell": entry.info.sizes.cell if entry.info else None,
                "parameters": entry.info.parameters if entry.info else None,
                "tokenizer": entry.info.tokenizer if entry.info else None,
                "val_bits_per_char": entry.info.card.val_bits_per_char if entry.info else None,
                "problem": entry.problem,
            }
            for entry in entries
        ]
    )


@app.command(cls=GruCommand)
def show(
    name: Annotated[str | None, typer.Argument(metavar=MODEL, help="The newest when left out.")] = None,
    json: Json = False,
) -> None:
    """Show one model in full.

    \b
      gru models show
      gru models show emo --json
      gru models show ./a-friends.safetensors
    """
    from grucli.model.store import read_metrics
    from grucli.training.summary import resolve_entry, summarize
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.models_view import show_model

    entry = resolve_entry(name)
    summary = summarize(entry) if entry.problem is None else None
    if not json:
        show_model(terminal(), entry, summary, read_metrics(entry.path))
    elif summary is not None:
        terminal().print_json(summary)
    if entry.problem is not None:
        raise ModelFileError(entry.problem, f"train it again, or take it away: gru models remove {entry.name}")


@app.command(cls=GruCommand)
def rename(
    old: Annotated[str, typer.Argument(metavar=MODEL)],
    new: Annotated[str, typer.Argument(metavar="NAME")],
    json: Json = False,
) -> None:
    """Give a model another name.

    \b
      gru models rename emo feelings
    """
    from grucli.model.store import rename_model
    from grucli.ui.terminal.console import terminal

    directory = rename_model(old, new)
    if json:
        terminal().print_json({"model": new, "path": directory, "was": old})
    else:
        terminal().info(f"'{old}' is now '{new}', in {directory}")


@app.command(cls=GruCommand)
def remove(
    names: Annotated[list[str], typer.Argument(metavar=f"{MODEL}...")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    json: Json = False,
) -> None:
    """Delete models, and all that they have learnt.

    \b
      gru models remove feelings
      gru models remove old older --yes
    """
    from grucli.model.store import find_entry, remove_model
    from grucli.ui.terminal.console import terminal

    directories = [find_entry(name).path for name in dict.fromkeys(names)]
    if not yes and not _confirm(f"Delete {', '.join(map(str, directories))}? [y/N] "):
        terminal().info("Nothing was deleted.")
        directories = []
    for directory in directories:
        remove_model(directory.name)
        terminal().info(f"'{directory.name}' is deleted.")
    if json:
        terminal().print_json({"removed": [folder.name for folder in directories]})


@app.command(cls=GruCommand)
def path(
    name: Annotated[str | None, typer.Argument(metavar=MODEL, help="The newest when left out.")] = None,
    json: Json = False,
) -> None:
    """Print where the weights file of a model lies, to copy it or to send it to a friend.

    \b
      cp "$(gru models path emo)" emo.safetensors
    """
    from grucli.model.store import find_model
    from grucli.ui.terminal.console import terminal

    weights_path = find_model(name)
    if json:
        terminal().print_json({"path": weights_path})
    else:
        terminal().print_data(str(weights_path))


def _confirm(question: str) -> bool:
    """Ask on the terminal. A script that nobody answers has to say --yes instead."""
    from grucli.ui.terminal.console import plain_text, terminal

    if not sys.stdin.isatty():
        raise UsageError("nobody is there to be asked", "say --yes to delete without a question")
    terminal().messages.print(plain_text(question), end="")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
