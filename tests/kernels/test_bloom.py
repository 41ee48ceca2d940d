"""The bits of windows, held against hashes that are summed up in Python's own integers, one window at a time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.kernels.bloom import LINE, LONG, MOST_STRONG, SHORT, Walk, Words, begin, longest_run, note

MASK = (1 << 64) - 1
B = 0x9E3779B97F4A7C15
ALPHABET = ["a", "b", "é", "漢", "🦊", " ", "ab", "né"]
"""The pieces of tokens 3 and up."""

PIECES = np.frombuffer("".join(ALPHABET).encode(), np.uint8)
STARTS = np.cumsum([0, 0, 0, 0, *(len(piece.encode()) for piece in ALPHABET)])
tokens = st.lists(st.integers(0, 2 + len(ALPHABET)), max_size=40)


def mixed(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def places(window: str, lines: int, count: int) -> set[int]:
    """The numbers of the bits that `window` sets."""
    characters = [int.from_bytes(character.encode(), "big") for character in window]
    powers = [pow(B, len(window) - 1 - i, 1 << 64) for i in range(len(window))]
    name = mixed(sum(mixed((c + B) & MASK) * power for c, power in zip(characters, powers, strict=True)) & MASK)
    line, places = ((name >> 32) * lines) >> 32, mixed((name + B) & MASK)
    return {512 * line + (places >> 9 * i & 511) for i in range(count)}


def documents(ids: list[int]) -> list[str]:
    """The texts between special tokens."""
    text = "".join("\n" if token < 3 else ALPHABET[token - 3] for token in ids)
    return text.split("\n")


def expected(ids: list[int], lines: int, strong: int) -> set[int]:
    found: set[int] = set()
    for document in documents(ids):
        for length, count in ((SHORT, 1), (LONG, strong)):
            for i in range(len(document) - length + 1):
                found |= places(document[i : i + length], lines, count)
    return found


def noted(parts: list[list[int]], lines: int, strong: int) -> Words:
    bits, walk = np.zeros(LINE * lines, np.uint64), begin()
    for part in parts:
        note(np.array(part, np.int32), PIECES, STARTS, walk, bits, strong)
    return bits


def run(text: str, bits: Words, strong: int, walk: Walk | None = None) -> int:
    return longest_run(np.frombuffer(text.encode(), np.uint8), walk or begin(), bits, strong)


@settings(max_examples=60)
@given(st.lists(tokens, max_size=5), st.integers(1, 9), st.integers(1, MOST_STRONG), st.integers(1, 60))
def test_each_window_sets_its_bits_wherever_the_parts_are_cut(
    parts: list[list[int]], lines: int, strong: int, repeat: int
) -> None:
    parts = [part * repeat for part in parts]
    bits = np.unpackbits(noted(parts, lines, strong).view(np.uint8), bitorder="little")
    assert set(np.flatnonzero(bits).tolist()) == expected([i for part in parts for i in part], lines, strong)


@settings(max_examples=60)
@given(st.lists(st.integers(3, 2 + len(ALPHABET)), min_size=60, max_size=150), st.data())
def test_what_stood_there_is_always_found(ids: list[int], data: st.DataObject) -> None:
    bits = noted([ids], 64, 4)
    (text,) = documents(ids)
    start = data.draw(st.integers(0, len(text) - LONG))
    length = data.draw(st.integers(LONG, len(text) - start))
    copy = text[start : start + length]
    around = data.draw(st.tuples(st.text(max_size=60), st.text(max_size=60)).map(lambda pair: [*pair]))
    around = [part.encode("utf-8", "replace").decode() for part in around]
    assert run(around[0] + copy + around[1], bits, 4) >= length


def test_a_run_is_as_long_as_the_copy() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(3, 9, 400).tolist()
    bits = noted([ids], 64, 6)
    (text,) = documents(ids)
    for length in (LONG, LONG + 1, 77, 400):
        assert run("漢" * 60 + text[:length] + "漢" * 60, bits, 6) == length
    assert run(text[: LONG - 1] + "!", bits, 6) == 0
    assert run("", bits, 6) == 0


def test_no_window_reaches_over_a_border() -> None:
    half = [3, 4, 5, 6, 7, 8] * 5
    for border in (0, 1, 2):
        assert not noted([[*half[:31], border, *half[:31]]], 4, 6).any()
    assert noted([half + half], 4, 6).any()


def test_a_query_does_not_remember_the_one_before() -> None:
    ids = np.random.default_rng(1).integers(3, 9, 100).tolist()
    bits, walk = noted([ids], 16, 6), begin()
    (text,) = documents(ids)
    assert run(text[:49], bits, 6, walk) == 0
    assert run(text[49:98], bits, 6, walk) == 0
    assert run(text[:50], bits, 6, walk) == 50


def test_text_that_was_never_there_is_not_found() -> None:
    rng = np.random.default_rng(2)
    bits = noted([rng.integers(3, 9, 32 * 1024).tolist()], 1024, 6)
    share = np.bitwise_count(bits).sum() / (64 * bits.size)
    assert 0.25 < share < 0.40
    for _ in range(200):
        assert run("".join(ALPHABET[i] for i in rng.integers(0, 6, 500)), bits, 6) == 0


def test_a_patchwork_is_seldom_taken_for_a_copy() -> None:
    # Every short window of it stands in the text, and no long one: two copies of 46 that share 42 in the middle.
    rng = np.random.default_rng(3)
    texts = rng.integers(3, 9, (700, LONG)).tolist()
    parts = [[*text[:46], 0, *text[4:], 0] for text in texts] + rng.integers(3, 9, (9, 10_000)).tolist()
    bits = noted(parts, sum(map(len, parts)) * 16 // 512, 6)
    patchwork = ["".join(ALPHABET[i - 3] for i in text) for text in texts]
    assert sum(run(text, bits, 6) > 0 for text in patchwork) < 20
    crowded = noted(parts, 10, 1)
    assert sum(run(text, crowded, 1) > 0 for text in patchwork) > 600
