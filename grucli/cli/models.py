"""`gru models`: list, show, rename, remove, path."""

import sys
from typing import Annotated

import typer

from grucli.cli.command_base import MODEL, Command, Group
from grucli.errors import ModelFileError, UsageError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")]

app = typer.Typer(cls=Group, add_completion=False, rich_markup_mode=None)


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


@app.command("list", cls=Command)
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
                "cell": entry.description.sizes.cell if entry.description else None,
                "parameters": entry.description.parameters if entry.description else None,
                "tokenizer": entry.description.tokenizer if entry.description else None,
                "val_bits_per_char": entry.description.card.val_bits_per_char if entry.description else None,
                "problem": entry.problem,
            }
            for entry in entries
        ]
    )


@app.command(cls=Command)
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
    from grucli.training.summary import entry_of, summarise
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.models_view import show_model

    entry = entry_of(name)
    summary = summarise(entry) if entry.problem is None else None
    if not json:
        show_model(terminal(), entry, summary, read_metrics(entry.path))
    elif summary is not None:
        terminal().print_json(summary)
    if entry.problem is not None:
        raise ModelFileError(entry.problem, f"train it again, or take it away: gru models remove {entry.name}")


@app.command(cls=Command)
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

    folder = rename_model(old, new)
    if json:
        terminal().print_json({"model": new, "path": folder, "was": old})
    else:
        terminal().say(f"'{old}' is now '{new}', in {folder}")


@app.command(cls=Command)
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

    folders = [find_entry(name).path for name in dict.fromkeys(names)]
    if not yes and not _agreed(f"Delete {', '.join(map(str, folders))}? [y/N] "):
        terminal().say("Nothing was deleted.")
        folders = []
    for folder in folders:
        remove_model(folder.name)
        terminal().say(f"'{folder.name}' is deleted.")
    if json:
        terminal().print_json({"removed": [folder.name for folder in folders]})


@app.command(cls=Command)
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

    found = find_model(name)
    if json:
        terminal().print_json({"path": found})
    else:
        terminal().print(str(found))


def _agreed(question: str) -> bool:
    """Ask on the terminal. A script that nobody answers has to say --yes instead."""
    from grucli.ui.terminal.console import plain, terminal

    if not sys.stdin.isatty():
        raise UsageError("nobody is there to be asked", "say --yes to delete without a question")
    terminal().messages.print(plain(question), end="")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
