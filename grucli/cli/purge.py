"""`gru purge`: remove comments from a corpus, because their authors want it."""

from typing import Annotated

import typer

from grucli.cli.options import Json, read_options
from grucli.read.schema import ReadOptions


@read_options("body", "author", "id", "thread")
def purge(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help=".csv, .tsv or .jsonl, also compressed.")],
    ids: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="File of ids, one per line; '-' is stdin. Repeatable.")
    ] = None,
    author: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Comments by NAME; repeatable.")] = None,
    *,
    read: ReadOptions,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing, only show the counts.")] = False,
    json: Json = False,
) -> None:
    """Remove comments from a corpus by id or author.

    The corpus is replaced in one step. Conversations are cut where a comment was removed. Cached token files are
    removed too; models already trained on the corpus must be retrained.

    \b
      gru purge reddit.csv --author somebody
      gru purge reddit.csv --author somebody --dry-run
      gru purge reddit.jsonl.zst --ids deleted.txt
    """
    from grucli.ui.terminal.console import terminal
    from grucli.ui.terminal.live_display import StatusLine
    from grucli.ui.views.purge_view import show_purge

    with StatusLine(terminal()) as status:
        from grucli.api import purge as api

        summary = api.purge(
            corpus, id_files=ids or [], authors=author or [], read=read, dry_run=dry_run, on_progress=status.progress
        )
    if json:
        terminal().print_json(summary)
    show_purge(terminal(), summary)
