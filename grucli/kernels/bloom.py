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

from grucli.kernels.jit import exactly, intrinsic, kernel
from grucli.kernels.sampling import TURN, Ids

SHORT, LONG = 32, 50
"""Characters of the two kinds of window."""

MOST_STRONG = 6
"""Bits that a long window sets at most: nine bits of a hash choose each place in a line."""

LINE = 8
"""Words of 64 bits in a line."""

Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]

_AHEAD = 64  # windows of a kind that wait for their lines
_RING = 64  # sums kept: a power of two above LONG
_INSIDE = LONG - SHORT + 1  # short windows in a long one
_B = 0x9E3779B97F4A7C15
_B_SHORT = np.uint64(pow(_B, SHORT, 1 << 64))
_B_LONG = np.uint64(pow(_B, LONG, 1 << 64))


class Walk(NamedTuple):
    """A place in a text, kept from one call to the next.

    sums uint64 [64]: a ring of the polynomials of everything up to each of the last characters. character uint64 [1]:
    the UTF-8 bytes of the character so far. at int64 [2]: characters since the last border; bytes that the character
    still lacks.
    """

    sums: Words
    character: Words
    at: NDArray[np.int64]


def begin() -> Walk:
    """The place before a text."""
    return Walk(np.zeros(_RING, np.uint64), np.zeros(1, np.uint64), np.zeros(2, np.int64))


@exactly
def _mixed(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@exactly
def _border(walk: Walk) -> None:
    """No window reaches over this place."""
    walk.at[0] = 0
    walk.at[1] = 0


@exactly
def _take(byte: np.uint8, walk: Walk) -> bool:
    """Step over one byte of valid UTF-8; True where it ends a character."""
    if walk.at[1] > 0:
        walk.character[0] = (walk.character[0] << np.uint64(8)) | np.uint64(byte)
        walk.at[1] -= 1
    else:
        walk.character[0] = np.uint64(byte)
        walk.at[1] = 0 if byte < 0xC0 else 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
    if walk.at[1] > 0:
        return False
    n = walk.at[0]
    before = walk.sums[n & (_RING - 1)]
    walk.at[0] = n + 1
    walk.sums[(n + 1) & (_RING - 1)] = before * np.uint64(_B) + _mixed(walk.character[0] + np.uint64(_B))
    return True


@exactly
def _window(walk: Walk, length: int, power: np.uint64) -> np.uint64:
    """The hash of the last `length` characters; `power` is B to that power."""
    n = walk.at[0]
    return _mixed(walk.sums[n & (_RING - 1)] - walk.sums[(n - length) & (_RING - 1)] * power)


@exactly
def _line(window: np.uint64, bits: Words) -> int:
    """The first word of the line that a window's bits are in."""
    lines = np.uint64(bits.size // LINE)
    return int(((window >> np.uint64(32)) * lines) >> np.uint64(32)) * LINE


@exactly
def _set(window: np.uint64, count: int, bits: Words) -> None:
    line, places = _line(window, bits), _mixed(window + np.uint64(_B))
    for _ in range(count):
        bits[line + np.int64((places >> np.uint64(6)) & np.uint64(7))] |= np.uint64(1) << (places & np.uint64(63))
        places >>= np.uint64(9)


@intrinsic
def _fetch(typing_context: Any, words: Any, index: Any) -> Any:
    """Have the cache line of `words[index]` brought in, to be written to; go on meanwhile."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", (pointer,), kind)
        place = builder.bitcast(builder.gep(array.data, [arguments[1]]), pointer)
        for_writing, to_every_cache, data = number(1), number(3), number(1)
        builder.call(prefetch, [place, for_writing, to_every_cache, data])
        return context.get_dummy_value()

    return types.void(words, types.int64), generate


@exactly
def _set_all(windows: Words, n: int, count: int, bits: Words) -> None:
    for i in range(n):
        _set(windows[i], count, bits)


@exactly
def _is_set(window: np.uint64, count: int, bits: Words) -> bool:
    line, places = _line(window, bits), _mixed(window + np.uint64(_B))
    for _ in range(count):
        word = bits[line + np.int64((places >> np.uint64(6)) & np.uint64(7))]
        if (word >> (places & np.uint64(63))) & np.uint64(1) == np.uint64(0):
            return False
        places >>= np.uint64(9)
    return True


@kernel
def note(ids: Ids, pieces: Bytes, starts: NDArray[np.int64], walk: Walk, bits: Words, strong: int) -> None:
    """Set the bits of every window of a text, which may be given in parts; special tokens are borders.

    Args:
        ids: int32 [N], the next tokens.
        pieces: uint8, the UTF-8 bytes of all tokens, one after the other.
        starts: int64 [V + 1], where those of each token begin, and the end.
        walk: where the last part ended; moved on.
        bits: uint64 [a multiple of LINE], changed in place.
        strong: bits of a long window, from 1 to MOST_STRONG.
    """
    short, long, n, m = np.empty(_AHEAD, np.uint64), np.empty(_AHEAD, np.uint64), 0, 0
    for i in range(ids.size):
        token = ids[i]
        if token <= TURN:
            _border(walk)
            continue
        for j in range(starts[token], starts[token + 1]):
            if not _take(pieces[j], walk) or walk.at[0] < SHORT:
                continue
            short[n] = _window(walk, SHORT, _B_SHORT)
            _fetch(bits, np.int64(_line(short[n], bits)))
            n += 1
            if walk.at[0] >= LONG:
                long[m] = _window(walk, LONG, _B_LONG)
                _fetch(bits, np.int64(_line(long[m], bits)))
                m += 1
            if n == _AHEAD:
                _set_all(short, n, 1, bits)
                _set_all(long, m, strong, bits)
                n = m = 0
    _set_all(short, n, 1, bits)
    _set_all(long, m, strong, bits)


@kernel
def longest_run(text: Bytes, walk: Walk, bits: Words, strong: int) -> int:
    """Characters of the longest part of a text (uint8, valid UTF-8) of which every long window was seen, or 0."""
    longest = short = long = 0
    _border(walk)
    for i in range(text.size):
        if not _take(text[i], walk):
            continue
        seen = walk.at[0] >= SHORT and _is_set(_window(walk, SHORT, _B_SHORT), 1, bits)
        short = short + 1 if seen else 0
        seen = short >= _INSIDE and _is_set(_window(walk, LONG, _B_LONG), strong, bits)
        long = long + 1 if seen else 0
        if long > 0:
            longest = max(longest, LONG - 1 + long)
    return longest
