"""Timing of generated text: characters at reading pace, a few frames per second."""

from collections.abc import Callable

MAX_FPS = 9  # with the first and the last frame of a reply at most 12 in any second


class FramePacer:
    """Says when characters and frames are due, from `start` on.

    `pace` is in characters per second, 0 disables the limit, as does `should_stop` once it returns True. `clock`
    returns seconds and `sleep` takes them.
    """

    def __init__(
        self, pace: float, should_stop: Callable[[], bool], clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._pace, self._should_stop, self._clock, self._sleep = pace, should_stop, clock, sleep
        self._started_at = self._next_frame = clock()

    def start(self) -> None:
        """Start counting; a frame is due."""
        self._started_at = self._next_frame = self._clock()

    @property
    def seconds(self) -> float:
        """Seconds since `start`."""
        return self._clock() - self._started_at

    def chars_due(self, shown: int, pending: int) -> int:
        """Return how many of `pending` characters may be shown now, after `shown`."""
        if self._pace == 0 or self._should_stop():
            return pending
        return min(max(0, int(self.seconds * self._pace) + 1 - shown), pending)

    def force_frame(self) -> None:
        """Make a frame due now."""
        self._next_frame = self._clock()

    def frame_due(self) -> bool:
        """Return True if a frame is due, and schedule the next one."""
        now = self._clock()
        if now < self._next_frame:
            return False
        self._next_frame = now + 1 / MAX_FPS
        return True

    def wait_for_frame(self) -> None:
        """Sleep until the next frame is due."""
        self._sleep(max(0.0, self._next_frame - self._clock()))
