"""Training: a corpus becomes a model."""

import contextlib
from collections.abc import Callable

from grucli.training import loop
from grucli.training.events import TrainEvent, TrainFinished
from grucli.training.options import TrainOptions
from grucli.training.signals import StopFlag


def train(
    options: TrainOptions,
    *,
    on_event: Callable[[TrainEvent], object] | None = None,
    stop: StopFlag | None = None,
) -> TrainFinished:
    """Train a model and return how the run ended, with its summary.

    Ctrl-C saves the run and returns with the reason "interrupted"; a second Ctrl-C raises `KeyboardInterrupt`. If
    `on_event` raises an exception the run is saved as well. A run that ends worse than an untrained network returns
    with the reason "diverged"; its best weights are kept.

    >>> import grucli
    >>> options = grucli.TrainOptions(sources=["reddit.csv"], name="emo", minutes=2)
    >>> finished = grucli.train(options, on_event=print)  # doctest: +SKIP
    >>> finished.summary.val_bits_per_char  # doctest: +SKIP

    Args:
        options: what to train on, and how.
        on_event: called with each event, about ten times per second.
        stop: an open flag that ends the run when its `reason` is set; None opens one for the duration of the run.

    Raises:
        UsageError: an option is not valid, the model exists, or its vocabulary does not know the corpus.
        EmptyInputError: there is nothing to train on.
        ModelFileError: the model to resume is corrupt.
        LockedError: another process is training this model.
        DivergedError: a loss is not finite; the last good weights are kept.
        CancelledError: the run was stopped before its first step.
        OSError: a file cannot be written; the last checkpoint is intact.
    """
    with (
        StopFlag() if stop is None else contextlib.nullcontext(stop) as flag,
        contextlib.closing(loop.train(options, flag)) as events,
    ):
        for event in events:
            if on_event is not None:
                on_event(event)
            if isinstance(event, TrainFinished):
                return event
    raise RuntimeError("training ended without its last event")
