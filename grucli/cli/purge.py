"""`gru purge`: comments out of a corpus, because whoever wrote them wants it so."""

from pathlib import Path
from typing import Annotated

import typer


def purge(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="A .csv, .tsv or .jsonl, compressed or not.")],
    ids: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="A file of ids, one a line; - for standard input.")
    ] = None,
    author: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Everything that NAME wrote.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")] = False,
) -> None:
    """Take comments out of a corpus, by id or author.

    The corpus takes its new form in one step. Conversations are cut where a comment was taken out. Token files in the
    cache go as well; a model that has learnt from the corpus remembers, and has to be trained again. --ids and --author
    may be given more than once.

    \b
      gru purge reddit.csv --author somebody
      gru purge reddit.csv --author somebody --dry-run
      gru purge reddit.jsonl.zst --ids deleted.txt
    """
    from grucli.ui.terminal.console import terminal
    from grucli.ui.terminal.status_line import Waiting
    from grucli.ui.views.purge_view import show_fetch, show_memories, show_missing, show_purge

    with Waiting(terminal()) as waiting:
        from grucli.model.store import learners_of, note_purge
        from grucli.paths import cache_dir
        from grucli.reddit.corpus import purge
        from grucli.reddit.fetch.state import record_path
        from grucli.text.dataset import fingerprint_of, forget

        wanted = purge.wanted_by(ids or [], author or [])
        source = purge.corpus_to_purge(corpus, dry_run=dry_run).name
        learnt = learners_of(fingerprint_of(source, waiting.progress))
        left: list[str] = []
        done = purge.purge(
            corpus,
            wanted,
            dry_run=dry_run,
            before_writing=lambda: left.extend(map(str, forget(cache_dir()))),
            on_progress=waiting.progress,
        )
        if not done.removed:
            learnt = []
        if learnt and not dry_run:
            note_purge(learnt, fingerprint_of(source, waiting.progress))
    models = [entry.name for entry in learnt]
    ids_missing, names_missing = len(wanted.ids - done.found), sorted(wanted.names - done.found)
    if json:
        terminal().print_json(
            {
                "removed": done.removed,
                "kept": done.kept,
                "characters": done.characters,
                "removed_characters": done.removed_characters,
                "cut": done.cut,
                "unreadable": sum(done.report.skipped.values()),
                "not_found": ids_missing + len(names_missing),
                "models": models,
            }
        )
    show_purge(terminal(), corpus, done, dry_run=dry_run)
    show_missing(terminal(), ids_missing, names_missing)
    if done.removed and not dry_run:
        if record_path(Path(corpus)).exists():
            show_fetch(terminal(), corpus)
        show_memories(terminal(), models, left)
