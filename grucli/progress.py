"""Progress reports of long operations."""

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Called with a stage ("reading"), the units done, and the total, or None if that is unknown."""


def ignore_progress(stage: str, done: int, total: int | None) -> None:
    """Report nothing."""


def report_sum(progress: Progress, stage: str, total: int | None) -> Callable[[int], None]:
    """Return a callback that takes increments and reports their sum as the progress of `stage`.

    >>> add = report_sum(print, "reading", 5)
    reading 0 5
    >>> add(2), add(3)
    reading 2 5
    reading 5 5
    (None, None)
    """
    done = 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        progress(stage, done, total)

    progress(stage, 0, total)
    return add
