"""When what is drawn from a model is shown: characters at the pace a person reads, redraws a few times a second."""

from collections.abc import Callable

REDRAWS = 9  # a second; with those at the beginning and the end of a reply there are never more than twelve


class Rhythm:
    """Counts from `begin`. `pace` is in characters a second, 0 for as fast as they come.

    `stopping` is asked whether the user has had enough: then nothing is held back any more. `clock` gives seconds,
    `sleep` takes them.
    """

    def __init__(
        self, pace: float, stopping: Callable[[], bool], clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._pace, self._stopping, self._clock, self._sleep = pace, stopping, clock, sleep
        self._began = self._next_drawing = clock()

    def begin(self) -> None:
        """Count from now on; a drawing is due."""
        self._began = self._next_drawing = self._clock()

    @property
    def seconds(self) -> float:
        """How long it has been."""
        return self._clock() - self._began

    def due(self, shown: int, waiting: int) -> int:
        """How many of `waiting` characters may be shown by now, when `shown` already are."""
        if self._pace == 0 or self._stopping():
            return waiting
        return min(max(0, int(self.seconds * self._pace) + 1 - shown), waiting)

    def hurry(self) -> None:
        """Let the next drawing be due at once."""
        self._next_drawing = self._clock()

    def beat(self) -> bool:
        """Whether a drawing is due; if so, the next one is some time later."""
        now = self._clock()
        if now < self._next_drawing:
            return False
        self._next_drawing = now + 1 / REDRAWS
        return True

    def rest(self) -> None:
        """Wait until the next drawing is due."""
        self._sleep(max(0.0, self._next_drawing - self._clock()))
