"""The bits of windows, held against hashes that are summed up in Python's own integers, one window at a time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.kernels.bloom import (
    LONG_WINDOW,
    MAX_HASHES,
    SHORT_WINDOW,
    WORDS_PER_LINE,
    RollingHash,
    Words,
    bloom_add_tokens,
    longest_match,
    new_rolling_hash,
)

MASK_64 = (1 << 64) - 1
HASH_BASE = 0x9E3779B97F4A7C15
ALPHABET = ["a", "b", "é", "漢", "🦊", " ", "ab", "né"]
"""The pieces of tokens 3 and up."""

PIECE_BYTES = np.frombuffer("".join(ALPHABET).encode(), np.uint8)
PIECE_OFFSETS = np.cumsum([0, 0, 0, 0, *(len(piece.encode()) for piece in ALPHABET)])
token_ids = st.lists(st.integers(0, 2 + len(ALPHABET)), max_size=40)


def splitmix64(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK_64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK_64
    return x ^ (x >> 31)


def bit_indices(window: str, lines: int, count: int) -> set[int]:
    """The numbers of the bits that `window` sets."""
    characters = [int.from_bytes(character.encode(), "big") for character in window]
    powers = [pow(HASH_BASE, len(window) - 1 - i, 1 << 64) for i in range(len(window))]
    digest = splitmix64(
        sum(splitmix64((c + HASH_BASE) & MASK_64) * power for c, power in zip(characters, powers, strict=True))
        & MASK_64
    )
    line, position_bits = ((digest >> 32) * lines) >> 32, splitmix64((digest + HASH_BASE) & MASK_64)
    return {512 * line + (position_bits >> 9 * i & 511) for i in range(count)}


def split_documents(ids: list[int]) -> list[str]:
    """The texts between special tokens."""
    text = "".join("\n" if token < 3 else ALPHABET[token - 3] for token in ids)
    return text.split("\n")


def expected_bits(ids: list[int], lines: int, num_hashes: int) -> set[int]:
    result: set[int] = set()
    for document in split_documents(ids):
        for length, count in ((SHORT_WINDOW, 1), (LONG_WINDOW, num_hashes)):
            for i in range(len(document) - length + 1):
                result |= bit_indices(document[i : i + length], lines, count)
    return result


def add_tokens(parts: list[list[int]], lines: int, num_hashes: int) -> Words:
    bits, hash_state = np.zeros(WORDS_PER_LINE * lines, np.uint64), new_rolling_hash()
    for part in parts:
        bloom_add_tokens(np.array(part, np.int32), PIECE_BYTES, PIECE_OFFSETS, hash_state, bits, num_hashes)
    return bits


def match_length(text: str, bits: Words, num_hashes: int, hash_state: RollingHash | None = None) -> int:
    return longest_match(np.frombuffer(text.encode(), np.uint8), hash_state or new_rolling_hash(), bits, num_hashes)


@settings(max_examples=60)
@given(st.lists(token_ids, max_size=5), st.integers(1, 9), st.integers(1, MAX_HASHES), st.integers(1, 60))
def test_each_window_sets_its_bits_wherever_the_parts_are_cut(
    parts: list[list[int]], lines: int, strong: int, repeat: int
) -> None:
    parts = [part * repeat for part in parts]
    bits = np.unpackbits(add_tokens(parts, lines, strong).view(np.uint8), bitorder="little")
    assert set(np.flatnonzero(bits).tolist()) == expected_bits([i for part in parts for i in part], lines, strong)


@settings(max_examples=60)
@given(st.lists(st.integers(3, 2 + len(ALPHABET)), min_size=60, max_size=150), st.data())
def test_what_stood_there_is_always_found(ids: list[int], data: st.DataObject) -> None:
    bits = add_tokens([ids], 64, 4)
    (text,) = split_documents(ids)
    start = data.draw(st.integers(0, len(text) - LONG_WINDOW))
    length = data.draw(st.integers(LONG_WINDOW, len(text) - start))
    copy = text[start : start + length]
    around = data.draw(st.tuples(st.text(max_size=60), st.text(max_size=60)).map(lambda pair: [*pair]))
    around = [part.encode("utf-8", "replace").decode() for part in around]
    assert match_length(around[0] + copy + around[1], bits, 4) >= length


def test_a_run_is_as_long_as_the_copy() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(3, 9, 400).tolist()
    bits = add_tokens([ids], 64, 6)
    (text,) = split_documents(ids)
    for length in (LONG_WINDOW, LONG_WINDOW + 1, 77, 400):
        assert match_length("漢" * 60 + text[:length] + "漢" * 60, bits, 6) == length
    assert match_length(text[: LONG_WINDOW - 1] + "!", bits, 6) == 0
    assert match_length("", bits, 6) == 0


def test_no_window_reaches_over_a_border() -> None:
    half = [3, 4, 5, 6, 7, 8] * 5
    for border in (0, 1, 2):
        assert not add_tokens([[*half[:31], border, *half[:31]]], 4, 6).any()
    assert add_tokens([half + half], 4, 6).any()


def test_a_query_does_not_remember_the_one_before() -> None:
    ids = np.random.default_rng(1).integers(3, 9, 100).tolist()
    bits, hash_state = add_tokens([ids], 16, 6), new_rolling_hash()
    (text,) = split_documents(ids)
    assert match_length(text[:49], bits, 6, hash_state) == 0
    assert match_length(text[49:98], bits, 6, hash_state) == 0
    assert match_length(text[:50], bits, 6, hash_state) == 50


def test_text_that_was_never_there_is_not_found() -> None:
    rng = np.random.default_rng(2)
    bits = add_tokens([rng.integers(3, 9, 32 * 1024).tolist()], 1024, 6)
    fraction = np.bitwise_count(bits).sum() / (64 * bits.size)
    assert 0.25 < fraction < 0.40
    for _ in range(200):
        assert match_length("".join(ALPHABET[i] for i in rng.integers(0, 6, 500)), bits, 6) == 0


def test_a_patchwork_is_seldom_taken_for_a_copy() -> None:
    # Every short window of it stands in the text, and no long one: two copies of 46 that share 42 in the middle.
    rng = np.random.default_rng(3)
    texts = rng.integers(3, 9, (700, LONG_WINDOW)).tolist()
    parts = [[*text[:46], 0, *text[4:], 0] for text in texts] + rng.integers(3, 9, (9, 10_000)).tolist()
    bits = add_tokens(parts, sum(map(len, parts)) * 16 // 512, 6)
    patchwork = ["".join(ALPHABET[i - 3] for i in text) for text in texts]
    assert sum(match_length(text, bits, 6) > 0 for text in patchwork) < 20
    crowded = add_tokens(parts, 10, 1)
    assert sum(match_length(text, crowded, 1) > 0 for text in patchwork) > 600
