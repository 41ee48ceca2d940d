"""`gru eval`: how well a model predicts a text."""

from typing import Annotated, Literal

import typer

from grucli.cli.command_base import MODEL
from grucli.errors import EmptyInputError


def eval_(
    model: Annotated[str, typer.Argument(metavar=MODEL)],
    file: Annotated[str, typer.Argument(metavar="CORPUS", help="A corpus, of the forms that gru train takes.")],
    split: Annotated[
        Literal["all", "val"], typer.Option(help="The whole file, or the part of it that training holds out.")
    ] = "all",
    val: Annotated[float, typer.Option(help="With --split val: the share that training was told to hold out.")] = 0.1,
    column: Annotated[str | None, typer.Option(help="The column that holds the text, by name or number.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; all of them, when left out.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")] = False,
) -> None:
    """Measure how well a model predicts a text: the fewer bits a character, the better.

    \b
      gru eval emo test.tsv                    a text it never saw
      gru eval emo train.tsv --split val       what was held out of its own corpus
      gru eval ./a-friends.safetensors test.tsv --json
    """
    from grucli.ui.terminal.console import terminal
    from grucli.ui.terminal.status_line import StatusLine
    from grucli.ui.views.eval_view import show_scores

    with StatusLine(terminal()) as waiting:
        from grucli.generation.evaluation import evaluate
        from grucli.model.store import find_model
        from grucli.model.weights import load_weights
        from grucli.paths import cache_dir
        from grucli.text.dataset import prepare_dataset

        weights = load_weights(find_model(model))
        dataset = prepare_dataset(
            [file],
            column=column,
            tokenizer=weights.tokenizer,
            vocab=None,
            val_fraction=val if split == "val" else 0.0,
            val_file=None,
            cache_dir=cache_dir(),
            on_progress=waiting.progress,
        )
        tokens = dataset.val if split == "val" else dataset.train
        if tokens is None:
            raise EmptyInputError(f"nothing of '{file}' is held out", "leave --split val away, or use a longer text")
        waiting.update("scoring")
        scores = evaluate(weights, tokens, threads)
    for message in dataset.report.messages():
        terminal().warn(message)
    if json:
        terminal().print_json(scores)
    else:
        show_scores(terminal(), scores)
