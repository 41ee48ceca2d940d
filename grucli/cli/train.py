"""`gru train`: a corpus in, a model out."""

import shlex
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from grucli.cli.command_base import MODEL
from grucli.cli.error_handling import broken_pipe_is_failure
from grucli.errors import ExitStatus
from grucli.model.cells import CELLS

if TYPE_CHECKING:
    CellName = str
else:
    CellName = Literal[tuple(CELLS)]

EXIT_STATUS_BY_REASON = {
    "interrupted": ExitStatus.SIGINT,
    "terminated": ExitStatus.SIGTERM,
    "hung up": ExitStatus.SIGHUP,
}
"""The exit status of a run that was asked to stop."""


def train(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="CORPUS...", help=".csv, .tsv, .jsonl or .txt, also compressed; '-' is stdin."),
    ],
    name: Annotated[str | None, typer.Option(help="The model's name; the corpus's, when left out.")] = None,
    cell: Annotated[CellName | None, typer.Option(help="The kind of recurrent cell. [default: gru]")] = None,
    hidden: Annotated[int | None, typer.Option(help="Units of a layer. [default: 512]")] = None,
    layers: Annotated[int | None, typer.Option(help="Layers, one on top of the other. [default: 1]")] = None,
    embed: Annotated[int | None, typer.Option(help="Size of the embedding. [default: 64]")] = None,
    tokenizer: Annotated[
        Literal["char", "word", "subword"] | None, typer.Option(help="What a token is. [default: char]")
    ] = None,
    vocab: Annotated[
        int | None, typer.Option(help="Maximum vocabulary size. [default: chosen by the tokenizer]")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Rows of text read side by side, per process. [default: 64]")
    ] = None,
    seq: Annotated[int | None, typer.Option(help="Tokens of a row in each step. [default: 64]")] = None,
    lr: Annotated[float | None, typer.Option(help="The highest learning rate. [default: 0.004]")] = None,
    dropout: Annotated[
        float | None,
        typer.Option(help="Dropout probability. [default: increases with the epochs]"),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Stop after so many steps.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Stop after so many passes through the corpus.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Stop after about so much training, without preparing and compiling.")
    ] = None,
    val: Annotated[float | None, typer.Option(help="Share of the text held out; 0: none. [default: 0.1]")] = None,
    val_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Hold out this corpus instead of a share.")
    ] = None,
    eval_every: Annotated[int | None, typer.Option(help="Steps between two looks at the held-out text.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same run. [default: 0]")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; all of them, when left out.")] = None,
    column: Annotated[str | None, typer.Option(help="The column that holds the text, by name or number.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on exactly where the model's last run stopped.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a model of the same name.")] = False,
    start_from: Annotated[
        str | None, typer.Option("--from", metavar=MODEL, help="Begin with this model's weights and tokenizer.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")] = False,
) -> None:
    """Train a model on comments. Ctrl-C saves it.

    \b
      gru train comments.csv                      until it learns no more, ten minutes at most
      gru train talk.tsv --minutes 2 --name emo   about two minutes of training
      gru train talk.tsv --name emo --resume      go on exactly there
      gru train mine.csv --from emo --name me     teach a model another tone
      gru train tiny.txt --hidden 256 --layers 2  one running text

    With '-', standard input is JSON lines if it begins with {, a table if its first line names the column, and else one
    comment a line.
    """
    from grucli.training.signals import StopFlag
    from grucli.ui.terminal.console import terminal
    from grucli.ui.training.train_view import TrainView, print_train_result

    with StopFlag() as stop, TrainView(terminal(), json, lambda: stop.reason is not None) as view:
        from grucli.api.train import train as train_model
        from grucli.training.options import TrainOptions

        options = TrainOptions(
            sources=tuple(sources), name=name, cell=cell, hidden=hidden, layers=layers, embed=embed,
            tokenizer=tokenizer, vocab=vocab, batch=batch, seq=seq, lr=lr, dropout=dropout,
            steps=steps, epochs=epochs, minutes=minutes, val=val, val_file=val_file, eval_every=eval_every,
            seed=seed, threads=threads, column=column, resume=resume, force=force, start_from=start_from,
        )  # fmt: skip
        # A run whose reader has gone is saved at once.
        with broken_pipe_is_failure():
            finished = train_model(options, on_event=view.show, stop=stop)
    if json:
        terminal().print_json(finished.summary)
    print_train_result(terminal(), finished, resume_command(sources, finished.summary.model, column, val_file))
    raise typer.Exit(EXIT_STATUS_BY_REASON.get(finished.reason, ExitStatus.OK))


def resume_command(sources: list[str], model: str, column: str | None = None, val_file: str | None = None) -> str:
    """Give the command that goes on with a run; a checkpoint keeps everything but where the text comes from."""
    args = ["gru", "train", *sources, "--name", model]
    args += ["--column", column] if column is not None else []
    args += ["--val-file", val_file] if val_file is not None else []
    return shlex.join([*args, "--resume"])
