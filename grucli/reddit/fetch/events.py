"""Events of a fetch, as plain values: `FetchRun.run` yields them, the terminal shows them."""

from dataclasses import dataclass

from grucli.json_record import JsonRecord
from grucli.reddit.fetch.comment_source import Notice, RetryWait, TimeRange


@dataclass(frozen=True, slots=True)
class FetchStarted:
    """The first request is about to be made. `fetched`: comments already in the output; `rate`: requests per second."""

    names: tuple[str, ...]
    title: str
    time_range: TimeRange
    rate: float
    output: str
    fetched: int


@dataclass(frozen=True, slots=True)
class PageFetched:
    """A page of `new` comments, perhaps none, is saved.

    `fetched`, `pages`: totals of all runs. `timestamp`: the second reached. `progress`: of the whole fetch, 0 to 1.
    """

    name: str
    new: int
    fetched: int
    pages: int
    timestamp: int
    progress: float


@dataclass(frozen=True, slots=True)
class TargetFinished:
    """One name is done. `complete`: the whole range was seen."""

    name: str
    fetched: int
    complete: bool


@dataclass(frozen=True, slots=True)
class FetchSummary(JsonRecord):
    """What `gru fetch --json` prints: totals of all runs; `first` and `last` in seconds since 1970."""

    fetched: int
    pages: int
    retries: int
    first: int | None
    last: int | None
    complete: bool


@dataclass(frozen=True, slots=True)
class FetchFinished:
    """Everything requested is done, by this run or (`was_already_complete`) by an earlier one.

    `incomplete_reason`: what is missing and what to do about it; empty where nothing is. `scores_not_final`: comments
    so recent that their scores may still change.
    """

    summary: FetchSummary
    names: tuple[str, ...]
    output: str
    incomplete_reason: str
    scores_not_final: int
    was_already_complete: bool


FetchEvent = FetchStarted | PageFetched | RetryWait | Notice | TargetFinished | FetchFinished
