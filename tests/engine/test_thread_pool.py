"""How work is shared among threads, and how many there are."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.engine import thread_pool
from grucli.engine.thread_pool import ThreadPool, default_num_threads
from grucli.errors import UsageError

POOLS = {threads: ThreadPool(threads) for threads in (1, 2, 5)}


@given(total=st.integers(0, 300), threads=st.sampled_from(sorted(POOLS)), grain=st.integers(1, 40))
def test_shares_cover_everything_once_and_in_order(total: int, threads: int, grain: int) -> None:
    shares = POOLS[threads].parallel_for(total, lambda low, high: (low, high), grain)
    assert [number for low, high in shares for number in range(low, high)] == list(range(total))
    assert all(low % grain == 0 for low, _ in shares)
    assert len(shares) <= max(1, threads)


def test_an_error_in_a_thread_is_the_caller_s() -> None:
    def fail(low: int, high: int) -> None:
        if low > 0:
            raise ValueError("here")

    with pytest.raises(ValueError, match="here"):
        POOLS[2].parallel_for(10, fail)


def test_threads_of_one_core_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(thread_pool, "_core_siblings", lambda cpu: f"{cpu % 2},{cpu % 2 + 2}")
    assert default_num_threads() == 2


def test_a_processor_that_linux_does_not_know_is_a_core() -> None:
    assert thread_pool._core_siblings(99_999) == "99999"


def test_there_is_at_least_one_thread() -> None:
    assert default_num_threads() >= 1
    with pytest.raises(UsageError, match="--threads is -1"):
        ThreadPool(-1)
