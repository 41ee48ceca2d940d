"""`gru models`: list, show, rename, remove, path, quantize."""

from typing import Annotated

import typer

from grucli.cli.command_base import MODEL, GruCommand, GruGroup
from grucli.cli.confirmation import Yes, confirm
from grucli.cli.options import Json, OptionalModel

app = typer.Typer(cls=GruGroup, add_completion=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def models(context: typer.Context, json: Json = False) -> None:
    """List and manage models.

    \b
      gru models                        list them, the newest first
      gru models show emo --json        what `gru train --json` printed
      gru models rename emo feelings
      gru models remove feelings
      gru models remove --comparison shakespeare
      cp "$(gru models path emo)" .     one file is a whole model
      gru models quantize emo           a quarter of the size, to send it
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
    from grucli.api.store import list_comparisons, list_models
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.models_view import show_comparisons, show_models

    entries = list_models()
    if json:
        terminal().print_json(entries)
    else:
        show_models(terminal(), entries, {entry.name: entry.metrics for entry in entries})
        show_comparisons(terminal(), list_comparisons())


@app.command(cls=GruCommand)
def show(name: OptionalModel = None, json: Json = False) -> None:
    """Show one model in full.

    \b
      gru models show
      gru models show emo --json
      gru models show ./a-friends.safetensors
    """
    from grucli.api.store import describe_model
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.models_view import show_model

    details = describe_model(name)
    if not json:
        show_model(terminal(), details.entry, details.summary, details.metrics)
    elif details.summary is not None:
        terminal().print_json(details)
    details.check()


@app.command(cls=GruCommand)
def rename(
    old: Annotated[str, typer.Argument(metavar=MODEL, help="Model name.")],
    new: Annotated[str, typer.Argument(metavar="NAME", help="New name.")],
    json: Json = False,
) -> None:
    """Rename a model.

    \b
      gru models rename emo feelings
    """
    from grucli.api.store import rename_model
    from grucli.ui.terminal.console import terminal

    renamed = rename_model(old, new)
    if json:
        terminal().print_json(renamed)
    else:
        terminal().info(f"renamed '{renamed.was}' to '{renamed.model}', in {renamed.path}")


@app.command(cls=GruCommand)
def remove(
    names: Annotated[list[str], typer.Argument(metavar=f"{MODEL}...", help="Model names.")],
    comparison: Annotated[
        bool, typer.Option("--comparison", help="Delete comparisons of these names, with their models.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Delete models.

    \b
      gru models remove feelings
      gru models remove old older --yes
      gru models remove --comparison shakespeare
    """
    from grucli.api.store import RemovedModels, find_comparisons, find_directories, remove_comparison, remove_model
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.models_view import describe_comparison

    directories = [] if comparison else find_directories(names)
    comparisons = find_comparisons(names) if comparison else []
    targets = [*map(str, directories), *map(describe_comparison, comparisons)]
    if not yes and not confirm(f"Delete {', '.join(targets)}? [y/N] "):
        terminal().info("nothing deleted")
        directories, comparisons = [], []
    for directory in directories:
        remove_model(directory.name)
        terminal().info(f"deleted '{directory.name}'")
    for each in comparisons:
        for model in remove_comparison(each):
            terminal().info(f"deleted '{model}'")
        terminal().info(f"deleted comparison '{each.name}'")
    if json:
        removed = [directory.name for directory in directories] + [each.name for each in comparisons]
        terminal().print_json(RemovedModels(tuple(removed)))


@app.command(cls=GruCommand)
def path(name: OptionalModel = None, json: Json = False) -> None:
    """Print the path of a model's weights file, to copy it or to send it to a friend.

    \b
      cp "$(gru models path emo)" emo.safetensors
    """
    from grucli.api.store import find_weights
    from grucli.ui.terminal.console import terminal

    weights = find_weights(name)
    if json:
        terminal().print_json(weights)
    else:
        terminal().print_data(str(weights.path))


@app.command(cls=GruCommand)
def quantize(
    name: OptionalModel = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="File to write. [default: NAME.safetensors]")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing output.")] = False,
    json: Json = False,
) -> None:
    """Write a model as int8: a quarter of the size, and hardly worse.

    \b
      gru models quantize emo
      gru models quantize emo -o to-a-friend.safetensors
      gru chat to-a-friend.safetensors
    """
    from grucli.api.store import quantize_model
    from grucli.ui.terminal.console import terminal
    from grucli.ui.terminal.formatting import format_si

    written = quantize_model(name, output, force=force)
    if json:
        terminal().print_json(written)
    else:
        terminal().info(f"wrote {written.path}: {format_si(written.bytes)}B instead of {format_si(written.was_bytes)}B")
