"""The memory of duplicates, against a plain set; bounded, and never wrong about what is lately gone by."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.reddit.clean import dedup
from grucli.reddit.clean.dedup import LshIndex, RecentHashSet

HASH_KEYS = st.one_of(
    st.integers(0, 40),
    st.integers(0, 2**64 - 1),
    st.sampled_from([1 << 63, (1 << 63) + 4096, (1 << 64) - 1]),
)


def test_the_examples_hold() -> None:
    result = doctest.testmod(dedup)
    assert result.attempted
    assert not result.failed


@given(st.lists(st.lists(HASH_KEYS, max_size=60), max_size=8))
def test_it_knows_what_a_set_knows(batches: list[list[int]]) -> None:
    seen, plain = RecentHashSet(), set()
    for batch in batches:
        fresh = seen.add_new(np.array(batch, np.uint64))
        for key, is_fresh in zip(batch, fresh, strict=True):
            key = max(key, 1)  # 0 and 1 are one to it
            assert is_fresh == (key not in plain)
            plain.add(key)
    assert not seen.has_evicted


def test_it_grows_without_losing_any() -> None:
    keys = np.random.default_rng(1).integers(0, 2**64, 100_000, np.uint64)
    seen = RecentHashSet()

    assert all(seen.add_new(part).all() for part in np.array_split(keys, 97))
    assert not any(seen.add_new(part).any() for part in np.array_split(keys, 11))
    assert not seen.has_evicted


@settings(max_examples=30)
@given(st.lists(st.integers(1, 200), max_size=600), st.integers(1, 50))
def test_what_is_bounded_knows_the_last_ones(keys: list[int], size: int) -> None:
    seen = RecentHashSet(32)
    order: list[int] = []
    for start in range(0, len(keys), size):
        batch = keys[start : start + size]
        fresh = seen.add_new(np.array(batch, np.uint64))
        here: set[int] = set()
        for key, is_fresh in zip(batch, fresh, strict=True):
            # Whatever was among the last 16 different ones before this batch, or is in it already, is known.
            if key in here or key in order[-seen.guaranteed_capacity :]:
                assert not is_fresh
            here.add(key)
        for key in sorted(here):
            if key in order:
                order.remove(key)
            order.append(key)
    assert seen._current.size == 32 or not seen.has_evicted


@pytest.mark.slow
def test_it_takes_no_more_memory_than_it_may() -> None:
    seen = RecentHashSet(1 << 15)
    for part in np.array_split(np.arange(1, 200_001, dtype=np.uint64), 50):
        assert seen.add_new(part).all()

    assert seen.has_evicted
    assert seen._previous is not None
    assert seen._current.size == seen._previous.size == 1 << 15
    assert not seen.add_new(np.arange(190_000, 200_001, dtype=np.uint64)).any()


def test_a_batch_may_be_larger_than_the_table() -> None:
    seen = RecentHashSet(32)

    assert seen.add_new(np.arange(1, 1001, dtype=np.uint64)).all()


def test_near_duplicates_are_those_that_share_a_hash_with_one_that_was_kept() -> None:
    seen = LshIndex()
    bands = np.array([[1, 2], [3, 2], [3, 4], [0, 0], [0, 0], [9, 9]], np.uint64)
    asked = np.array([True, True, True, True, True, False])

    # The third is like the second alone, which was not kept; two texts without hashes are never alike.
    assert seen.add_new(bands, asked).tolist() == [True, False, True, True, True, False]
    assert seen.add_new(bands, np.ones(6, np.bool_)).tolist() == [False, False, False, True, True, True]


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_and_one(count: int) -> None:
    assert RecentHashSet().add_new(np.zeros(count, np.uint64)).tolist() == [True] * count
    assert LshIndex().add_new(np.zeros((count, 3), np.uint64), np.ones(count, np.bool_)).tolist() == [True] * count
