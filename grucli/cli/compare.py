"""`gru compare`: networks of several cells, of equal size, on the same text."""

import contextlib
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from grucli.cli.error_handling import broken_pipe_is_failure
from grucli.cli.options import Json, read_options
from grucli.cli.train import EXIT_STATUS_BY_REASON, train_options
from grucli.comparison.options import DEFAULT_CELLS, CompareOptions
from grucli.errors import ExitStatus, UsageError
from grucli.read.schema import ReadOptions


@read_options("body", "thread")
@train_options(CompareOptions, without=("cell", "start_from"))
def compare(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="CORPUS...", help="Corpus files, also compressed; '-' reads stdin."),
    ],
    cells: Annotated[
        str | None, typer.Option(help=f"Cells, separated by commas. [default: {','.join(DEFAULT_CELLS)}]")
    ] = None,
    *,
    options: dict[str, Any],
    read: ReadOptions,
    svg: Annotated[str | None, typer.Option(metavar="FILE", help="Write the curves as an SVG picture.")] = None,
    json: Json = False,
) -> None:
    """Compare cells: networks of equal size, trained in turns on the same text.

    \b
      gru compare comments.csv                              two minutes per run
      gru compare book.txt --cells gru,lstm --steps 2000    the same number of steps
      gru compare talk.tsv --tune --name cells              each cell with its best learning rate
      gru compare talk.tsv --name cells --resume            resume an interrupted comparison
      gru compare talk.tsv --svg curves.svg --json

    --hidden is that of a gru; the other cells get as many parameters. --minutes is the longest time of training of one
    run, and --seed the first seed. Every run stays as a model, NAME-CELL-SEED.
    """
    from grucli.files import OutputLock, atomic_write
    from grucli.training.signals import StopFlag
    from grucli.ui.comparison.compare_view import CompareView
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.comparison_view import print_comparison_end, show_comparison

    given = CompareOptions(sources=tuple(sources), read=read, cells=cells, **options)
    with contextlib.ExitStack() as stack:
        if svg is not None:
            # Found out before the training, not after it.
            if Path(svg).is_dir():
                raise UsageError(f"is a directory: '{svg}'", "name a file to write")
            stack.enter_context(OutputLock(Path(svg)))
        with StopFlag() as stop, CompareView(terminal(), lambda: stop.reason is not None) as view:
            from grucli.api.compare import compare as compare_cells

            # A closed pipe saves the runs at once.
            with broken_pipe_is_failure():
                finished = compare_cells(given, on_event=view.show, stop=stop)
        if svg is not None:
            atomic_write(Path(svg), finished.comparison.to_svg().encode())
    if json:
        terminal().print_json(finished)
    else:
        show_comparison(terminal(), finished.comparison)
    print_comparison_end(terminal(), finished, _resume_command(sources, finished.comparison.name, read, given))
    raise typer.Exit(EXIT_STATUS_BY_REASON.get(finished.reason, ExitStatus.OK))


def _resume_command(sources: list[str], name: str, read: ReadOptions, options: CompareOptions) -> str:
    args = ["gru", "compare", *sources, "--name", name, *read.flags()]
    args += ["--val-file", options.val_file] if options.val_file is not None else []
    return shlex.join([*args, "--resume"])
