"""The result of `gru purge`, and what the user has to do then."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grucli.errors import pluralize
from grucli.read.schema import describe_inputs
from grucli.ui.terminal.console import Terminal

if TYPE_CHECKING:
    from grucli.api.purge import PurgeSummary
    from grucli.reddit.corpus.purge import PurgeResult


def show_purge(terminal: Terminal, summary: "PurgeSummary") -> None:
    """Print what was removed, or would be, what was not found, and what still contains it; all of it as messages."""
    print_purge_result(terminal, summary.corpus, summary.result, dry_run=summary.dry_run)
    print_not_found(
        terminal, summary.ids_not_found, summary.authors_not_found, authors_hashed=summary.result.authors_hashed
    )
    if summary.result.removed and not summary.dry_run:
        if summary.fetched:
            warn_fetched_file(terminal, summary.corpus)
        print_models_to_retrain(terminal, summary.models, summary.cached_directories)


def print_purge_result(terminal: Terminal, corpus: str, result: "PurgeResult", *, dry_run: bool) -> None:
    """Print what was removed from `corpus`, or would be."""
    for line in describe_inputs(result.report.schemas):
        terminal.info(line)
    if not result.removed:
        terminal.info(f"no matching comments in '{corpus}' ({pluralize(result.kept, 'comment')})")
        return
    verb = "would remove" if dry_run else "removed"
    size = f"{pluralize(result.removed, 'comment')} ({pluralize(result.removed_characters, 'character')})"
    terminal.info(f"{verb} {size} from '{corpus}'; {result.kept:,} left")
    if result.split_conversations:
        split = "would be split" if dry_run else "split"
        terminal.info(f"{pluralize(result.split_conversations, 'conversation')} {split} at a removed comment")
    for message in result.report.messages():
        terminal.warn(message)


def warn_fetched_file(terminal: Terminal, corpus: str) -> None:
    """Warn that the fetch into `corpus` cannot be resumed, and how not to fetch the removed comments again."""
    terminal.warn(
        f"the fetch into '{corpus}' cannot be resumed now, and --force would fetch the removed comments again; fetch "
        "newer ones into another file, with --after"
    )


def print_not_found(terminal: Terminal, ids: int, names: Sequence[str], *, authors_hashed: bool) -> None:
    """Print how many of the ids, and which of the names, are not in the corpus; its authors may be hashed."""
    if ids:
        terminal.info(f"not found: {pluralize(ids, 'id')}")
    if names and authors_hashed:
        terminal.warn(
            f"no comments found by {', '.join(names)}; a corpus made with another author.key, on another computer or "
            "in another GRU_HOME, can only be searched for authors there"
        )
    elif names:
        terminal.warn(f"no comments found by {', '.join(names)}")


def print_models_to_retrain(terminal: Terminal, models: Sequence[str], directories: Sequence[str]) -> None:
    """Print what still contains the removed comments: `models`, and the `directories` of token files in use."""
    if directories:
        terminal.warn(f"cached token files still contain them; delete by hand: {', '.join(directories)}")
    if models:
        terminal.warn(f"models trained on the removed comments: {', '.join(models)}")
        terminal.info(f"retrain them: gru train … --name {models[0]} --force")
    else:
        terminal.info("models trained on the removed comments must be retrained")
