"""A whole network of any cell, laid out for reading and writing a token at a time."""

import threading
from collections.abc import Mapping, Sequence

import numpy as np

from grucli.engine.recurrent_layer import kernel_cell
from grucli.kernels import decode
from grucli.kernels.arrays import Float32, empty
from grucli.kernels.layer import ForwardProduct
from grucli.kernels.microkernel import NR, num_panels
from grucli.kernels.quantized import allocate_workspace, pack_weights
from grucli.kernels.sampling import DecodeState, Ids, SamplingParams
from grucli.model.cell import Cell

_MAX_CACHED_ROWS = 2  # a text alone, or with its shadow; of many rows at once the workspace may be large


class Decoder:
    """Many sequences read and write with the same weights, states given and kept outside.

    `layers` are the parameters of each layer, embedding [V, E], out [H, V] and out_bias [V]. `rounded` weights take a
    byte each.
    """

    def __init__(
        self,
        cell: Cell,
        embedding: Float32,
        layers: Sequence[Mapping[str, Float32]],
        out: Float32,
        out_bias: Float32,
        *,
        quantized: bool,
    ) -> None:
        H, V = out.shape
        G = layers[0]["U"].shape[1]
        self._cell, self._kernel, self._H = cell, kernel_cell(cell), H
        self._weights = decode.Weights(
            table=np.ascontiguousarray(embedding @ layers[0]["U"]),
            u=pack_weights([layer["U"] for layer in layers[1:]], 0, G, quantized=quantized),
            out=pack_weights([out], 0, V, quantized=quantized),
            out_bias=out_bias,
        )
        columns = [cell.columns(product.into, H) for product in cell.products]
        matrices = [layer["W"] for layer in layers]
        self._packed = [pack_weights(matrices, c.start, c.stop - c.start, quantized=quantized) for c in columns]
        self._biases = {name: np.stack([layer[name] for layer in layers]) for name in cell.biases}
        self._cache = threading.local()
        self._columns = {"x": G, "scratch": max(c.stop - c.start for c in columns), "logits": V, "weights": V}

    def _workspace(self, rows: int) -> tuple[decode.Layers, decode.Workspace]:
        """That of this thread's last call, if it fits: making one takes as long as a text's next few tokens."""
        cached: tuple[int, tuple[decode.Layers, decode.Workspace]] | None = getattr(self._cache, "workspace", None)
        if cached is not None and cached[0] == rows:
            return cached[1]
        workspace = self._make_workspace(rows)
        if rows <= _MAX_CACHED_ROWS:
            self._cache.workspace = rows, workspace
        return workspace

    def _make_workspace(self, rows: int) -> tuple[decode.Layers, decode.Workspace]:
        cell, H = self._cell, self._H
        old, new = (tuple(empty(rows, H) for _ in cell.state) for _ in range(2))
        saved = {name: empty(rows, H) for name in cell.saved}
        products = tuple(
            ForwardProduct(
                reads=old[0] if product.reads == "s" else saved[product.reads],
                weights=weights,
                prepared=stage > 0 or product.reads != "s",
            )
            for stage, (product, weights) in enumerate(zip(cell.products, self._packed, strict=True))
        )
        padded = {name: empty(rows, num_panels(columns) * NR) for name, columns in self._columns.items()}
        layers = decode.Layers(self._kernel(**self._biases, **saved), products, old, new, padded.pop("scratch"))
        return layers, decode.Workspace(**padded, quant=allocate_workspace(rows, H, max(self._columns.values())))

    def prefill(self, tokens: Ids, state: Float32, hidden: Float32 | None = None) -> None:
        """n sequences read tokens [K, n], ids in 0 … V - 1, from state [L, n, S·H], which goes on in place.

        hidden [K, n, H], if given, receives s of the highest layer after each token.
        """
        n = tokens.shape[1]
        hidden = np.empty((0, n, self._H), np.float32) if hidden is None else hidden
        layers, workspace = self._workspace(n)
        decode.prefill(0, n, tokens, self._weights, layers, state, hidden, workspace)

    def decode(
        self, low: int, high: int, params: SamplingParams, decode_state: DecodeState, state: Float32, out_tokens: Ids
    ) -> None:
        """Sequences [low, high) read their last token, draw, and so on, for at most K tokens or until each has stopped.

        state [L, n, S·H] and `streams` go on in place; written [n, K] receives the tokens, and keeps what it held where
        a sequence had stopped. With relevance, `low` and `high` are even: pairs stay together.
        """
        layers, workspace = self._workspace(high - low)
        decode.decode(low, high, self._weights, layers, params, decode_state, state, out_tokens, workspace)
