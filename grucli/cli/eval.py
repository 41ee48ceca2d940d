"""`gru eval`: how well a model predicts a text."""

from typing import Annotated, Literal

import typer

from grucli.cli.command_base import MODEL
from grucli.cli.options import Json, Threads, read_options
from grucli.read.schema import ReadOptions, describe_inputs


@read_options("body", "thread")
def eval_(
    model: Annotated[str, typer.Argument(metavar=MODEL, help="Model name or path.")],
    file: Annotated[str, typer.Argument(metavar="CORPUS", help="A file that gru train takes.")],
    split: Annotated[Literal["all", "val"], typer.Option(help="The whole file, or its validation split.")] = "all",
    val: Annotated[float, typer.Option(help="Validation fraction of the training, with --split val.")] = 0.1,
    context: Annotated[bool, typer.Option("--context", help="Measure what replies gain from their context.")] = False,
    dynamic: Annotated[bool, typer.Option("--dynamic", help="Measure what learning while reading gains.")] = False,
    *,
    read: ReadOptions,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Measure how well a model predicts a text: fewer bits per character are better.

    \b
      gru eval emo test.tsv                    a text that it was not trained on
      gru eval emo train.tsv --split val       the validation split of its own corpus
      gru eval talk test.csv --context         and whether it listens to the turns before
      gru eval demo talk.csv --dynamic         and what learning while reading gains
      gru eval ./a-friends.safetensors test.tsv --json
    """
    from grucli.ui.terminal.console import terminal
    from grucli.ui.terminal.live_display import StatusLine
    from grucli.ui.views.facts_view import show_scores

    with StatusLine(terminal()) as status:
        from grucli.api.model import evaluate, load

        scores = evaluate(
            load(model, threads=threads),
            file,
            split=split,
            val=val,
            context=context,
            dynamic=dynamic,
            read=read,
            on_progress=status.progress,
        )
    for line in describe_inputs(scores.inputs):
        terminal().info(line)
    for message in scores.notices:
        terminal().warn(message)
    if json:
        terminal().print_json(scores)
    else:
        show_scores(terminal(), scores)
