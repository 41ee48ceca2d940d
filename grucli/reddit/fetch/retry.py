"""How a service is asked: no faster than it likes, again when it fails, and not for ever.

Waiting follows urllib3's `Retry`: twice as long each time, or as long as the service says, within bounds.
"""

import math
import time
from collections.abc import Callable, Generator, Mapping
from time import sleep
from typing import TypeVar

from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.util import Retry

from grucli.errors import UsageError
from grucli.reddit.fetch.comment_source import Waiting

FASTEST = 1000.0
"""Requests a second that may be asked for: a loopback server of one's own bears that, nothing else does."""

SLOWEST = 0.01
"""Requests a second from which on a fetch of more than a page may yet end."""

LONGEST_WAIT = 900.0
"""Seconds to wait at most, whatever a service asks for: one that wants more is asked another day."""

_TRIES = 8
_EPOCH = 1e8
"""A reset later than this many seconds is a moment since 1970, not a time from now."""

_WORTH_SAYING = 3.0
_Answer = TypeVar("_Answer")


class Fault(HTTPError):  # noqa: N818 - it is dealt with, like weather; no user meets it
    """A request failed, in a way that may pass: `why`, in words, and the headers that say how long to wait.

    `tries`: how often in a row a fault of this kind is worth another request.
    """

    tries = _TRIES

    def __init__(self, why: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.headers = headers or {}


class Overload(Fault):
    """The service took too long over the question. A smaller question helps more than asking again."""

    tries = 2


class Refusal(Fault):
    """The service does not want to answer. That seldom passes."""

    tries = 2


class Patience(Retry):
    """How often to ask again, and how long to wait before: 1, 2, 4 … 60 seconds, a little more by chance."""

    def get_backoff_time(self) -> float:
        """Seconds to wait after the failures so far; urllib3 itself would ask again at once after the first."""
        wait = self.backoff_factor * 2.0 ** (len(self.history) - 1)
        return min(wait, float(self.backoff_max)) * _a_little_more(self.backoff_jitter)

    def seconds(self, headers: Mapping[str, str]) -> float:
        """Seconds to wait now, after an answer with these headers."""
        asked = (self._retry_after(headers), reset_after(headers))
        return min(max(self.get_backoff_time(), *asked), LONGEST_WAIT)

    def _retry_after(self, headers: Mapping[str, str]) -> float:
        try:
            return self.parse_retry_after(headers["Retry-After"])
        except (KeyError, HTTPError, ValueError, OverflowError):
            return 0.0


def _a_little_more(jitter: float) -> float:
    """A factor from 1 to 1 + jitter. The clock is random enough to keep two programs from asking in step."""
    return 1.0 + jitter * (time.monotonic_ns() % 997) / 997


def new_patience() -> Patience:
    """The patience that each request begins with."""
    return Patience(total=_TRIES, backoff_factor=1.0, backoff_max=60.0, backoff_jitter=0.1)


def reset_after(headers: Mapping[str, str]) -> float:
    """Seconds until the limit on requests, where it is used up, is lifted; 0 where the headers say nothing sensible.

    `X-RateLimit-Reset` counts from now or from 1970.

    >>> reset_after({"X-RateLimit-Reset": "12.5"}), reset_after({"X-RateLimit-Reset": "soon"}), reset_after({})
    (12.5, 0.0, 0.0)
    >>> reset_after({"X-RateLimit-Reset": "12.5", "X-RateLimit-Remaining": "3"})
    0.0
    """
    reset = _number(headers.get("X-RateLimit-Reset"))
    remaining = _number(headers.get("X-RateLimit-Remaining"))
    if reset is None or (remaining is not None and remaining >= 1):
        return 0.0
    return min(max(reset - time.time() if reset > _EPOCH else reset, 0.0), LONGEST_WAIT)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


class Pace:
    """No more than `rate` requests a second, and none while the service has said that the limit is used up.

    Raises:
        UsageError: `rate` is no sensible one.
    """

    def __init__(self, rate: float) -> None:
        if not SLOWEST <= rate <= FASTEST:
            raise UsageError(
                f"--rate: {rate:g} requests a second cannot be kept", f"name a number from {SLOWEST:g} to {FASTEST:g}"
            )
        self._rate = rate
        self._next = self._allowed = -math.inf

    @property
    def why(self) -> str:
        """Why the next request has to wait: because of the service, or because of the rate that was asked for."""
        if self._allowed >= self._next:
            return "the service allows no more requests for now"
        return f"--rate {self._rate:g} means a request every {1 / self._rate:.0f} seconds"

    def due(self) -> float:
        """Seconds until the next request may be made."""
        return max(self._next - time.monotonic(), self._allowed - time.monotonic(), 0.0)

    def asked(self) -> None:
        """Note that a request is made now."""
        self._next = time.monotonic() + 1 / self._rate

    def answered(self, headers: Mapping[str, str]) -> None:
        """Note what an answer says of the limit."""
        if "X-RateLimit-Remaining" in headers:
            self._allowed = max(self._allowed, time.monotonic() + reset_after(headers))


def persist(ask: Callable[[], _Answer], pace: Pace) -> Generator[Waiting, None, _Answer]:
    """Make a request at the given pace, and again while it fails and may yet succeed; the answer.

    Raises:
        Fault: the last one, when it has failed too often.
    """
    patience: Retry = new_patience()
    while True:
        due = pace.due()
        if due > _WORTH_SAYING:
            yield Waiting(due, pace.why, again=False)
        if due > 0:
            sleep(due)
        pace.asked()
        try:
            return ask()
        except Fault as fault:
            patience = _after(patience, fault)
            assert isinstance(patience, Patience)
            waiting = Waiting(patience.seconds(fault.headers), fault.why)
        yield waiting
        sleep(waiting.seconds)


def _after(patience: Retry, fault: Fault) -> Retry:
    """The patience that is left after a fault; the fault itself where none is."""
    alike = sum(type(past.error) is type(fault) for past in patience.history)
    if alike >= fault.tries:
        raise fault
    try:
        return patience.increment("GET", error=fault)
    except MaxRetryError:
        raise fault from None
