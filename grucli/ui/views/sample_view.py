"""The output of `gru sample`: samples as they come, the first one at the pace of a reader."""

from typing import TYPE_CHECKING

from grucli.ui.terminal.console import Terminal
from grucli.ui.views.copy_view import show_checked_samples
from grucli.ui.views.sample_writer import SampleWriter

if TYPE_CHECKING:
    from grucli.api.model import Copies, SampleBatch


def show_samples(
    terminal: Terminal, view: SampleWriter, batch: "SampleBatch", prompt: str, n: int, *, copies: "Copies", json: bool
) -> None:
    """Write `n` samples to stdout: the stream of the batch first, then the others as they come."""
    for notice in batch.notices:
        view.warn(notice)
    progress = view.progress(n)
    if batch.checked is not None:
        show_checked_samples(terminal, view, progress.track(batch.checked), refuse=copies == "replace", json=json)
        return
    if batch.first is not None:
        view.stream((chunk.text for chunk in progress.timed(batch.first)), prompt)
        progress.count(batch.first.sample.text)
    for sample in progress.track(batch.rest):
        if json:
            view.write_json(sample)
        else:
            view.write(sample.text, sample.prompt)
    progress.finish()
