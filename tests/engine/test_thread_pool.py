"""How work is shared among threads, and how many there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.engine.thread_pool import ThreadPool
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


def test_there_is_at_least_one_thread() -> None:
    assert ThreadPool().threads >= 1
    with pytest.raises(UsageError, match="--threads is -1"):
        ThreadPool(-1)
