"""The GRU layer that resets after the product; the equations are in `grucli.model.cells.gru_after`.

Laid out like `grucli.kernels.gru`, which says why. Here a step is one product, s_{t-1} W, and a step back is one too.
What leaves W_h is weighed by r before it meets x U_h, so the gradient of s_{t-1} W is that of the gates in its columns
of z and r, and dq = r ∘ da_h in those of h: `q` [T, B, H] holds the one number more, and only a step's rows of scratch
ever hold the three side by side.
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
    c: Float32,
    panels: Float32,
    state: Float32,
    resets: NDArray[np.bool_],
    previous: Float32,
    q: Float32,
    s: Float32,
    sums: Float32,
) -> None:
    """Rows [low, high) of the whole window.

    gates [T, B, 3H] holds x U and receives z, r, h. state [B, H] is the carried state and receives the last one.
    previous, q, s [T, B, H] receive s_{t-1}, q_t and s_t. sums [rows, padded 3H] is scratch.
    """
    T, B, H = s.shape
    rows = high - low
    for t in range(T):
        carry(t, low, high, state, resets, previous)
        gemm_panels(previous, (t * B + low) * H, H, rows, panels, sums, 0)
        for i in range(rows):
            for j in range(2 * H):
                gates[t, low + i, j] = sigmoid(gates[t, low + i, j] + sums[i, j] + b[j])
            for j in range(H):
                q[t, low + i, j] = sums[i, 2 * H + j] + c[j]
            for j in range(H):
                a = gates[t, low + i, 2 * H + j] + b[2 * H + j]
                gates[t, low + i, 2 * H + j] = tanh(a + gates[t, low + i, H + j] * q[t, low + i, j])
            for j in range(H):
                h = gates[t, low + i, 2 * H + j]
                new = h + gates[t, low + i, j] * (previous[t, low + i, j] - h)
                s[t, low + i, j] = new
                state[low + i, j] = new


@kernel
def _backward(
    low: int,
    high: int,
    gates: Float32,
    panels: Float32,
    resets: NDArray[np.bool_],
    previous: Float32,
    q: Float32,
    ds: Float32,
    dstate: Float32,
    dproduct: Float32,
    sums: Float32,
) -> None:
    """Rows [low, high) of the whole window, backwards.

    gates [T, B, 3H] holds z, r, h and receives da, the gradient of what entered each gate; q [T, B, H] receives dq.
    ds [T, B, H] comes from above. dstate [B, H] begins as the gradient of the state after the window and becomes that
    of the state before it. panels holds the transposed weights; dproduct [rows, 3H] and sums [rows, padded H] are
    scratch.
    """
    T, _, H = ds.shape
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
            for j in range(H):
                r = gates[t, low + i, H + j]
                dq = gates[t, low + i, 2 * H + j] * r
                gates[t, low + i, H + j] = dq * q[t, low + i, j] * (one - r)
                q[t, low + i, j] = dq
            for j in range(2 * H):
                dproduct[i, j] = gates[t, low + i, j]
            for j in range(H):
                dproduct[i, 2 * H + j] = q[t, low + i, j]
        gemm_panels(dproduct, 0, 3 * H, rows, panels, sums, 0)
        for i in range(rows):
            fresh = resets[t, low + i]
            for j in range(H):
                dstate[low + i, j] = np.float32(0) if fresh else dstate[low + i, j] + sums[i, j]


class GruAfter:
    """One layer's arrays for windows of T steps and B rows, and the two walks over them.

    `gates` [T, B, 3H] is given x U and, after `backward`, holds da; `s` [T, B, H] are the states.
    """

    def __init__(self, T: int, B: int, H: int) -> None:
        self.H = H
        self.gates = empty(T, B, 3 * H)
        self.previous, self.q, self.s = empty(T, B, H), empty(T, B, H), empty(T, B, H)
        self.dstate = empty(B, H)
        self._panels = empty(num_panels(3 * H), H, NR)
        self._transposed = empty(num_panels(H), 3 * H, NR)

    def pack(self, W: Float32) -> None:
        """Lay the recurrent weights W [H, 3H] out for the forward walk."""
        pack(W, 0, 3 * self.H, self._panels)

    def pack_transposed(self, W: Float32) -> None:
        """Lay the transposed weights out for the backward walk."""
        pack_transposed(W, 0, 3 * self.H, self._transposed)

    def forward(
        self, low: int, high: int, weights: Mapping[str, Float32], state: Float32, resets: NDArray[np.bool_]
    ) -> None:
        """Walk rows [low, high) from `state` [B, H], which is carried on in place; b [3H], c [H], resets [T, B]."""
        sums = empty(high - low, self._panels.shape[0] * NR)
        _forward(
            low, high, self.gates, weights["b"], weights["c"], self._panels, state, resets,
            self.previous, self.q, self.s, sums,
        )  # fmt: skip

    def backward(self, low: int, high: int, ds: Float32, resets: NDArray[np.bool_]) -> None:
        """Walk rows [low, high) backwards under ds [T, B, H]; `dstate` must hold the gradient of the last state."""
        dproduct, sums = empty(high - low, 3 * self.H), empty(high - low, self._transposed.shape[0] * NR)
        _backward(
            low, high, self.gates, self._transposed, resets, self.previous, self.q, ds, self.dstate, dproduct, sums
        )

    def recurrent_products(self) -> tuple[tuple[Float32, Float32, slice, int], ...]:
        """All of dW is made of s_{t-1}; only dW[:, 2H:] by a gradient that is not one of the gates."""
        zr, h = slice(0, 2 * self.H), slice(0, self.H)
        return (self.previous, self.gates, zr, 0), (self.previous, self.q, h, 2 * self.H)

    def bias_gradients(self) -> dict[str, Float32]:
        """b enters every gate, c enters q."""
        return {"b": self.gates, "c": self.q}


class _Recurrent(NamedTuple):
    """Of all layers: the recurrent weights w [H, 3H], packed; b [L, 3H] and c [L, H]."""

    w: PackedWeights
    b: Float32
    c: Float32


@helper
def _step(low: int, high: int, inputs: Ids, ends: Ends, weights: _Recurrent, state: Float32, room: Room) -> None:
    """Streams [low, high) read inputs[low:high]; state [L, n, H] goes on in place; an end token begins from zero."""
    L, n, H = state.shape
    x, sums, b, c = room.x, room.sums, weights.b, weights.c
    rows = high - low
    look_up(low, high, inputs, ends, state, x)
    for layer in range(L):
        start = (layer * n + low) * H
        if layer > 0:
            packed_matmul(element_ptr(state, start - n * H), H, rows, ends.u, layer - 1, x, room.desk)
        packed_matmul(element_ptr(state, start), H, rows, weights.w, layer, sums, room.desk)
        for i in range(rows):
            for j in range(2 * H):
                x[i, j] = sigmoid(x[i, j] + sums[i, j] + b[layer, j])
            for j in range(H):
                q = sums[i, 2 * H + j] + c[layer, j]
                sums[i, j] = tanh(x[i, 2 * H + j] + b[layer, 2 * H + j] + x[i, H + j] * q)
            for j in range(H):
                h = sums[i, j]
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


def gru_after_streams(
    embedding: Float32, layers: Sequence[Mapping[str, Float32]], out: Float32, out_bias: Float32, *, rounded: bool
) -> CellStreams[_Recurrent]:
    """A network of this cell a token at a time; see `CellStreams`."""
    recurrent = _Recurrent(
        w=pack_weights([layer["W"] for layer in layers], 0, layers[0]["W"].shape[1], quantized=rounded),
        b=np.stack([layer["b"] for layer in layers]),
        c=np.stack([layer["c"] for layer in layers]),
    )
    return CellStreams(embedding, layers, out, out_bias, recurrent, _read, _write, rounded=rounded)
