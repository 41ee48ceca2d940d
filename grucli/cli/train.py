"""`gru train`: train a model on a corpus."""

import shlex
from collections.abc import Callable, Collection
from dataclasses import fields
from inspect import Parameter
from typing import Annotated, Any, Literal

import typer

from grucli.cli.error_handling import broken_pipe_is_failure
from grucli.cli.options import Json, read_options, replace_parameter
from grucli.errors import ExitStatus
from grucli.read.schema import ReadOptions
from grucli.training.options import TrainOptions, option_specs

EXIT_STATUS_BY_REASON = {
    "interrupted": ExitStatus.SIGINT,
    "terminated": ExitStatus.SIGTERM,
    "hung up": ExitStatus.SIGHUP,
    "diverged": ExitStatus.FAILED,
}
"""The exit status of a run that did not end well."""


def train_options(
    options_type: type[TrainOptions] = TrainOptions, without: Collection[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace the parameter `options` of a command by one option per field of `options_type` but those of `without`."""
    types = {option.name: option.type for option in fields(options_type)}
    declared = []
    for name, spec in option_specs(options_type).items():
        if name in without:
            continue
        default = False if types[name] is bool else None
        info = typer.Option(
            spec.flag,
            metavar=spec.metavar,
            help=spec.help if spec.default is None else f"{spec.help} [default: {spec.default}]",
        )
        kind: Any = Literal[spec.choices] | None if spec.choices else types[name]
        annotation = Annotated[kind, info]
        declared.append(Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation))
    return lambda command: replace_parameter(command, "options", declared, dict)


@read_options("body", "thread")
@train_options()
def train(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="CORPUS...", help="Corpus files, also compressed; '-' reads stdin."),
    ],
    *,
    options: dict[str, Any],
    read: ReadOptions,
    json: Json = False,
) -> None:
    """Train a model on comments. Ctrl-C saves it.

    \b
      gru train comments.csv                      with early stopping, at most ten minutes
      gru train talk.tsv --minutes 2 --name emo   about two minutes of training
      gru train talk.tsv --name emo --resume      resume an interrupted run
      gru train mine.csv --from emo --name me     adapt a model to other text
      gru train tiny.txt --hidden 256 --layers 2  one running text

    With '-', stdin is JSON lines if it begins with {, a table if its first line names the text column, and otherwise
    one comment per line.
    """
    from grucli.training.signals import StopFlag
    from grucli.ui.terminal.console import terminal
    from grucli.ui.training.train_view import TrainView, print_train_result

    given = TrainOptions(sources=tuple(sources), read=read, **options)
    with StopFlag() as stop, TrainView(terminal(), json, lambda: stop.reason is not None) as view:
        from grucli.api.train import train as train_model

        # A closed pipe saves the run at once.
        with broken_pipe_is_failure():
            finished = train_model(given, on_event=view.show, stop=stop)
    if json:
        terminal().print_json(finished)
    resume = resume_command(sources, finished.summary.model, read, options["val_file"])
    print_train_result(terminal(), finished, resume)
    raise typer.Exit(EXIT_STATUS_BY_REASON.get(finished.reason, ExitStatus.OK))


def resume_command(sources: list[str], model: str, read: ReadOptions, val_file: str | None = None) -> str:
    """Return the command that resumes a run; a checkpoint keeps everything but where the text comes from."""
    args = ["gru", "train", *sources, "--name", model]
    args += read.flags()
    args += ["--val-file", val_file] if val_file is not None else []
    return shlex.join([*args, "--resume"])
