"""The GRU layer over a window of T steps, forward and backward; the equations are in `grucli.model.cells.gru`.

Batch rows do not depend on each other for the whole window, so each thread takes its rows [low, high) and walks all T
steps alone: one hand-off a layer and direction, no barrier a step. Everything that does not recur is left to products
over all T·B rows at once, outside: x U beforehand, dU, dW and dx afterwards. `Gru` holds the arrays that the two
directions share. Below it stands `GruStreams`: the same cell a token at a time, for text that is being written.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32, empty
from grucli.kernels.elementary import sigmoid, tanh
from grucli.kernels.jit import exactly, kernel
from grucli.kernels.sampling import END, RUNNING, Ids, Rules, Streams, extend
from grucli.kernels.tile import WIDTH, pack, pack_transposed, panels_for, product


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
        for i in range(rows):
            keep = np.float32(0.0) if resets[t, low + i] else np.float32(1.0)
            for j in range(H):
                # Not a product with `keep`: a reset must also clear a state that is no longer finite.
                previous[t, low + i, j] = state[low + i, j] if keep > np.float32(0) else np.float32(0)
        start = (t * B + low) * H
        product(previous, start, H, rows, zr_panels, sums, 0)
        for i in range(rows):
            for j in range(H):
                gates[t, low + i, j] = sigmoid(gates[t, low + i, j] + sums[i, j] + b[j])
            for j in range(H):
                r = sigmoid(gates[t, low + i, H + j] + sums[i, H + j] + b[H + j])
                gates[t, low + i, H + j] = r
                seen[t, low + i, j] = r * previous[t, low + i, j]
        product(seen, start, H, rows, h_panels, sums, 0)
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
        product(gates, row + 2 * H, 3 * H, rows, h_panels, sums, 0)
        for i in range(rows):
            for j in range(H):
                r = gates[t, low + i, H + j]
                dseen = sums[i, j]
                dstate[low + i, j] += dseen * r
                gates[t, low + i, H + j] = dseen * previous[t, low + i, j] * r * (one - r)
        product(gates, row, 3 * H, rows, zr_panels, sums, 0)
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
            "zr": empty(panels_for(2 * H), H, WIDTH),
            "h": empty(panels_for(H), H, WIDTH),
            "zr transposed": empty(panels_for(H), 2 * H, WIDTH),
            "h transposed": empty(panels_for(H), H, WIDTH),
        }

    def pack(self, W: Float32) -> None:
        """Lay the recurrent weights W [H, 3H] out for the forward walk."""
        pack(W, 0, 2 * self.H, self._panels["zr"])
        pack(W, 2 * self.H, self.H, self._panels["h"])

    def pack_transposed(self, W: Float32) -> None:
        """Lay the transposed weights out for the backward walk."""
        pack_transposed(W, 0, 2 * self.H, self._panels["zr transposed"])
        pack_transposed(W, 2 * self.H, self.H, self._panels["h transposed"])

    def forward(self, low: int, high: int, b: Float32, state: Float32, resets: NDArray[np.bool_]) -> None:
        """Walk rows [low, high) from `state` [B, H], which is carried on in place; b [3H], resets [T, B]."""
        sums = empty(high - low, self._panels["zr"].shape[0] * WIDTH)
        _forward(
            low, high, self.gates, b, self._panels["zr"], self._panels["h"], state, resets,
            self.previous, self.seen, self.s, sums,
        )  # fmt: skip

    def backward(self, low: int, high: int, ds: Float32, resets: NDArray[np.bool_]) -> None:
        """Walk rows [low, high) backwards under ds [T, B, H]; `dstate` must hold the gradient of the last state."""
        sums = empty(high - low, self._panels["h"].shape[0] * WIDTH)
        _backward(
            low, high, self.gates, self._panels["zr transposed"], self._panels["h transposed"], resets,
            self.previous, ds, self.dstate, sums,
        )  # fmt: skip

    def recurrent_products(self) -> tuple[tuple[Float32, slice], ...]:
        """The A, and the gate columns of da, whose products Aᵀ da make up dW [H, 3H]."""
        return (self.previous, slice(0, 2 * self.H)), (self.seen, slice(2 * self.H, 3 * self.H))


class _Weights(NamedTuple):
    """What reading a token needs, packed. table [V, 3H] is the embedding times U of the lowest layer; u [L - 1, P, H,
    WIDTH] are the other layers' U; zr, h [L, P, H, WIDTH] their recurrent weights; b [L, 3H]; out [P, H, WIDTH]."""

    table: Float32
    u: Float32
    zr: Float32
    h: Float32
    b: Float32
    out: Float32
    out_bias: Float32


class _Scratch(NamedTuple):
    """Room for as many streams as one call takes: x [n, padded 3H], sums [n, padded 2H], seen [n, H], logits and
    weights [n, padded V]."""

    x: Float32
    sums: Float32
    seen: Float32
    logits: Float32
    weights: Float32


@exactly
def _step(low: int, high: int, inputs: Ids, weights: _Weights, state: Float32, scratch: _Scratch) -> None:
    """Streams [low, high) read inputs[low:high]; state [L, n, H] goes on in place; an end token begins from zero."""
    L, n, H = state.shape
    x, sums, seen, b = scratch.x, scratch.sums, scratch.seen, weights.b
    rows = high - low
    for i in range(rows):
        token = inputs[low + i]
        for layer in range(L if token == END else 0):
            for j in range(H):
                state[layer, low + i, j] = np.float32(0)
        for j in range(3 * H):
            x[i, j] = weights.table[token, j]
    for layer in range(L):
        start = (layer * n + low) * H
        if layer > 0:
            product(state, start - n * H, H, rows, weights.u[layer - 1], x, 0)
        product(state, start, H, rows, weights.zr[layer], sums, 0)
        for i in range(rows):
            for j in range(H):
                r = sigmoid(x[i, H + j] + sums[i, H + j] + b[layer, H + j])
                seen[i, j] = r * state[layer, low + i, j]
                x[i, j] = sigmoid(x[i, j] + sums[i, j] + b[layer, j])
        product(seen, 0, H, rows, weights.h[layer], sums, 0)
        for i in range(rows):
            for j in range(H):
                h = tanh(x[i, 2 * H + j] + sums[i, j] + b[layer, 2 * H + j])
                state[layer, low + i, j] = h + x[i, j] * (state[layer, low + i, j] - h)


@kernel
def _read(tokens: Ids, weights: _Weights, state: Float32, scratch: _Scratch) -> None:
    """The first stream reads tokens [K]."""
    for k in range(tokens.shape[0]):
        _step(0, 1, tokens[k : k + 1], weights, state, scratch)


@kernel
def _write(
    low: int,
    high: int,
    weights: _Weights,
    rules: Rules,
    streams: Streams,
    state: Float32,
    written: Ids,
    scratch: _Scratch,
) -> None:
    """Streams [low, high) write up to K tokens each into written [n, K]."""
    L, n, H = state.shape
    for k in range(written.shape[1]):
        running = 0
        for i in range(low, high):
            running += 1 if streams.status[i] == RUNNING else 0
        if running == 0:
            break
        _step(low, high, streams.last, weights, state, scratch)
        product(state, ((L - 1) * n + low) * H, H, high - low, weights.out, scratch.logits, 0)
        for i in range(low, high):
            if streams.status[i] == RUNNING:
                token = extend(scratch.logits, scratch.weights, i - low, weights.out_bias, rules, streams, i)
                written[i, k] = token


def _packed(matrix: Float32, start: int, columns: int) -> Float32:
    panels = empty(panels_for(columns), matrix.shape[0], WIDTH)
    pack(np.ascontiguousarray(matrix), start, columns, panels)
    return panels


class GruStreams:
    """The cell a token at a time: many streams read and write with the same weights, states given and kept outside.

    `layers` are the parameters of each layer, `embedding` [V, E], `out` [H, V] and `out_bias` [V].
    """

    def __init__(
        self, embedding: Float32, layers: Sequence[Mapping[str, Float32]], out: Float32, out_bias: Float32
    ) -> None:
        self._H, self._V = out.shape
        H = self._H
        upper = [_packed(layer["U"], 0, 3 * H) for layer in layers[1:]]
        self._weights = _Weights(
            table=np.ascontiguousarray(embedding @ layers[0]["U"]),
            u=np.stack(upper) if upper else empty(0, panels_for(3 * H), H, WIDTH),
            zr=np.stack([_packed(layer["W"], 0, 2 * H) for layer in layers]),
            h=np.stack([_packed(layer["W"], 2 * H, H) for layer in layers]),
            b=np.stack([layer["b"] for layer in layers]),
            out=_packed(out, 0, self._V),
            out_bias=out_bias,
        )

    def _scratch(self, rows: int) -> _Scratch:
        def padded(columns: int) -> Float32:
            return empty(rows, panels_for(columns) * WIDTH)

        V, H = self._V, self._H
        return _Scratch(padded(3 * H), padded(2 * H), empty(rows, H), padded(V), padded(V))

    def read(self, tokens: Ids, state: Float32) -> None:
        """Read tokens [K], ids in 0 … V - 1, from state [L, 1, H], which goes on in place."""
        _read(tokens, self._weights, state, self._scratch(1))

    def write(self, low: int, high: int, rules: Rules, streams: Streams, state: Float32, written: Ids) -> None:
        """Streams [low, high) read their last token, draw, and so on, for at most K tokens or until each has stopped.

        state [L, n, H] and `streams` go on in place; written [n, K] receives the tokens, and keeps what it held where
        a stream had stopped.
        """
        _write(low, high, self._weights, rules, streams, state, written, self._scratch(high - low))
