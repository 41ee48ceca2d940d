"""The GRU layer over a window of T steps, forward and backward; the equations are in `grucli.model.cells.gru`.

Batch rows do not depend on each other for the whole window, so each thread takes its rows [low, high) and walks all T
steps alone: one hand-off a layer and direction, no barrier a step. Everything that does not recur is left to products
over all T·B rows at once, outside: x U beforehand, dU, dW and dx afterwards. `Gru` holds the arrays that the two
directions share. Below it stands `gru_streams`: the same cell a token at a time, for text that is being written.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32, empty
from grucli.kernels.cell import CellStreams, Ends, Room, any_running, carry, extend_all, look_up, note
from grucli.kernels.elementary import sigmoid, tanh
from grucli.kernels.jit import helper, kernel
from grucli.kernels.microkernel import NR, element_ptr, gemm_panels, num_panels, pack, pack_transposed
from grucli.kernels.quantized import PackedWeights, pack_weights, packed_matmul
from grucli.kernels.sampling import DecodeState, Ids, SamplingParams


@kernel
def _forward(
    low: int,
    high: int,
    gates: Float32,
    b: Float32,
    zr_panels: Float32,
    h_panels: Float32,
    state: Float32,
    resets: NDArray[np.bool_],
    previous: Float32,
    seen: Float32,
    s: Float32,
    sums: Float32,
) -> None:
    """Rows [low, high) of the whole window.

    gates [T, B, 3H] holds x U and receives z, r, h. state [B, H] is the carried state and receives the last one.
    previous, seen, s [T, B, H] receive s_{t-1}, r ∘ s_{t-1} and s_t. sums [rows, padded 2H] is scratch.
    """
    T, B, H = s.shape
    rows = high - low
    for t in range(T):
        carry(t, low, high, state, resets, previous)
        start = (t * B + low) * H
        gemm_panels(previous, start, H, rows, zr_panels, sums, 0)
        for i in range(rows):
            for j in range(H):
                gates[t, low + i, j] = sigmoid(gates[t, low + i, j] + sums[i, j] + b[j])
            for j in range(H):
                r = sigmoid(gates[t, low + i, H + j] + sums[i, H + j] + b[H + j])
                gates[t, low + i, H + j] = r
                seen[t, low + i, j] = r * previous[t, low + i, j]
        gemm_panels(seen, start, H, rows, h_panels, sums, 0)
        for i in range(rows):
            for j in range(H):
                h = tanh(gates[t, low + i, 2 * H + j] + sums[i, j] + b[2 * H + j])
                z = gates[t, low + i, j]
                gates[t, low + i, 2 * H + j] = h
                new = h + z * (previous[t, low + i, j] - h)
                s[t, low + i, j] = new
                state[low + i, j] = new


@kernel
def _backward(
    low: int,
    high: int,
    gates: Float32,
    zr_panels: Float32,
    h_panels: Float32,
    resets: NDArray[np.bool_],
    previous: Float32,
    ds: Float32,
    dstate: Float32,
    sums: Float32,
) -> None:
    """Rows [low, high) of the whole window, backwards.

    gates [T, B, 3H] holds z, r, h and receives da, the gradient of what entered each gate. ds [T, B, H] comes from
    above. dstate [B, H] begins as the gradient of the state after the window and becomes that of the state before it.
    zr_panels and h_panels hold the transposed weights; sums [rows, padded H] is scratch.
    """
    T, B, H = ds.shape
    rows = high - low
    one = np.float32(1.0)
    for t in range(T - 1, -1, -1):
        for i in range(rows):
            for j in range(H):
                z = gates[t, low + i, j]
                h = gates[t, low + i, 2 * H + j]
                d = ds[t, low + i, j] + dstate[low + i, j]
                gates[t, low + i, 2 * H + j] = d * (one - z) * (one - h * h)
                gates[t, low + i, j] = d * (previous[t, low + i, j] - h) * z * (one - z)
                dstate[low + i, j] = d * z
        row = (t * B + low) * 3 * H
        gemm_panels(gates, row + 2 * H, 3 * H, rows, h_panels, sums, 0)
        for i in range(rows):
            for j in range(H):
                r = gates[t, low + i, H + j]
                dseen = sums[i, j]
                dstate[low + i, j] += dseen * r
                gates[t, low + i, H + j] = dseen * previous[t, low + i, j] * r * (one - r)
        gemm_panels(gates, row, 3 * H, rows, zr_panels, sums, 0)
        for i in range(rows):
            fresh = resets[t, low + i]
            for j in range(H):
                dstate[low + i, j] = np.float32(0) if fresh else dstate[low + i, j] + sums[i, j]


class Gru:
    """One layer's arrays for windows of T steps and B rows, and the two walks over them.

    `gates` [T, B, 3H] is given x U and, after `backward`, holds da; `s` [T, B, H] are the states.
    """

    def __init__(self, T: int, B: int, H: int) -> None:
        self.H = H
        self.gates = empty(T, B, 3 * H)
        self.previous, self.seen, self.s = empty(T, B, H), empty(T, B, H), empty(T, B, H)
        self.dstate = empty(B, H)
        self._panels = {
            "zr": empty(num_panels(2 * H), H, NR),
            "h": empty(num_panels(H), H, NR),
            "zr transposed": empty(num_panels(H), 2 * H, NR),
            "h transposed": empty(num_panels(H), H, NR),
        }

    def pack(self, W: Float32) -> None:
        """Lay the recurrent weights W [H, 3H] out for the forward walk."""
        pack(W, 0, 2 * self.H, self._panels["zr"])
        pack(W, 2 * self.H, self.H, self._panels["h"])

    def pack_transposed(self, W: Float32) -> None:
        """Lay the transposed weights out for the backward walk."""
        pack_transposed(W, 0, 2 * self.H, self._panels["zr transposed"])
        pack_transposed(W, 2 * self.H, self.H, self._panels["h transposed"])

    def forward(
        self, low: int, high: int, weights: Mapping[str, Float32], state: Float32, resets: NDArray[np.bool_]
    ) -> None:
        """Walk rows [low, high) from `state` [B, H], which is carried on in place; b [3H], resets [T, B]."""
        sums = empty(high - low, self._panels["zr"].shape[0] * NR)
        _forward(
            low, high, self.gates, weights["b"], self._panels["zr"], self._panels["h"], state, resets,
            self.previous, self.seen, self.s, sums,
        )  # fmt: skip

    def backward(self, low: int, high: int, ds: Float32, resets: NDArray[np.bool_]) -> None:
        """Walk rows [low, high) backwards under ds [T, B, H]; `dstate` must hold the gradient of the last state."""
        sums = empty(high - low, self._panels["h"].shape[0] * NR)
        _backward(
            low, high, self.gates, self._panels["zr transposed"], self._panels["h transposed"], resets,
            self.previous, ds, self.dstate, sums,
        )  # fmt: skip

    def recurrent_products(self) -> tuple[tuple[Float32, Float32, slice, int], ...]:
        """dW[:, :2H] is made of s_{t-1}, dW[:, 2H:] of r ∘ s_{t-1}."""
        zr, h = slice(0, 2 * self.H), slice(2 * self.H, 3 * self.H)
        return (self.previous, self.gates, zr, 0), (self.seen, self.gates, h, 0)

    def bias_gradients(self) -> dict[str, Float32]:
        """b enters every gate."""
        return {"b": self.gates}


class _Recurrent(NamedTuple):
    """The recurrent weights of all layers, packed: zr [H, 2H] and h [H, H] of each; and b [L, 3H]."""

    zr: PackedWeights
    h: PackedWeights
    b: Float32


@helper
def _step(low: int, high: int, inputs: Ids, ends: Ends, weights: _Recurrent, state: Float32, room: Room) -> None:
    """Streams [low, high) read inputs[low:high]; state [L, n, H] goes on in place; an end token begins from zero."""
    L, n, H = state.shape
    x, sums, b = room.x, room.sums, weights.b
    rows = high - low
    look_up(low, high, inputs, ends, state, x)
    for layer in range(L):
        start = (layer * n + low) * H
        if layer > 0:
            packed_matmul(element_ptr(state, start - n * H), H, rows, ends.u, layer - 1, x, room.desk)
        packed_matmul(element_ptr(state, start), H, rows, weights.zr, layer, sums, room.desk)
        for i in range(rows):
            for j in range(H):
                r = sigmoid(x[i, H + j] + sums[i, H + j] + b[layer, H + j])
                x[i, H + j] = r * state[layer, low + i, j]
                x[i, j] = sigmoid(x[i, j] + sums[i, j] + b[layer, j])
        packed_matmul(element_ptr(x, H), x.shape[1], rows, weights.h, layer, sums, room.desk)
        for i in range(rows):
            for j in range(H):
                h = tanh(x[i, 2 * H + j] + sums[i, j] + b[layer, 2 * H + j])
                state[layer, low + i, j] = h + x[i, j] * (state[layer, low + i, j] - h)


@kernel
def _read(
    low: int, high: int, tokens: Ids, ends: Ends, weights: _Recurrent, state: Float32, seen: Float32, room: Room
) -> None:
    """Streams [low, high) read K tokens each, tokens [K, n]; seen [K, n, H] or [0, n, H]: see `note`."""
    for k in range(tokens.shape[0]):
        _step(low, high, tokens[k], ends, weights, state, room)
        if seen.shape[0] > 0:
            note(low, high, state, seen[k])


@kernel
def _write(
    low: int,
    high: int,
    ends: Ends,
    weights: _Recurrent,
    rules: SamplingParams,
    streams: DecodeState,
    state: Float32,
    written: Ids,
    room: Room,
) -> None:
    """Streams [low, high) write up to K tokens each into written [n, K]."""
    for k in range(written.shape[1]):
        if not any_running(low, high, streams):
            break
        _step(low, high, streams.last_token, ends, weights, state, room)
        extend_all(low, high, ends, rules, streams, state, written[:, k], room)


def gru_streams(
    embedding: Float32, layers: Sequence[Mapping[str, Float32]], out: Float32, out_bias: Float32, *, rounded: bool
) -> CellStreams[_Recurrent]:
    """A network of this cell a token at a time; see `CellStreams`."""
    H = out.shape[0]
    recurrent = _Recurrent(
        zr=pack_weights([layer["W"] for layer in layers], 0, 2 * H, quantized=rounded),
        h=pack_weights([layer["W"] for layer in layers], 2 * H, H, quantized=rounded),
        b=np.stack([layer["b"] for layer in layers]),
    )
    return CellStreams(embedding, layers, out, out_bias, recurrent, _read, _write, rounded=rounded)
