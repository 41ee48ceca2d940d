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
from grucli.reddit.fetch.comment_source import RetryWait

MAX_RATE = 1000.0
"""Requests a second that may be asked for: a loopback server of one's own bears that, nothing else does."""

MIN_RATE = 0.01
"""Requests a second from which on a fetch of more than a page may yet end."""

MAX_BACKOFF = 900.0
"""Seconds to wait at most, whatever a service asks for: one that wants more is asked another day."""

_MAX_ATTEMPTS = 8
_MIN_EPOCH_SECONDS = 1e8
"""A reset later than this many seconds is a moment since 1970, not a time from now."""

_REPORT_DELAY_ABOVE = 3.0
_Result = TypeVar("_Result")


class TransientError(HTTPError):
    """A request failed, in a way that may pass: `why`, in words, and the headers that say how long to wait.

    `tries`: how often in a row a fault of this kind is worth another request.
    """

    max_attempts = _MAX_ATTEMPTS

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers or {}


class QueryTimeoutError(TransientError):
    """The service took too long over the question. A smaller question helps more than asking again."""

    max_attempts = 2


class AccessDeniedError(TransientError):
    """The service does not want to answer. That seldom passes."""

    max_attempts = 2


class RetryPolicy(Retry):
    """How often to ask again, and how long to wait before: 1, 2, 4 … 60 seconds, a little more by chance."""

    def get_backoff_time(self) -> float:
        """Seconds to wait after the failures so far; urllib3 itself would ask again at once after the first."""
        wait = self.backoff_factor * 2.0 ** (len(self.history) - 1)
        return min(wait, float(self.backoff_max)) * _jitter(self.backoff_jitter)

    def backoff_seconds(self, headers: Mapping[str, str]) -> float:
        """Seconds to wait now, after an answer with these headers."""
        requested = (self._retry_after(headers), rate_limit_reset(headers))
        return min(max(self.get_backoff_time(), *requested), MAX_BACKOFF)

    def _retry_after(self, headers: Mapping[str, str]) -> float:
        try:
            return self.parse_retry_after(headers["Retry-After"])
        except (KeyError, HTTPError, ValueError, OverflowError):
            return 0.0


def _jitter(jitter: float) -> float:
    """A factor from 1 to 1 + jitter. The clock is random enough to keep two programs from asking in step."""
    return 1.0 + jitter * (time.monotonic_ns() % 997) / 997


def default_retry_policy() -> RetryPolicy:
    """The patience that each request begins with."""
    return RetryPolicy(total=_MAX_ATTEMPTS, backoff_factor=1.0, backoff_max=60.0, backoff_jitter=0.1)


def rate_limit_reset(headers: Mapping[str, str]) -> float:
    """Seconds until the limit on requests, where it is used up, is lifted; 0 where the headers say nothing sensible.

    `X-RateLimit-Reset` counts from now or from 1970.

    >>> rate_limit_reset({"X-RateLimit-Reset": "12.5"}), rate_limit_reset({"X-RateLimit-Reset": "soon"}), rate_limit_reset({})
    (12.5, 0.0, 0.0)
    >>> rate_limit_reset({"X-RateLimit-Reset": "12.5", "X-RateLimit-Remaining": "3"})
    0.0
    """
    reset = _parse_finite(headers.get("X-RateLimit-Reset"))
    remaining = _parse_finite(headers.get("X-RateLimit-Remaining"))
    if reset is None or (remaining is not None and remaining >= 1):
        return 0.0
    return min(max(reset - time.time() if reset > _MIN_EPOCH_SECONDS else reset, 0.0), MAX_BACKOFF)


def _parse_finite(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


class RateLimiter:
    """No more than `rate` requests a second, and none while the service has said that the limit is used up.

    Raises:
        UsageError: `rate` is no sensible one.
    """

    def __init__(self, rate: float) -> None:
        if not MIN_RATE <= rate <= MAX_RATE:
            raise UsageError(
                f"--rate: {rate:g} requests a second cannot be kept", f"name a number from {MIN_RATE:g} to {MAX_RATE:g}"
            )
        self._rate = rate
        self._next_request_at = self._blocked_until = -math.inf

    @property
    def reason(self) -> str:
        """Why the next request has to wait: because of the service, or because of the rate that was asked for."""
        if self._blocked_until >= self._next_request_at:
            return "the service allows no more requests for now"
        return f"--rate {self._rate:g} means a request every {1 / self._rate:.0f} seconds"

    def delay(self) -> float:
        """Seconds until the next request may be made."""
        return max(self._next_request_at - time.monotonic(), self._blocked_until - time.monotonic(), 0.0)

    def on_request(self) -> None:
        """Note that a request is made now."""
        self._next_request_at = time.monotonic() + 1 / self._rate

    def on_response(self, headers: Mapping[str, str]) -> None:
        """Note what an answer says of the limit."""
        if "X-RateLimit-Remaining" in headers:
            self._blocked_until = max(self._blocked_until, time.monotonic() + rate_limit_reset(headers))


def call_with_retry(send: Callable[[], _Result], rate_limiter: RateLimiter) -> Generator[RetryWait, None, _Result]:
    """Make a request at the given pace, and again while it fails and may yet succeed; the answer.

    Raises:
        Fault: the last one, when it has failed too often.
    """
    policy: Retry = default_retry_policy()
    while True:
        delay = rate_limiter.delay()
        if delay > _REPORT_DELAY_ABOVE:
            yield RetryWait(delay, rate_limiter.reason, is_retry=False)
        if delay > 0:
            sleep(delay)
        rate_limiter.on_request()
        try:
            return send()
        except TransientError as error:
            policy = _consume_attempt(policy, error)
            assert isinstance(policy, RetryPolicy)
            wait = RetryWait(policy.backoff_seconds(error.headers), error.message)
        yield wait
        sleep(wait.seconds)


def _consume_attempt(policy: Retry, error: TransientError) -> Retry:
    """The patience that is left after a fault; the fault itself where none is."""
    same_type_failures = sum(type(attempt.error) is type(error) for attempt in policy.history)
    if same_type_failures >= error.max_attempts:
        raise error
    try:
        return policy.increment("GET", error=error)
    except MaxRetryError:
        raise error from None
