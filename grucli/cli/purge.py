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
    from grucli.ui.terminal.status_line import StatusLine
    from grucli.ui.views.purge_view import (
        print_models_to_retrain,
        print_not_found,
        print_purge_result,
        warn_fetched_file,
    )

    with StatusLine(terminal()) as waiting:
        from grucli.model.store import models_trained_on, record_purge
        from grucli.paths import cache_dir
        from grucli.reddit.corpus import purge
        from grucli.reddit.fetch.state import state_path
        from grucli.text.dataset import clear_token_cache, file_fingerprint

        criteria = purge.build_criteria(ids or [], author or [])
        source = purge.resolve_corpus(corpus, dry_run=dry_run).display_name
        trained_models = models_trained_on(file_fingerprint(source, waiting.progress))
        not_removed: list[str] = []
        result = purge.purge(
            corpus,
            criteria,
            dry_run=dry_run,
            before_writing=lambda: not_removed.extend(map(str, clear_token_cache(cache_dir()))),
            on_progress=waiting.progress,
        )
        if not result.removed:
            trained_models = []
        if trained_models and not dry_run:
            record_purge(trained_models, file_fingerprint(source, waiting.progress))
    models = [entry.name for entry in trained_models]
    ids_missing, names_missing = len(criteria.ids - result.matched), sorted(criteria.names - result.matched)
    if json:
        terminal().print_json(
            {
                "removed": result.removed,
                "kept": result.kept,
                "characters": result.characters,
                "removed_characters": result.removed_characters,
                "cut": result.split_conversations,
                "unreadable": sum(result.report.skipped.values()),
                "not_found": ids_missing + len(names_missing),
                "models": models,
            }
        )
    print_purge_result(terminal(), corpus, result, dry_run=dry_run)
    print_not_found(terminal(), ids_missing, names_missing)
    if result.removed and not dry_run:
        if state_path(Path(corpus)).exists():
            warn_fetched_file(terminal(), corpus)
        print_models_to_retrain(terminal(), models, not_removed)
