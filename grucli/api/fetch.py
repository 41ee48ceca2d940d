"""Fetching: comments from an online source into a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from grucli.reddit.fetch import run as fetching
from grucli.reddit.fetch.events import FetchEvent, FetchFinished
from grucli.reddit.fetch.run import FetchOptions, FetchRun


@contextmanager
def open_fetch(options: FetchOptions) -> Iterator[FetchRun]:
    """Open a fetch for `follow_fetch`. Ctrl-C anywhere in the block raises the error that says what is saved.

    Raises:
        FetchInterruptedError: Ctrl-C was pressed.
        UsageError: an option is not valid.
    """
    run = fetching.FetchRun(options)
    try:
        yield run
    except KeyboardInterrupt:
        raise run.interrupted_error() from None


def follow_fetch(run: FetchRun, on_event: Callable[[FetchEvent], object]) -> FetchFinished:
    """Run a fetch to its end and return its last event.

    Raises:
        ServiceError: the network or the service failed. What was fetched is saved; the hint says how to resume.
        EmptyInputError: there are no such comments.
        UsageError: the output exists, or the options differ from those of the fetch that is resumed.
        LockedError: another process fetches into the same file.
        GruError: the output has changed since, or Ctrl-C was pressed.
        OSError: the disk failed.
    """
    finished = None
    with run:
        for event in run.run():
            on_event(event)
            finished = event if isinstance(event, FetchFinished) else finished
    assert finished is not None
    return finished


def fetch(options: FetchOptions, *, on_event: Callable[[FetchEvent], object] | None = None) -> FetchFinished:
    """Fetch comments into a file, page by page; an interrupted fetch can be resumed without gaps or duplicates.

    >>> import grucli
    >>> options = grucli.FetchOptions(["r/askscience"], "askscience.jsonl", after="1y")
    >>> grucli.fetch(options).summary.fetched  # doctest: +SKIP

    Raises:
        ServiceError: the network or the service failed. What was fetched is saved; the hint says how to resume.
        EmptyInputError: there are no such comments.
        UsageError: an option is not valid, or the output exists.
        GruError: the output has changed since, or Ctrl-C was pressed.
        OSError: the disk failed.
    """
    with open_fetch(options) as run:
        return follow_fetch(run, on_event or (lambda event: None))
