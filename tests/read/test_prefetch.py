"""Reading ahead: the same items, no more of them at a time than may be, and a thread that always ends."""

import doctest
import threading
import time
from collections.abc import Generator
from itertools import islice

import pytest

from grucli.read import prefetch as module
from grucli.read.prefetch import prefetch


def prefetch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


def wait_until(condition: object) -> None:
    deadline = time.monotonic() + 30
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.001)


class CountingSource:
    """Numbers, that tells how many were taken, and whether it was closed."""

    def __init__(self, count: int, error: BaseException | None = None) -> None:
        self.num_taken = 0
        self.closed = False
        self._count = count
        self._error = error

    def items(self) -> Generator[int, None, None]:
        try:
            for number in range(self._count):
                self.num_taken += 1
                yield number
            if self._error is not None:
                raise self._error
        finally:
            self.closed = True


def test_the_examples_hold() -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize(("count", "most"), [(0, 1), (1, 1), (2, 1), (1000, 1), (1000, 7)])
def test_all_items_come_in_order(count: int, most: int) -> None:
    source = CountingSource(count)

    assert list(prefetch(source.items(), most)) == list(range(count))
    assert source.closed
    assert prefetch_threads() == []


def test_no_more_are_taken_than_may_be() -> None:
    source = CountingSource(100)
    items = prefetch(source.items(), 3)
    for number in range(10):
        assert next(items) == number
        wait_until(lambda: source.num_taken == number + 4)  # noqa: B023 - called at once
    time.sleep(0.02)
    assert source.num_taken == 13
    items.close()


def test_another_thread_takes_them() -> None:
    def where() -> Generator[threading.Thread, None, None]:
        yield threading.current_thread()

    assert list(prefetch(where(), 1)) != [threading.current_thread()]


@pytest.mark.parametrize("error", [ValueError("torn"), KeyboardInterrupt(), SystemExit(3)])
def test_an_error_comes_in_its_place(error: BaseException) -> None:
    source = CountingSource(5, error)
    items = prefetch(source.items(), 2)
    assert list(islice(items, 5)) == [0, 1, 2, 3, 4]
    with pytest.raises(type(error)) as caught:
        next(items)

    assert caught.value is error
    assert source.closed
    assert prefetch_threads() == []


@pytest.mark.parametrize("taken", [1, 50])
def test_whoever_stops_early_leaves_nothing_behind(taken: int) -> None:
    source = CountingSource(10**9)
    items = prefetch(source.items(), 2)
    for _ in range(taken):
        next(items)
    items.close()

    assert source.closed
    assert prefetch_threads() == []
    assert source.num_taken <= taken + 3


def test_who_never_begins_begins_no_thread() -> None:
    source = CountingSource(5)
    prefetch(source.items(), 2).close()

    assert source.num_taken == 0
    assert prefetch_threads() == []
