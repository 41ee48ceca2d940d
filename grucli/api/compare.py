"""Comparison of cells: networks of equal size on the same text."""

import contextlib
from collections.abc import Callable

from grucli.comparison import compare as comparison
from grucli.comparison.events import CompareEvent, ComparisonFinished
from grucli.comparison.options import CompareOptions
from grucli.training.signals import StopFlag


def compare(
    options: CompareOptions,
    *,
    on_event: Callable[[CompareEvent], object] | None = None,
    stop: StopFlag | None = None,
) -> ComparisonFinished:
    """Train networks of several cells, of equal size and with the same seeds, and return what the difference is worth.

    Every trained network is a model, NAME-CELL-SEED. Ctrl-C saves all runs and returns with the reason "interrupted"; a
    second Ctrl-C raises `KeyboardInterrupt`. If `on_event` raises an exception the runs are saved as well.

    >>> import grucli
    >>> options = grucli.CompareOptions(sources=["reddit.csv"], cells=["gru", "lstm"], minutes=2)
    >>> grucli.compare(options).comparison.verdict  # doctest: +SKIP
    'between gru and lstm no difference beyond noise'

    Args:
        options: what to train, on what, and how.
        on_event: called with each event, about ten times per second.
        stop: an open flag that ends the runs when its `reason` is set; None opens one for the duration of the call.

    Raises:
        UsageError: an option is not valid, the comparison or a model exists, or the networks do not fit in memory.
        EmptyInputError: the corpus is too short.
        ModelFileError: the comparison or a model to resume is corrupt.
        LockedError: another process is at work on the comparison or on one of its models.
        DivergedError: every learning rate of a search diverged.
        CancelledError: it was stopped before the first step.
        OSError: a file cannot be written; the last checkpoint of each run is intact.
    """
    with (
        StopFlag() if stop is None else contextlib.nullcontext(stop) as flag,
        contextlib.closing(comparison.compare(options, flag)) as events,
    ):
        for event in events:
            if on_event is not None:
                on_event(event)
            if isinstance(event, ComparisonFinished):
                return event
    raise RuntimeError("the comparison ended without its last event")
