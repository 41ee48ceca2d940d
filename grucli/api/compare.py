"""Comparison of cells: networks of equal size on the same text, or on the tasks of the papers."""

import contextlib
from collections.abc import Callable, Generator
from typing import TypeVar

from grucli.comparison import compare as comparison
from grucli.comparison.events import CompareEvent, ComparisonFinished, SuiteEvent, SuiteFinished
from grucli.comparison.options import CompareOptions
from grucli.comparison.suite import run as suite
from grucli.comparison.suite.options import SuiteOptions
from grucli.training.signals import StopFlag

Event = TypeVar("Event")
Last = TypeVar("Last")


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
    return _run(lambda flag: comparison.compare(options, flag), ComparisonFinished, on_event, stop)


def compare_suite(
    options: SuiteOptions,
    *,
    on_event: Callable[[SuiteEvent], object] | None = None,
    stop: StopFlag | None = None,
) -> SuiteFinished:
    """Repeat the tasks of the papers that compared cells, and return what their claims are worth.

    Ctrl-C saves all runs and returns with the reason "interrupted", as `compare` does.

    >>> import grucli
    >>> result = grucli.compare_suite(grucli.SuiteOptions(minutes=40)).suite  # doctest: +SKIP
    >>> [claim.verdict for claim in result.claims]  # doctest: +SKIP
    ['agrees', 'agrees', 'within noise', 'disagrees', 'agrees', 'agrees']

    Args:
        options: for how long, with how many seeds, and a text of words.
        on_event: called with each event, about ten times per second.
        stop: an open flag that ends the runs when its `reason` is set; None opens one for the duration of the call.

    Raises:
        UsageError: an option is not valid, or the suite exists.
        EmptyInputError: the text has too few words.
        ModelFileError: the suite to resume is corrupt.
        LockedError: another process is at work on the suite.
        DivergedError: every learning rate of a cell diverged.
        OSError: a file cannot be written; what was saved is intact.
    """
    return _run(lambda flag: suite.run_suite(options, flag), SuiteFinished, on_event, stop)


def _run(
    start: Callable[[StopFlag], Generator[Event]],
    last: type[Last],
    on_event: Callable[[Event], object] | None,
    stop: StopFlag | None,
) -> Last:
    """Call `on_event` with the events of what is started, and return the last one."""
    with (
        StopFlag() if stop is None else contextlib.nullcontext(stop) as flag,
        contextlib.closing(start(flag)) as events,
    ):
        for event in events:
            if on_event is not None:
                on_event(event)
            if isinstance(event, last):
                return event
    raise RuntimeError("the comparison ended without its last event")
