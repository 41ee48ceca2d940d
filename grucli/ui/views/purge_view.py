"""What `gru purge` has done, in sentences; and what only the user can do then."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import pluralize

if TYPE_CHECKING:
    from grucli.reddit.corpus.purge import PurgeResult


def print_purge_result(terminal: Terminal, corpus: str, result: "PurgeResult", *, dry_run: bool) -> None:
    """Say what was taken out of `corpus`, or would be; all of it as messages."""
    if not result.removed:
        terminal.info(f"Nothing is to be taken out of '{corpus}', which has {pluralize(result.kept, 'comment')}.")
        return
    verb = "Would be taken out of" if dry_run else "Taken out of"
    size = f"{pluralize(result.removed, 'comment')} of {pluralize(result.removed_characters, 'character')}"
    terminal.info(f"{verb} '{corpus}': {size}; {result.kept:,} left.")
    if result.split_conversations:
        terminal.info(
            f"{pluralize(result.split_conversations, 'conversation')} cut in two where something is missing now."
        )
    for message in result.report.messages():
        terminal.warn(message)


def warn_fetched_file(terminal: Terminal, corpus: str) -> None:
    """Say that `corpus` is a fetched file, and how not to fetch again what was taken out."""
    terminal.warn(
        f"'{corpus}' was written by gru fetch, which cannot go on with it now: --resume refuses, and --force would "
        "bring back what was taken out; fetch what is newer into another file, with --after"
    )


def print_not_found(terminal: Terminal, ids: int, names: Sequence[str]) -> None:
    """Say how many of the ids, and warn which of the names, are not in the corpus."""
    if ids:
        terminal.info(f"Not in it: {pluralize(ids, 'id')}.")
    if names:
        terminal.warn(
            f"nothing by {', '.join(names)} was found; authors in a corpus that was made with another author.key, on "
            "another computer or in another GRU_HOME, can only be found there"
        )


def print_models_to_retrain(terminal: Terminal, models: Sequence[str], directories: Sequence[str]) -> None:
    """Say who still remembers what was taken out: `models`, and token files that were in use, in folders `left`."""
    if directories:
        terminal.warn(f"token files in use still hold it; remove them by hand: {', '.join(directories)}")
    if models:
        terminal.warn(f"these models have learnt from it and remember it still: {', '.join(models)}")
        terminal.info(f"Train them again: gru train … --name {models[0]} --force")
    else:
        terminal.info("A model that has learnt from it remembers it still, until it is trained anew.")
