"""`gru fetch`: comments from an online source."""

from typing import Annotated, Literal

import typer

from grucli.cli.error_handling import broken_pipe_is_failure
from grucli.errors import UsageError


def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Each r/SUBREDDIT or u/PERSON; may be left out with --resume."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="Where to: NAME.jsonl, or compressed, NAME.jsonl.zst."),
    ] = None,
    source: Annotated[
        Literal["arctic-shift", "reddit"] | None,
        typer.Option(help="An archive of everything, or Reddit's newest 1,000. [default: arctic-shift]"),
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="WHEN", help="From then on: 2024-01-31, 30d, or seconds since 1970.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Up to then, and not including it. [default: now]")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many comments of each name.")] = None,
    rate: Annotated[float | None, typer.Option(help="Requests a second, at most. [default: 2; Reddit: 1.5]")] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Another server that answers like the source.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on exactly where an earlier run stopped.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")] = False,
) -> None:
    """Fetch comments. Ctrl-C stops; --resume goes on without a gap or a duplicate.

    \b
      gru fetch r/askscience -o askscience.jsonl --after 1y
      gru fetch r/cooking r/baking -o food.jsonl.zst --after 2024-01-01 --before 2024-02-01
      gru fetch u/somebody -o somebody.jsonl --limit 5000
      gru fetch -o askscience.jsonl --resume
      gru fetch r/askscience -o new.jsonl --source reddit      needs an account of yours, in praw.ini

    From Arctic Shift by default, an archive that needs no account. Times are UTC.
    """
    from grucli.reddit.fetch.events import FetchFinished
    from grucli.reddit.fetch.run import FetchOptions, FetchRun
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.fetch_view import FetchView, show_fetch_result

    if output is None:
        raise UsageError(
            "fetch needs -o FILE", "name a file to write, such as -o comments.jsonl; see: gru fetch --help"
        )
    fetch_run = FetchRun(
        FetchOptions(
            names=tuple(names or ()), output=output, source=source, after=after, before=before, limit=limit, rate=rate,
            base_url=base_url, resume=resume, force=force,
        )
    )  # fmt: skip
    finished = None
    with broken_pipe_is_failure():
        try:
            with FetchView(terminal()) as view, fetch_run:
                for event in fetch_run.run():
                    view.show(event)
                    finished = event if isinstance(event, FetchFinished) else finished
        except KeyboardInterrupt:
            # It came while the fetch was opened or closed, or the bar taken back; what is saved is told all the same.
            raise fetch_run.interrupted_error() from None
        finally:
            # However it ended, what was fetched is there, and a script may go on with it.
            if json and fetch_run.summary is not None:
                terminal().print_json(fetch_run.summary)
    if finished is not None:
        show_fetch_result(terminal(), finished)
