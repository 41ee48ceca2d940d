"""`gru eval`: how well models predict a text."""

from typing import Annotated, Literal

import typer

from grucli.cli.command_base import MODEL
from grucli.cli.options import Json, Threads, read_options
from grucli.errors import UsageError
from grucli.read.schema import ReadOptions, describe_inputs


@read_options("body", "thread")
def eval_(
    models: Annotated[list[str] | None, typer.Argument(metavar=f"{MODEL}...", help="Model names or paths.")] = None,
    file: Annotated[str | None, typer.Argument(metavar="CORPUS", help="A file that gru train takes.")] = None,
    split: Annotated[
        Literal["all", "train", "val"], typer.Option(help="The whole file, or a side of its training split.")
    ] = "all",
    val: Annotated[float, typer.Option(help="Validation fraction of the training, with --split.")] = 0.1,
    context: Annotated[bool, typer.Option("--context", help="Measure what replies gain from their context.")] = False,
    dynamic: Annotated[bool, typer.Option("--dynamic", help="Measure what learning while reading gains.")] = False,
    *,
    read: ReadOptions,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the intervals.")] = 0,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Measure how well models predict a text: fewer bits per character are better.

    \b
      gru eval emo test.tsv                    a text that it was not trained on
      gru eval emo train.tsv --split val       the validation split of its own corpus
      gru eval small big bigger test.tsv       several models, compared with the first
      gru eval talk test.csv --context         and whether it listens to the turns before
      gru eval demo talk.csv --dynamic         and what learning while reading gains
      gru eval ./a-friends.safetensors test.tsv --json

    The last argument is the corpus. A test split is a file of its own.

    Perplexity per word is exp of the nats per word, which white space separates. As in bits per character, the nats
    of end tokens count too. Intervals contain 95 % of 1,000 resamples of the comments, conversations or paragraphs.
    """
    from grucli.ui.terminal.console import terminal
    from grucli.ui.terminal.live_display import StatusLine
    from grucli.ui.views.eval_view import show_scores

    if not models or file is None:
        raise UsageError("gru eval takes a model and a corpus", "name both: gru eval MODEL CORPUS")
    with StatusLine(terminal()) as status:
        from grucli.api.model import evaluate_models, load

        scores = evaluate_models(
            [load(model, threads=threads) for model in models],
            file,
            split=split,
            val=val,
            context=context,
            dynamic=dynamic,
            read=read,
            seed=seed,
            on_progress=status.progress,
        )
    for line in describe_inputs(scores[0].inputs):
        terminal().info(line)
    for message in dict.fromkeys(message for each in scores for message in each.notices):
        terminal().warn(message)
    if json:
        terminal().print_json(scores[0] if len(scores) == 1 else scores)
    else:
        show_scores(terminal(), scores)
