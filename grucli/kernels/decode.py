"""Inference of a whole network, one token at a time, for any cell: prefill and sampling.

Sequences are computed side by side with the same weights; the caller owns their states. A step of a layer is that of
`grucli.kernels.layer`, with weights packed for few rows.
"""

from typing import NamedTuple

import numpy as np

from grucli.kernels.arrays import Float32
from grucli.kernels.cells import Cell
from grucli.kernels.jit import helper, inlined, kernel
from grucli.kernels.layer import ForwardProduct, step
from grucli.kernels.microkernel import element_ptr
from grucli.kernels.quantized import PackedWeights, QuantWorkspace, packed_matmul
from grucli.kernels.sampling import EOS, RUNNING, DecodeState, Ids, SamplingParams, sample_token


class Weights(NamedTuple):
    """Weights outside the recurrence.

    table [V, G·H]: embedding @ U of the first layer. u: U [H, G·H] of the other layers, packed. out: output weights
    [H, V], packed. out_bias [V].
    """

    table: Float32
    u: PackedWeights
    out: PackedWeights
    out_bias: Float32


class Layers(NamedTuple):
    """The recurrence of all L layers, with the workspace of one call for `rows` sequences.

    cell: biases [L, ·] and saved arrays [rows, H]. products: operands are saved arrays or old[0]. old, new: one array
    [rows, H] per component of the state. scratch [rows, columns of the widest product, padded to NR].
    """

    cell: Cell
    products: tuple[ForwardProduct, ...]
    old: tuple[Float32, ...]
    new: tuple[Float32, ...]
    scratch: Float32


class HeldUnits(NamedTuple):
    """D units whose outputs are held: layers, units int32 [D], both from 0, and their values float32 [D]."""

    layers: Ids
    units: Ids
    values: Float32


class Workspace(NamedTuple):
    """Workspace of one call for `rows` sequences: x [rows, G·H], logits and weights [rows, V], columns padded to NR."""

    x: Float32
    logits: Float32
    weights: Float32
    quant: QuantWorkspace


@helper
def _embed_tokens(low: int, high: int, inputs: Ids, table: Float32, state: Float32, x: Float32) -> None:
    """x[: high - low] = table[inputs[low:high]]; EOS clears the state of its sequence, state [L, n, S·H]."""
    L, _, width = state.shape
    for i in range(low, high):
        token = inputs[i]
        for layer in range(L if token == EOS else 0):
            for j in range(width):
                state[layer, i, j] = np.float32(0)
        for j in range(table.shape[1]):
            x[i - low, j] = table[token, j]


@inlined
def _step(
    low: int,
    high: int,
    inputs: Ids,
    weights: Weights,
    layers: Layers,
    held: HeldUnits,
    state: Float32,
    workspace: Workspace,
) -> None:
    """Advance the state [L, n, S·H] of sequences [low, high) by inputs[low:high], in place.

    Held units have their value after the step of their layer, before the next layer reads it.
    """
    L, n, width = state.shape
    x, old, new = workspace.x, layers.old, layers.new
    H, rows = old[0].shape[1], high - low
    _embed_tokens(low, high, inputs, weights.table, state, x)
    for layer in range(L):
        if layer > 0:
            lower = element_ptr(state, ((layer - 1) * n + low) * width)
            packed_matmul(lower, width, rows, weights.u, layer - 1, x, workspace.quant)
        for k in range(len(old)):
            component = old[k]
            for i in range(rows):
                for j in range(H):
                    component[i, j] = state[layer, low + i, k * H + j]
        step(layers.cell, layer, 0, rows, x, layers.products, old, new, layers.scratch, workspace.quant)
        for k in range(len(new)):
            component = new[k]
            for i in range(rows):
                for j in range(H):
                    state[layer, low + i, k * H + j] = component[i, j]
        for d in range(len(held.units)):
            if held.layers[d] == layer:
                for i in range(low, high):
                    state[layer, i, held.units[d]] = held.values[d]


@helper
def _any_running(low: int, high: int, decode_state: DecodeState) -> bool:
    running = 0
    for i in range(low, high):
        running += 1 if decode_state.finish_status[i] == RUNNING else 0
    return running > 0


@inlined
def _sample_all(
    low: int,
    high: int,
    weights: Weights,
    params: SamplingParams,
    decode_state: DecodeState,
    state: Float32,
    tokens: Ids,
    workspace: Workspace,
) -> None:
    """Sample a token of each running sequence in [low, high) from the last layer of state [L, n, S·H]; tokens [n].

    With relevance, sequences are pairs: the second, the unconditional branch, gets the token sampled for the first.
    """
    L, n, width = state.shape
    top = element_ptr(state, ((L - 1) * n + low) * width)
    # The matrix is number 0, but Numba would compile the product once more for the type of a literal 0.
    packed_matmul(top, width, high - low, weights.out, low - low, workspace.logits, workspace.quant)
    pair = 2 if params.relevance > 0.0 else 1
    for i in range(low, high, pair):
        if decode_state.finish_status[i] == RUNNING:
            tokens[i] = sample_token(
                workspace.logits, workspace.weights, i - low, weights.out_bias, params, decode_state, i
            )
            for uncond in range(i + 1, i + pair):
                decode_state.last_token[uncond], decode_state.finish_status[uncond] = (
                    decode_state.last_token[i],
                    decode_state.finish_status[i],
                )


@kernel
def prefill(
    low: int,
    high: int,
    tokens: Ids,
    weights: Weights,
    layers: Layers,
    held: HeldUnits,
    state: Float32,
    hidden: Float32,
    workspace: Workspace,
) -> None:
    """Advance sequences [low, high) by K given tokens each.

    tokens int32 [K, n]. state [L, n, S·H], updated in place. hidden [K, n, H] receives the output of the last layer
    after each token; [0, n, H] if not needed.
    """
    L = state.shape[0]
    for k in range(tokens.shape[0]):
        _step(low, high, tokens[k], weights, layers, held, state, workspace)
        for i in range(low if hidden.shape[0] > 0 else high, high):
            for j in range(hidden.shape[2]):
                hidden[k, i, j] = state[L - 1, i, j]


@kernel
def decode(
    low: int,
    high: int,
    weights: Weights,
    layers: Layers,
    held: HeldUnits,
    params: SamplingParams,
    decode_state: DecodeState,
    state: Float32,
    out_tokens: Ids,
    workspace: Workspace,
) -> None:
    """Sample up to K tokens of each sequence in [low, high) into out_tokens int32 [n, K]; state [L, n, S·H]."""
    for k in range(out_tokens.shape[1]):
        if not _any_running(low, high, decode_state):
            break
        _step(low, high, decode_state.last_token, weights, layers, held, state, workspace)
        _sample_all(low, high, weights, params, decode_state, state, out_tokens[:, k], workspace)
