"""When what is drawn from a model is shown: characters at the pace a person reads, redraws a few times a second."""

from collections.abc import Callable

MAX_FPS = 9  # a second; with those at the beginning and the end of a reply there are never more than twelve


class FramePacer:
    """Counts from `begin`. `pace` is in characters a second, 0 for as fast as they come.

    `stopping` is asked whether the user has had enough: then nothing is held back any more. `clock` gives seconds,
    `sleep` takes them.
    """

    def __init__(
        self, pace: float, should_stop: Callable[[], bool], clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._pace, self._should_stop, self._clock, self._sleep = pace, should_stop, clock, sleep
        self._started_at = self._next_frame = clock()

    def start(self) -> None:
        """Count from now on; a drawing is due."""
        self._started_at = self._next_frame = self._clock()

    @property
    def seconds(self) -> float:
        """How long it has been."""
        return self._clock() - self._started_at

    def chars_due(self, shown: int, pending: int) -> int:
        """How many of `waiting` characters may be shown by now, when `shown` already are."""
        if self._pace == 0 or self._should_stop():
            return pending
        return min(max(0, int(self.seconds * self._pace) + 1 - shown), pending)

    def force_frame(self) -> None:
        """Let the next drawing be due at once."""
        self._next_frame = self._clock()

    def frame_due(self) -> bool:
        """Whether a drawing is due; if so, the next one is some time later."""
        now = self._clock()
        if now < self._next_frame:
            return False
        self._next_frame = now + 1 / MAX_FPS
        return True

    def wait_for_frame(self) -> None:
        """Wait until the next drawing is due."""
        self._sleep(max(0.0, self._next_frame - self._clock()))
