"""Samples that were held against the text the model learnt from: those that copy it are marked, or left out."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from grucli.ui.terminal.console import Terminal
from grucli.ui.views.sample_writer import StreamView

if TYPE_CHECKING:
    from grucli.generation.copy_detection import Examined

_COPY = "50 characters or more of the text that the model learnt from"


def show_examined(
    terminal: Terminal, view: StreamView, samples: "Iterable[Examined]", *, refuse: bool, json: bool
) -> None:
    """Write samples as they come, on a terminal the first at the pace of a reader, and at last how many are copies.

    One that copies has a line of its own on stderr, behind it, with its seed; in JSON its object says so instead. With
    `refuse` it is not shown at all.
    """
    drawn = copies = shown = 0
    for each in samples:
        drawn += 1
        copies += not each.novel
        if refuse and not each.novel:
            continue
        if json:
            view.show_json(each)
        elif shown == 0 and view.streams:
            view.stream([each.text], each.prompt)
        else:
            view.show(each.text, each.prompt)
        shown += 1
        if not (each.novel or json):
            terminal.warn(f"seed {each.seed} copies {each.copied:,} characters of the text that the model learnt from")
    terminal.say(_verdict(drawn, copies, refuse), "dim")


def _verdict(drawn: int, copies: int, refuse: bool) -> str:
    of = f"{f'{copies:,}' if copies else 'none'} of {drawn:,} sample{'s' if drawn > 1 else ''}"
    if not refuse:
        return f"{of} cop{'y' if copies > 1 else 'ies'} {_COPY}"
    return f"refused {of}" + (f": {'they copy' if copies > 1 else 'it copies'} {_COPY}" if copies else "")
