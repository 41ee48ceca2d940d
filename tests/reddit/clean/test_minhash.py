"""Near duplicates: texts that are almost the same share a hash, others do not."""

import random

import numpy as np
import pytest

pytest.importorskip("rensa")
from grucli.reddit.clean.minhash import BANDS, signatures

WORDS = [f"word{number}" for number in range(5000)]


def random_text(seed: int, length: int = 60) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def have_common_band(one: str, other: str) -> bool:
    first, second = signatures([one, other])
    return bool((first == second).any())


def test_case_and_punctuation_make_no_difference() -> None:
    assert have_common_band(random_text(1), random_text(1).upper().replace(" ", ", "))


def test_a_word_more_or_less_is_nearly_the_same() -> None:
    assert sum(have_common_band(random_text(seed), random_text(seed) + " edit: thanks") for seed in range(50)) >= 48


def test_different_texts_are_different() -> None:
    result = signatures([random_text(seed) for seed in range(500)]).ravel()

    assert len(np.unique(result)) == 500 * BANDS
    assert (
        sum(
            have_common_band(random_text(seed), random_text(seed)[:180] + random_text(seed + 1000))
            for seed in range(50)
        )
        <= 5
    )


@pytest.mark.parametrize("short", ["", "!!!", "I could not agree more", "thanks " * 7])
def test_what_many_people_say_by_themselves_is_no_duplicate(short: str) -> None:
    assert not signatures([short, random_text(1)])[0].any()
    assert signatures([short, random_text(1)])[1].all()


def test_no_texts() -> None:
    assert signatures([]).shape == (0, BANDS)
