"""Samples checked for copies of the training text: copies are marked or omitted."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from grucli.ui.terminal.console import Terminal
from grucli.ui.views.sample_writer import SampleWriter

if TYPE_CHECKING:
    from grucli.generation.copy_detection import CheckedSample

_COPY_CRITERION = "50 or more characters of the training text"


def show_checked_samples(
    terminal: Terminal, view: SampleWriter, samples: "Iterable[CheckedSample]", *, refuse: bool, json: bool
) -> None:
    """Write samples as they come, on a terminal the first one at reading pace, and finally the number of copies.

    A copy is followed by a warning on stderr; in JSON the object has a field instead. With `refuse` it is omitted.
    """
    generated = copies = shown = 0
    for sample in samples:
        generated += 1
        copies += not sample.novel
        if refuse and not sample.novel:
            continue
        if json:
            view.write_json(sample)
        elif shown == 0 and view.is_interactive:
            view.stream([sample.text], sample.prompt)
        else:
            view.write(sample.text, sample.prompt)
        shown += 1
        if not (sample.novel or json):
            terminal.warn(f"seed {sample.seed} copies {sample.copied:,} characters of the training text")
    terminal.info(_copy_summary(generated, copies, refuse), "dim")


def _copy_summary(generated: int, copies: int, refuse: bool) -> str:
    counted = f"{f'{copies:,}' if copies else 'none'} of {generated:,} sample{'s' if generated > 1 else ''}"
    if not refuse:
        return f"{counted} cop{'y' if copies > 1 else 'ies'} {_COPY_CRITERION}"
    return f"refused {counted}" + (
        f": {'they copy' if copies > 1 else 'it copies'} {_COPY_CRITERION}" if copies else ""
    )
