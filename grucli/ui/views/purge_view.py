"""What `gru purge` has done, in sentences; and what only the user can do then."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import count_of

if TYPE_CHECKING:
    from grucli.reddit.corpus.purge import Purge


def show_purge(terminal: Terminal, corpus: str, done: "Purge", *, dry_run: bool) -> None:
    """Say what was taken out of `corpus`, or would be; all of it as messages."""
    if not done.removed:
        terminal.say(f"Nothing is to be taken out of '{corpus}', which has {count_of(done.kept, 'comment')}.")
        return
    verb = "Would be taken out of" if dry_run else "Taken out of"
    size = f"{count_of(done.removed, 'comment')} of {count_of(done.removed_characters, 'character')}"
    terminal.say(f"{verb} '{corpus}': {size}; {done.kept:,} left.")
    if done.cut:
        terminal.say(f"{count_of(done.cut, 'conversation')} cut in two where something is missing now.")
    for note in done.report.notes():
        terminal.warn(note)


def show_fetch(terminal: Terminal, corpus: str) -> None:
    """Say that `corpus` is a fetched file, and how not to fetch again what was taken out."""
    terminal.warn(
        f"'{corpus}' was written by gru fetch, which cannot go on with it now: --resume refuses, and --force would "
        "bring back what was taken out; fetch what is newer into another file, with --after"
    )


def show_missing(terminal: Terminal, ids: int, names: Sequence[str]) -> None:
    """Say how many of the ids, and warn which of the names, are not in the corpus."""
    if ids:
        terminal.say(f"Not in it: {count_of(ids, 'id')}.")
    if names:
        terminal.warn(
            f"nothing by {', '.join(names)} was found; authors in a corpus that was made with another author.key, on "
            "another computer or in another GRU_HOME, can only be found there"
        )


def show_memories(terminal: Terminal, models: Sequence[str], left: Sequence[str]) -> None:
    """Say who still remembers what was taken out: `models`, and token files that were in use, in folders `left`."""
    if left:
        terminal.warn(f"token files in use still hold it; remove them by hand: {', '.join(left)}")
    if models:
        terminal.warn(f"these models have learnt from it and remember it still: {', '.join(models)}")
        terminal.say(f"Train them again: gru train … --name {models[0]} --force")
    else:
        terminal.say("A model that has learnt from it remembers it still, until it is trained anew.")
