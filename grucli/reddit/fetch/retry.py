"""Requests to a service: a limit on their rate, and retries with exponential backoff."""

import math
import time
from collections.abc import Callable, Generator, Mapping
from time import sleep
from typing import TypeVar

from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from grucli.errors import UsageError
from grucli.reddit.fetch.comment_source import RetryWait

MIN_RATE, MAX_RATE = 0.01, 1000.0
"""Requests per second that --rate accepts."""

MAX_BACKOFF = 900.0
"""Seconds to wait at most, even if the service asks for more."""

_MAX_RETRIES = 8
_MAX_EXPONENTIAL_BACKOFF = 60.0
_JITTER = 0.1
_MIN_EPOCH_SECONDS = 1e8
"""An X-RateLimit-Reset above this many seconds is an absolute time, not a delay."""

_REPORT_DELAY_ABOVE = 3.0
_Result = TypeVar("_Result")


class TransientError(Exception):
    """Retryable failure; handled by `call_with_retry`.

    `headers`: of the response, which may say how long to wait. `max_retries`: for failures of this type in one call.
    """

    max_retries = _MAX_RETRIES

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers or {}


class QueryTimeoutError(TransientError):
    """The service took too long over the query. A smaller query helps more than a retry."""

    max_retries = 1


class AccessDeniedError(TransientError):
    """The service refuses this client, which rarely passes."""

    max_retries = 2


def backoff_seconds(failures: int, headers: Mapping[str, str]) -> float:
    """Return the seconds to wait after `failures` failures in a row: 1, 2, 4, ... 60, or as long as `headers` say."""
    # Jitter keeps two programs from retrying in step; the clock is random enough for that.
    jitter = 1.0 + _JITTER * (time.monotonic_ns() % 997) / 997
    wait = min(2.0 ** (failures - 1), _MAX_EXPONENTIAL_BACKOFF) * jitter
    return min(max(wait, _retry_after(headers), rate_limit_reset(headers)), MAX_BACKOFF)


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        return Retry().parse_retry_after(headers["Retry-After"])
    except (KeyError, HTTPError, ValueError, OverflowError):
        return 0.0


def rate_limit_reset(headers: Mapping[str, str]) -> float:
    """Return the seconds until an exhausted rate limit resets; 0 where it is not exhausted, or the headers are invalid.

    `X-RateLimit-Reset` is a delay or a time since 1970, both in seconds.

    >>> rate_limit_reset({"X-RateLimit-Reset": "12.5"}), rate_limit_reset({"X-RateLimit-Reset": "soon"})
    (12.5, 0.0)
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
    """Limits requests to `rate` per second, and to what the service's own rate limit leaves.

    Raises:
        UsageError: `rate` is out of range.
    """

    def __init__(self, rate: float) -> None:
        if not MIN_RATE <= rate <= MAX_RATE:
            raise UsageError(
                f"--rate is out of range: {rate:g} requests per second", f"use {MIN_RATE:g} to {MAX_RATE:g}"
            )
        self._rate = rate
        self._next_request_at = self._blocked_until = -math.inf

    @property
    def reason(self) -> str:
        """Why the next request has to wait: the service's limit, or `rate`."""
        if self._blocked_until >= self._next_request_at:
            return "the rate limit of the service is used up"
        return f"--rate {self._rate:g} means a request every {1 / self._rate:.0f} seconds"

    def delay(self) -> float:
        """Return the seconds until the next request may be made."""
        return max(self._next_request_at - time.monotonic(), self._blocked_until - time.monotonic(), 0.0)

    def on_request(self) -> None:
        """Record that a request is made now."""
        self._next_request_at = time.monotonic() + 1 / self._rate

    def on_response(self, headers: Mapping[str, str]) -> None:
        """Record the service's rate limit, if the headers of a response state it."""
        if "X-RateLimit-Remaining" in headers:
            self._blocked_until = max(self._blocked_until, time.monotonic() + rate_limit_reset(headers))


def call_with_retry(send: Callable[[], _Result], rate_limiter: RateLimiter) -> Generator[RetryWait, None, _Result]:
    """Call `send` within the rate limit, again while it fails and may yet succeed; yield the waits, return its result.

    Raises:
        TransientError: the last failure, after too many.
    """
    failures: list[type[TransientError]] = []
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
            if len(failures) >= _MAX_RETRIES or failures.count(type(error)) >= error.max_retries:
                raise
            failures.append(type(error))
            wait = RetryWait(backoff_seconds(len(failures), error.headers), error.message)
        yield wait
        sleep(wait.seconds)
