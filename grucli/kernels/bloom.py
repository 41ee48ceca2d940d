"""Blocked Bloom filter (Bloom 1970; Putze 2007) of rolling hashes: which windows of a text have occurred before.

Two kinds of window end at each character: the last SHORT_WINDOW characters set one bit, the last LONG_WINDOW set
`num_hashes` bits. A long window matches if its own bits and those of every short window inside it are set: the former
tell whether it occurred as a whole, the latter make a false positive practically impossible. There are no false
negatives.

The hash of a window is a polynomial modulo 2^64, a difference of prefix hashes (Karp and Rabin 1987,
doi:10.1147/rd.312.0249); each character and then the result are mixed by SplitMix64 (Steele 2014,
doi:10.1145/2660193.2660195). All bits of a window are in one cache line (doi:10.1007/978-3-540-72845-0_9).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.jit import helper, kernel
from grucli.kernels.sampling import EOT, Ids

SHORT_WINDOW, LONG_WINDOW = 32, 50
"""Characters per window of the two kinds."""

MAX_HASHES = 6
"""Limit on the bits of a long window: nine bits of its hash choose each bit of a line."""

WORDS_PER_LINE = 8
"""64-bit words per cache line."""

Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]

_BUFFER_SIZE = 64  # windows set in one loop, so that their cache misses overlap: 1.7 times as fast as one by one
_RING_SIZE = 64  # prefix hashes: a power of two above LONG_WINDOW
_SHORT_PER_LONG = LONG_WINDOW - SHORT_WINDOW + 1  # short windows per long one
_B = 0x9E3779B97F4A7C15
_B_SHORT = np.uint64(pow(_B, SHORT_WINDOW, 1 << 64))
_B_LONG = np.uint64(pow(_B, LONG_WINDOW, 1 << 64))


class RollingHash(NamedTuple):
    """Position in a text, kept between calls.

    prefix_hashes uint64 [64]: ring of the hashes of the text up to each of the last characters. character uint64 [1]:
    the UTF-8 bytes of the current character. counters int64 [2]: characters since the last border; bytes that the
    current character lacks. short, long uint64 [_BUFFER_SIZE]: scratch.
    """

    prefix_hashes: Words
    character: Words
    counters: NDArray[np.int64]
    short: Words
    long: Words


def new_rolling_hash() -> RollingHash:
    """Return the position before a text."""
    short, long = np.zeros((2, _BUFFER_SIZE), np.uint64)
    return RollingHash(np.zeros(_RING_SIZE, np.uint64), np.zeros(1, np.uint64), np.zeros(2, np.int64), short, long)


@helper
def _splitmix64(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@helper
def _reset(hash_state: RollingHash) -> None:
    """Mark a border: no window extends across it."""
    hash_state.counters[0] = 0
    hash_state.counters[1] = 0


@helper
def _push_byte(byte: np.uint8, hash_state: RollingHash) -> bool:
    """Read one byte of valid UTF-8; return True if it ends a character."""
    if hash_state.counters[1] > 0:
        hash_state.character[0] = (hash_state.character[0] << np.uint64(8)) | np.uint64(byte)
        hash_state.counters[1] -= 1
    else:
        hash_state.character[0] = np.uint64(byte)
        hash_state.counters[1] = 0 if byte < 0xC0 else 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
    if hash_state.counters[1] > 0:
        return False
    n = hash_state.counters[0]
    before = hash_state.prefix_hashes[n & (_RING_SIZE - 1)]
    hash_state.counters[0] = n + 1
    hash_state.prefix_hashes[(n + 1) & (_RING_SIZE - 1)] = before * np.uint64(_B) + _splitmix64(
        hash_state.character[0] + np.uint64(_B)
    )
    return True


@helper
def _window_hash(hash_state: RollingHash, length: int, power: np.uint64) -> np.uint64:
    """The hash of the last `length` characters; `power` is _B ** length."""
    n = hash_state.counters[0]
    return _splitmix64(
        hash_state.prefix_hashes[n & (_RING_SIZE - 1)]
        - hash_state.prefix_hashes[(n - length) & (_RING_SIZE - 1)] * power
    )


@helper
def _cache_line(window: np.uint64, bits: Words) -> int:
    """The index of the first word of a window's line."""
    lines = np.uint64(bits.size // WORDS_PER_LINE)
    return int(((window >> np.uint64(32)) * lines) >> np.uint64(32)) * WORDS_PER_LINE


@helper
def _set_bits(window: np.uint64, num_hashes: int, bits: Words) -> None:
    line, bit_hash = _cache_line(window, bits), _splitmix64(window + np.uint64(_B))
    for _ in range(num_hashes):
        bits[line + np.int64((bit_hash >> np.uint64(6)) & np.uint64(7))] |= np.uint64(1) << (bit_hash & np.uint64(63))
        bit_hash >>= np.uint64(9)


@helper
def _set_all(windows: Words, n: int, num_hashes: int, bits: Words) -> None:
    for i in range(n):
        _set_bits(windows[i], num_hashes, bits)


@helper
def _is_set(window: np.uint64, num_hashes: int, bits: Words) -> bool:
    line, bit_hash = _cache_line(window, bits), _splitmix64(window + np.uint64(_B))
    for _ in range(num_hashes):
        word = bits[line + np.int64((bit_hash >> np.uint64(6)) & np.uint64(7))]
        if (word >> (bit_hash & np.uint64(63))) & np.uint64(1) == np.uint64(0):
            return False
        bit_hash >>= np.uint64(9)
    return True


@kernel
def bloom_add_tokens(
    ids: Ids, pieces: Bytes, starts: NDArray[np.int64], hash_state: RollingHash, bits: Words, num_hashes: int
) -> None:
    """Set the bits of every window of a text, which may come in parts; special tokens are borders.

    Args:
        ids: int32 [N], the next tokens.
        pieces: uint8, the UTF-8 bytes of all tokens, concatenated.
        starts: int64 [V + 1], where each token begins in `pieces`, and the end.
        hash_state: the position after the previous part; updated.
        bits: uint64 [a multiple of WORDS_PER_LINE], updated.
        num_hashes: bits per long window, 1 to MAX_HASHES.
    """
    short, long, n, m = hash_state.short, hash_state.long, 0, 0
    for i in range(ids.size):
        token = ids[i]
        if token <= EOT:
            _reset(hash_state)
            continue
        for j in range(starts[token], starts[token + 1]):
            if not _push_byte(pieces[j], hash_state) or hash_state.counters[0] < SHORT_WINDOW:
                continue
            short[n] = _window_hash(hash_state, SHORT_WINDOW, _B_SHORT)
            n += 1
            if hash_state.counters[0] >= LONG_WINDOW:
                long[m] = _window_hash(hash_state, LONG_WINDOW, _B_LONG)
                m += 1
            if n == _BUFFER_SIZE:
                _set_all(short, n, 1, bits)
                _set_all(long, m, num_hashes, bits)
                n = m = 0
    _set_all(short, n, 1, bits)
    _set_all(long, m, num_hashes, bits)


@kernel
def longest_match(text: Bytes, hash_state: RollingHash, bits: Words, num_hashes: int) -> int:
    """Return the characters of the longest part of a text of which every long window matches, or 0.

    text uint8 [N]: valid UTF-8. hash_state is scratch. bits, num_hashes: as for `bloom_add_tokens`.
    """
    longest = short_run = long_run = 0
    _reset(hash_state)
    for i in range(text.size):
        if not _push_byte(text[i], hash_state):
            continue
        is_match = hash_state.counters[0] >= SHORT_WINDOW and _is_set(
            _window_hash(hash_state, SHORT_WINDOW, _B_SHORT), 1, bits
        )
        short_run = short_run + 1 if is_match else 0
        is_match = short_run >= _SHORT_PER_LONG and _is_set(
            _window_hash(hash_state, LONG_WINDOW, _B_LONG), num_hashes, bits
        )
        long_run = long_run + 1 if is_match else 0
        if long_run > 0:
            longest = max(longest, LONG_WINDOW - 1 + long_run)
    return longest
