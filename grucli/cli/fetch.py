"""`gru fetch`: comments from an online source."""

from typing import Annotated, Literal

import typer

from grucli.cli.error_handling import broken_pipe_is_failure
from grucli.cli.options import Json
from grucli.errors import UsageError


def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="r/SUBREDDIT or u/USER; optional with --resume.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="File to write: .jsonl, also compressed.")
    ] = None,
    source: Annotated[
        Literal["arctic-shift", "reddit"] | None,
        typer.Option(help="Archive, or Reddit's newest 1,000. [default: arctic-shift]"),
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Start time: 2024-01-31, 30d (ago) or seconds since 1970.")
    ] = None,
    before: Annotated[str | None, typer.Option(metavar="WHEN", help="End time, exclusive. [default: now]")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Maximum comments per NAME.")] = None,
    rate: Annotated[float | None, typer.Option(help="Maximum requests per second. [default: 2; reddit: 1.5]")] = None,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="Base URL of a compatible API.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an earlier fetch into the same file.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    json: Json = False,
) -> None:
    """Fetch comments. Ctrl-C stops; --resume continues without gaps or duplicates.

    \b
      gru fetch r/askscience -o askscience.jsonl --after 1y
      gru fetch r/cooking r/baking -o food.jsonl.zst --after 2024-01-01 --before 2024-02-01
      gru fetch u/somebody -o somebody.jsonl --limit 5000
      gru fetch -o askscience.jsonl --resume
      gru fetch r/askscience -o new.jsonl --source reddit      needs your own account in praw.ini

    The default source is Arctic Shift, an archive that needs no account. Times are UTC.
    """
    from grucli.api.fetch import follow_fetch, open_fetch
    from grucli.reddit.fetch.run import FetchOptions
    from grucli.ui.terminal.console import terminal
    from grucli.ui.views.fetch_view import FetchView, show_fetch_result

    if output is None:
        raise UsageError(
            "fetch needs -o FILE", "name a file to write, such as -o comments.jsonl; see: gru fetch --help"
        )
    options = FetchOptions(
        names=tuple(names or ()),
        output=output,
        source=source,
        after=after,
        before=before,
        limit=limit,
        rate=rate,
        base_url=base_url,
        resume=resume,
        force=force,
    )
    with broken_pipe_is_failure(), open_fetch(options) as run:
        try:
            with FetchView(terminal()) as view:
                finished = follow_fetch(run, view.show)
        finally:
            # However the fetch ended, what was fetched is saved, and a script may continue with it.
            if json and run.summary is not None:
                terminal().print_json(run.summary)
    show_fetch_result(terminal(), finished)
