"""`gru compare`: networks of several cells, of equal size, on the same text or on the tasks of the papers."""

import contextlib
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from grucli.cli.command_base import ParameterSource, get_current_context
from grucli.cli.error_handling import broken_pipe_is_failure
from grucli.cli.options import Json, read_options
from grucli.cli.train import EXIT_STATUS_BY_REASON, train_options
from grucli.comparison.options import DEFAULT_CELLS, CompareOptions
from grucli.comparison.suite.options import PAPERS, SuiteOptions
from grucli.errors import ExitStatus, UsageError
from grucli.read.schema import ReadOptions
from grucli.training.signals import StopFlag

if TYPE_CHECKING:
    from grucli.comparison.events import ComparisonFinished, SuiteEvent, SuiteFinished

    Show = Callable[[SuiteEvent], None]

_SUITE_OPTIONS = ("suite", "words_file", "name", "seeds", "minutes", "threads", "resume", "force", "svg", "json")
Finished = TypeVar("Finished")


@read_options("body", "thread")
@train_options(CompareOptions, without=("cell", "start_from"))
def compare(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="CORPUS...", help="Corpus files, also compressed; '-' reads stdin."),
    ] = None,
    cells: Annotated[
        str | None, typer.Option(help=f"Cells, separated by commas. [default: {','.join(DEFAULT_CELLS)}]")
    ] = None,
    suite: Annotated[Literal["papers"] | None, typer.Option(help="Repeat the tasks of the papers.")] = None,
    words_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Text for the suite's tasks with words.")
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
      gru compare --suite papers                            the papers' tasks, in 40 minutes
      gru compare --suite papers --words-file ptb.txt       also on words, without and with dropout

    --hidden is that of a gru; the other cells get as many parameters. --minutes is the longest time of training of one
    run, and --seed the first seed. Every run stays as a model, NAME-CELL-SEED.

    --suite papers shows beside each figure that of the paper, and what the papers' claims are worth here. It makes its
    own text: arithmetic, nested tags and counting. --minutes is its time in all, and --name is papers unless given.
    """
    if suite is not None:
        _compare_suite(sources, suite, words_file, options, svg, json)
    if words_file is not None:
        raise UsageError("--words-file needs --suite", f"use it with --suite {PAPERS}")
    if not sources:
        raise UsageError("compare needs CORPUS...", "see: gru compare --help")
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.comparison_view import print_comparison_end, show_comparison

    given = CompareOptions(sources=tuple(sources), read=read, cells=cells, **options)

    def run(show: "Show", stop: StopFlag) -> "ComparisonFinished":
        from grucli.api.compare import compare as compare_cells

        return compare_cells(given, on_event=show, stop=stop)

    finished = _run(run, svg, lambda end: end.comparison.to_svg())
    if json:
        terminal().print_json(finished)
    else:
        show_comparison(terminal(), finished.comparison)
    print_comparison_end(terminal(), finished, _resume_command(sources, finished.comparison.name, read, given))
    raise typer.Exit(EXIT_STATUS_BY_REASON.get(finished.reason, ExitStatus.OK))


def _compare_suite(
    sources: list[str] | None, suite: str, words_file: str | None, options: dict[str, Any], svg: str | None, json: bool
) -> None:
    """Run a suite, show its result, and exit."""
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.suite_view import print_suite_end, show_suite

    own = {name: value for name, value in options.items() if name in _SUITE_OPTIONS and value is not None}
    given = SuiteOptions(suite=suite, words_file=words_file, **own)
    _check_suite_options(sources)
    if words_file is None and not given.resume:
        terminal().info("no --words-file: the tasks with words are skipped")

    def run(show: "Show", stop: StopFlag) -> "SuiteFinished":
        from grucli.api.compare import compare_suite

        return compare_suite(given, on_event=show, stop=stop)

    finished = _run(run, svg, lambda end: end.suite.to_svg())
    if json:
        terminal().print_json(finished)
    else:
        show_suite(terminal(), finished.suite)
    resume = ["gru", "compare", "--suite", suite, "--name", given.name, "--resume"]
    print_suite_end(terminal(), finished, shlex.join(resume))
    raise typer.Exit(EXIT_STATUS_BY_REASON.get(finished.reason, ExitStatus.OK))


def _check_suite_options(sources: list[str] | None) -> None:
    """Refuse what a suite decides itself, on the command line; variables and settings are meant for other calls.

    Raises:
        UsageError: there is such an option, or a corpus.
    """
    if sources:
        raise UsageError("--suite takes no corpus", f"remove {shlex.join(sources)}; --words-file is a text of words")
    context = get_current_context()
    for name in context.params:
        typed = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if typed and name not in _SUITE_OPTIONS:
            raise UsageError(f"--{name.replace('_', '-')} cannot be used with --suite", "remove it")


def _run(run: "Callable[[Show, StopFlag], Finished]", svg: str | None, picture: Callable[[Finished], str]) -> Finished:
    """Show the events of a comparison while it runs, and write its picture at the end."""
    from grucli.files import OutputLock, atomic_write
    from grucli.ui.comparison.compare_view import CompareView
    from grucli.ui.terminal.console import terminal

    with contextlib.ExitStack() as stack:
        if svg is not None:
            # Found out before the training, not after it.
            if Path(svg).is_dir():
                raise UsageError(f"is a directory: '{svg}'", "name a file to write")
            stack.enter_context(OutputLock(Path(svg)))
        # A closed pipe saves the runs at once.
        with (
            StopFlag() as stop,
            CompareView(terminal(), lambda: stop.reason is not None) as view,
            broken_pipe_is_failure(),
        ):
            finished = run(view.show, stop)
        if svg is not None:
            atomic_write(Path(svg), picture(finished).encode())
    return finished


def _resume_command(sources: list[str], name: str, read: ReadOptions, options: CompareOptions) -> str:
    args = ["gru", "compare", *sources, "--name", name, *read.flags()]
    args += ["--val-file", options.val_file] if options.val_file is not None else []
    return shlex.join([*args, "--resume"])
