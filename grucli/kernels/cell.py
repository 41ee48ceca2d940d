"""What the kernels of every cell share: how a step of a window begins, and all of a written token but the recurrence.

Numba keeps no machine code of a kernel that is handed another one, so each cell has its own `_step`, `_read` and
`_write`; here is what these are made of, and the `CellStreams` that calls them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32, empty
from grucli.kernels.jit import helper
from grucli.kernels.microkernel import NR, element_ptr, num_panels
from grucli.kernels.quantized import PackedWeights, QuantWorkspace, allocate_workspace, pack_weights, packed_matmul
from grucli.kernels.sampling import EOS, RUNNING, DecodeState, Ids, SamplingParams, sample_token

Recurrent = TypeVar("Recurrent")


@helper
def carry(t: int, low: int, high: int, state: Float32, resets: NDArray[np.bool_], previous: Float32) -> None:
    """Rows [low, high) of state [B, H] into previous[t], of [T, B, H]; zero where resets [T, B] is true."""
    for i in range(low, high):
        fresh = resets[t, i]
        for j in range(state.shape[1]):
            # Not a product with zero: a reset must also clear a state that is no longer finite.
            previous[t, i, j] = np.float32(0) if fresh else state[i, j]


class Ends(NamedTuple):
    """What stands around the recurrence: table [V, G] is the embedding times U of the lowest layer; u are the other
    layers' U [H, G], out the weights [H, V] of the logits, packed; out_bias [V]."""

    table: Float32
    u: PackedWeights
    out: PackedWeights
    out_bias: Float32


class Room(NamedTuple):
    """Scratch for as many streams as one call takes: x and sums [n, padded G], logits and weights [n, padded V], and
    the desk of their products."""

    x: Float32
    sums: Float32
    logits: Float32
    weights: Float32
    desk: QuantWorkspace


@helper
def look_up(low: int, high: int, inputs: Ids, ends: Ends, state: Float32, x: Float32) -> None:
    """x[:high - low] = x U of the lowest layer for inputs[low:high]; an end token clears a stream's state [L, n, H]."""
    L, _, H = state.shape
    for i in range(low, high):
        token = inputs[i]
        for layer in range(L if token == EOS else 0):
            for j in range(H):
                state[layer, i, j] = np.float32(0)
        for j in range(ends.table.shape[1]):
            x[i - low, j] = ends.table[token, j]


@helper
def any_running(low: int, high: int, streams: DecodeState) -> bool:
    """Whether one of the streams [low, high) has not stopped."""
    running = 0
    for i in range(low, high):
        running += 1 if streams.finish_status[i] == RUNNING else 0
    return running > 0


@helper
def extend_all(
    low: int,
    high: int,
    ends: Ends,
    rules: SamplingParams,
    streams: DecodeState,
    state: Float32,
    tokens: Ids,
    room: Room,
) -> None:
    """Draw a token of each running stream in [low, high) from the highest layer of state [L, n, H] into tokens [n].

    With relevance the streams come in pairs, and the second of each, the shadow, is given what the first has drawn.
    """
    L, n, H = state.shape
    top = element_ptr(state, ((L - 1) * n + low) * H)
    # The only matrix is number 0; but a plain 0 is a type of its own, for which all would be compiled once more.
    packed_matmul(top, H, high - low, ends.out, low - low, room.logits, room.desk)
    pair = 2 if rules.relevance > 0.0 else 1
    for i in range(low, high, pair):
        if streams.finish_status[i] == RUNNING:
            tokens[i] = sample_token(room.logits, room.weights, i - low, ends.out_bias, rules, streams, i)
            for shadow in range(i + 1, i + pair):
                streams.last_token[shadow], streams.finish_status[shadow] = (
                    streams.last_token[i],
                    streams.finish_status[i],
                )


@helper
def note(low: int, high: int, state: Float32, seen: Float32) -> None:
    """Streams [low, high) of the highest layer of state [L, n, H] into seen [n, H]."""
    L, _, H = state.shape
    for i in range(low, high):
        for j in range(H):
            seen[i, j] = state[L - 1, i, j]


class CellStreams(Generic[Recurrent]):
    """A network a token at a time: many streams read and write with the same weights, states given and kept outside.

    `layers` are the parameters of each layer, `embedding` [V, E], `out` [H, V] and `out_bias` [V]; `recurrent` is what
    the kernels `read` and `write` of a cell need of the layers besides U. `rounded` weights take a byte each.
    """

    def __init__(
        self,
        embedding: Float32,
        layers: Sequence[Mapping[str, Float32]],
        out: Float32,
        out_bias: Float32,
        recurrent: Recurrent,
        read: Callable[[int, int, Ids, Ends, Recurrent, Float32, Float32, Room], None],
        write: Callable[[int, int, Ends, Recurrent, SamplingParams, DecodeState, Float32, Ids, Room], None],
        *,
        rounded: bool,
    ) -> None:
        self._H, self._V = out.shape
        self._G = layers[0]["U"].shape[1]
        self._ends = Ends(
            table=np.ascontiguousarray(embedding @ layers[0]["U"]),
            u=pack_weights([layer["U"] for layer in layers[1:]], 0, self._G, quantized=rounded),
            out=pack_weights([out], 0, self._V, quantized=rounded),
            out_bias=out_bias,
        )
        self._recurrent, self._read, self._write = recurrent, read, write

    def _room(self, rows: int) -> Room:
        def padded(columns: int) -> Float32:
            return empty(rows, num_panels(columns) * NR)

        desk = allocate_workspace(rows, self._H, max(self._G, self._V))
        return Room(padded(self._G), padded(self._G), padded(self._V), padded(self._V), desk)

    def read(self, tokens: Ids, state: Float32, seen: Float32 | None = None) -> None:
        """n streams read tokens [K, n], ids in 0 … V - 1, from state [L, n, H], which goes on in place.

        seen [K, n, H], if given, receives the highest layer after each token.
        """
        n = tokens.shape[1]
        seen = np.empty((0, n, self._H), np.float32) if seen is None else seen
        self._read(0, n, tokens, self._ends, self._recurrent, state, seen, self._room(n))

    def write(
        self, low: int, high: int, rules: SamplingParams, streams: DecodeState, state: Float32, written: Ids
    ) -> None:
        """Streams [low, high) read their last token, draw, and so on, for at most K tokens or until each has stopped.

        state [L, n, H] and `streams` go on in place; written [n, K] receives the tokens, and keeps what it held where
        a stream had stopped. With relevance, `low` and `high` are even: pairs stay together.
        """
        self._write(low, high, self._ends, self._recurrent, rules, streams, state, written, self._room(high - low))
