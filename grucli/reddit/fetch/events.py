"""What happens while comments are fetched, as plain values: a fetch yields them, the terminal draws them."""

from dataclasses import dataclass

from grucli.reddit.fetch.comment_source import Notice, RetryWait, TimeRange


@dataclass(frozen=True, slots=True)
class FetchStarted:
    """The first request is about to be made. `fetched`: comments that are in the output already."""

    names: tuple[str, ...]
    title: str
    time_range: TimeRange
    rate: float
    output: str
    fetched: int


@dataclass(frozen=True, slots=True)
class PageFetched:
    """A page is saved, or that there was none. `fetched` and `pages` count the whole fetch; `share` of it is done.

    `at`: the second that was reached.
    """

    name: str
    new: int
    fetched: int
    pages: int
    timestamp: int
    progress: float


@dataclass(frozen=True, slots=True)
class TargetFinished:
    """There is no more of one name. `covered`: the whole range was seen."""

    name: str
    fetched: int
    complete: bool


@dataclass(frozen=True, slots=True)
class FetchFinished:
    """Everything asked for was done, now or (`before`) by an earlier run.

    `shortfall`: what is missing, and what can be done about it, in a sentence; empty where the range is complete.
    `unsettled`: comments that were so new that their scores may still change.
    """

    summary: "FetchSummary"
    names: tuple[str, ...]
    output: str
    incomplete_reason: str
    scores_not_final: int
    was_already_complete: bool


@dataclass(frozen=True, slots=True)
class FetchSummary:
    """What `gru fetch --json` prints, for all runs of a fetch together; `first` and `last` in seconds since 1970."""

    fetched: int
    pages: int
    retries: int
    first: int | None
    last: int | None
    complete: bool


FetchEvent = FetchStarted | PageFetched | RetryWait | Notice | TargetFinished | FetchFinished
