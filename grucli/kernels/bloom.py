"""Which windows of a text were seen before: a Bloom filter of rolling hashes, filled from token ids, asked with UTF-8.

Two kinds of window end at each character: the last SHORT characters set one bit, the last LONG set `strong` bits.
A window of LONG characters counts as seen when all its own bits are set and so are those of every short window inside
it: the former tells whether it stood there as a whole, the latter make an accident practically impossible. What was
seen is always found.

The hash of a window is a polynomial in B modulo 2^64, from sums over all that went before (Karp and Rabin 1987), each
character and then the result mixed by the finaliser of SplitMix64. All bits of a window lie in one cache line. Lines
are asked for some windows before they are written to: a large array is in memory, and waiting for it is all the cost.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from grucli.kernels.jit import helper, intrinsic, kernel
from grucli.kernels.sampling import EOT, Ids

SHORT_WINDOW, LONG_WINDOW = 32, 50
"""Characters of the two kinds of window."""

MAX_HASHES = 6
"""Bits that a long window sets at most: nine bits of a hash choose each place in a line."""

WORDS_PER_LINE = 8
"""Words of 64 bits in a line."""

Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]

_PREFETCH_DISTANCE = 64  # windows of a kind that wait for their lines
_RING_SIZE = 64  # sums kept: a power of two above LONG
_SHORT_PER_LONG = LONG_WINDOW - SHORT_WINDOW + 1  # short windows in a long one
_B = 0x9E3779B97F4A7C15
_B_SHORT = np.uint64(pow(_B, SHORT_WINDOW, 1 << 64))
_B_LONG = np.uint64(pow(_B, LONG_WINDOW, 1 << 64))


class RollingHash(NamedTuple):
    """A place in a text, kept from one call to the next.

    sums uint64 [64]: a ring of the polynomials of everything up to each of the last characters. character uint64 [1]:
    the UTF-8 bytes of the character so far. at int64 [2]: characters since the last border; bytes that the character
    still lacks. short, long uint64 [_AHEAD]: scratch of `note`, since a kernel cannot allocate.
    """

    prefix_hashes: Words
    character: Words
    counters: NDArray[np.int64]
    short: Words
    long: Words


def new_rolling_hash() -> RollingHash:
    """The place before a text."""
    return RollingHash(
        np.zeros(_RING_SIZE, np.uint64),
        np.zeros(1, np.uint64),
        np.zeros(2, np.int64),
        *np.zeros((2, _PREFETCH_DISTANCE), np.uint64),
    )


@helper
def _splitmix64(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@helper
def _reset(hash_state: RollingHash) -> None:
    """No window reaches over this place."""
    hash_state.counters[0] = 0
    hash_state.counters[1] = 0


@helper
def _push_byte(byte: np.uint8, hash_state: RollingHash) -> bool:
    """Step over one byte of valid UTF-8; True where it ends a character."""
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
    """The hash of the last `length` characters; `power` is B to that power."""
    n = hash_state.counters[0]
    return _splitmix64(
        hash_state.prefix_hashes[n & (_RING_SIZE - 1)]
        - hash_state.prefix_hashes[(n - length) & (_RING_SIZE - 1)] * power
    )


@helper
def _cache_line(window: np.uint64, bits: Words) -> int:
    """The first word of the line that a window's bits are in."""
    lines = np.uint64(bits.size // WORDS_PER_LINE)
    return int(((window >> np.uint64(32)) * lines) >> np.uint64(32)) * WORDS_PER_LINE


@helper
def _set_bits(window: np.uint64, num_hashes: int, bits: Words) -> None:
    line, bit_hash = _cache_line(window, bits), _splitmix64(window + np.uint64(_B))
    for _ in range(num_hashes):
        bits[line + np.int64((bit_hash >> np.uint64(6)) & np.uint64(7))] |= np.uint64(1) << (bit_hash & np.uint64(63))
        bit_hash >>= np.uint64(9)


@intrinsic
def _prefetch(typing_context: Any, words: Any, index: Any) -> Any:
    """Have the cache line of `words[index]` brought in, to be written to; go on meanwhile."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer, int32 = ir.IntType(8).as_pointer(), ir.IntType(32)
        function_type = ir.FunctionType(ir.VoidType(), [pointer, int32, int32, int32])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", (pointer,), function_type)
        line_ptr = builder.bitcast(builder.gep(array.data, [arguments[1]]), pointer)
        for_writing, to_every_cache, data = int32(1), int32(3), int32(1)
        builder.call(prefetch, [line_ptr, for_writing, to_every_cache, data])
        return context.get_dummy_value()

    return types.void(words, types.int64), generate


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
    """Set the bits of every window of a text, which may be given in parts; special tokens are borders.

    Args:
        ids: int32 [N], the next tokens.
        pieces: uint8, the UTF-8 bytes of all tokens, one after the other.
        starts: int64 [V + 1], where those of each token begin, and the end.
        walk: where the last part ended; moved on.
        bits: uint64 [a multiple of LINE], changed in place.
        strong: bits of a long window, from 1 to MOST_STRONG.
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
            _prefetch(bits, np.int64(_cache_line(short[n], bits)))
            n += 1
            if hash_state.counters[0] >= LONG_WINDOW:
                long[m] = _window_hash(hash_state, LONG_WINDOW, _B_LONG)
                _prefetch(bits, np.int64(_cache_line(long[m], bits)))
                m += 1
            if n == _PREFETCH_DISTANCE:
                _set_all(short, n, 1, bits)
                _set_all(long, m, num_hashes, bits)
                n = m = 0
    _set_all(short, n, 1, bits)
    _set_all(long, m, num_hashes, bits)


@kernel
def longest_match(text: Bytes, hash_state: RollingHash, bits: Words, num_hashes: int) -> int:
    """Characters of the longest part of a text (uint8, valid UTF-8) of which every long window was seen, or 0."""
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
