"""Reading a text while keeping the state of every layer after every token."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grucli.engine.decoder import CpuDecoder
from grucli.errors import UsageError
from grucli.generation.probabilities import log_softmax
from grucli.generation.sampler import initial_token
from grucli.generation.slices import slices
from grucli.json_record import JsonRecord
from grucli.kernels.arrays import Float32
from grucli.model.cell import Arrays, Cell, Float64
from grucli.model.cells import CELLS
from grucli.model.parameters import layer_parameters, output_weights
from grucli.model.weights import SavedModel
from grucli.text.tokenizers import EOS, EOT, UNK

LIKELIEST = 5
"""Number of the likeliest tokens that are kept for each position."""


@dataclass(frozen=True, slots=True)
class Likely(JsonRecord):
    """A token that was likely, and its probability."""

    text: str
    probability: float


@dataclass(frozen=True)
class Trace:
    """A text that was read, T tokens, and every state on the way.

    ids int32 [T]: EOS stands between documents, EOT between turns. texts: what each token shows; ends, and all but the
    last byte of a character that is spelled in bytes, show nothing. turns int32 [T]: the turn of its document to which
    a token belongs, from 0. states: float32 [T + 1, S·H] of each layer; row t is the state from which token t is
    predicted, row t + 1 the state after it was read.
    """

    weights: SavedModel
    ids: NDArray[np.int32]
    texts: tuple[str, ...]
    turns: NDArray[np.int32]
    states: tuple[Float32, ...]

    @property
    def is_end(self) -> NDArray[np.bool_]:
        """Which tokens end a document or a turn, [T]."""
        return np.asarray((self.ids == EOS) | (self.ids == EOT))

    @property
    def is_unknown(self) -> NDArray[np.bool_]:
        """Which tokens stand for a symbol that the model does not know, [T]."""
        return np.asarray(self.ids == UNK)

    @property
    def cell(self) -> Cell:
        """The cell of the network."""
        return CELLS[self.weights.sizes.cell]

    def token_at(self, character: int) -> int:
        """Return the position of the token to which a character belongs; characters count from 1, and -1 is the last.

        Raises:
            UsageError: there is no such character.
        """
        ends = np.cumsum([len(text) for text in self.texts])
        wanted = character if character > 0 else int(ends[-1]) + 1 + character
        if character == 0 or not 0 < wanted <= ends[-1]:
            raise UsageError(f"character not found: {character}", f"use 1 to {ends[-1]}, or -1 for the last")
        return int(np.searchsorted(ends, wanted))

    def outputs(self, layer: int) -> Float32:
        """Return the units of a layer after each token, float32 [T, H], in (-1, 1)."""
        return self.states[layer][1:, : self.weights.sizes.H]

    def parameters(self, layer: int) -> Arrays:
        """Return the parameters of a layer in float64."""
        arrays = layer_parameters(self.weights.arrays, layer)
        return {name: array.astype(np.float64) for name, array in arrays.items()}

    def first_character(self, position: int) -> int:
        """Return the number of the first character of a token, from 1."""
        return sum(map(len, self.texts[:position])) + 1

    def inputs(self, layer: int, positions: NDArray[np.intp]) -> Float64:
        """Return what a layer reads with the tokens at `positions`, [n, input_size]."""
        if layer == 0:
            return self.weights.arrays["embedding"][self.ids[positions]].astype(np.float64)
        return self.outputs(layer - 1)[positions].astype(np.float64)

    def states_before(self, layer: int, positions: NDArray[np.intp]) -> Float64:
        """Return the state of a layer before the tokens at `positions` are read, [n, S·H]; EOS clears it."""
        return self.states[layer][positions].astype(np.float64) * self.continues(positions)[:, None]

    def continues(self, positions: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return where the token at a position is read with the state before it: EOS clears that first."""
        return np.asarray(self.ids[positions] != EOS)

    def gates(self, layer: int) -> Mapping[str, Float64]:
        """Return the gates of a layer when each token is read, [T, H] by the names of `Cell.gate_labels`."""
        parameters, parts = self.parameters(layer), []
        for part in slices(len(self.ids)):
            positions = np.arange(len(self.ids))[part]
            # All states are known, so the steps are independent: they are the rows of a batch of one step.
            x, before = self.inputs(layer, positions)[None], self.states_before(layer, positions)
            parts.append(self.cell.inspect_gates(parameters, x, before)[1])
        return {name: np.concatenate([part[name][0] for part in parts]) for name in self.cell.gate_labels}

    def predictions(self) -> "tuple[Float64, list[tuple[Likely, ...]]]":
        """Return the surprisal of each token in bits [T], and the likeliest tokens in its place, the likeliest first.

        Each UTF-8 byte of an unknown symbol adds 8 bits to those of the unknown token.
        """
        arrays, H = self.weights.arrays, self.weights.sizes.H
        out, bias = output_weights(arrays), arrays["out.b"]
        bits, likeliest = np.empty(len(self.ids)), list[tuple[Likely, ...]]()
        for part in slices(len(self.ids)):
            logits = (self.states[-1][:-1][part, :H] @ out + bias).astype(np.float64)
            log_probs = log_softmax(logits)
            bits[part] = -np.take_along_axis(log_probs, self.ids[part, None], 1)[:, 0] / math.log(2)
            likeliest += self._likeliest(log_probs)
        unknown = [8 * len(text.encode()) if id_ == UNK else 0 for id_, text in zip(self.ids, self.texts, strict=True)]
        return bits + unknown, likeliest

    def _likeliest(self, log_probs: Float64) -> Iterator[tuple[Likely, ...]]:
        count, decode = min(LIKELIEST, log_probs.shape[1]), self.weights.tokenizer.decode
        top = np.argpartition(-log_probs, count - 1, axis=1)[:, :count]
        for row, tokens in zip(log_probs, top, strict=True):
            ordered = tokens[np.argsort(-row[tokens], kind="stable")]
            yield tuple(Likely(decode([token]), float(math.exp(row[token]))) for token in ordered.tolist())


def read_trace(weights: SavedModel, documents: Sequence[Sequence[str]]) -> Trace:
    """Read documents, each a sequence of turns, in float32 as training does."""
    ids, texts, turns = _encode(weights, documents)
    sizes, cell = weights.sizes, CELLS[weights.sizes.cell]
    decoder = CpuDecoder(sizes, weights.arrays, quantized=False)
    state = np.zeros((sizes.L, 1, cell.width(sizes.H)), np.float32)
    states = np.empty((sizes.L, len(ids) + 1, cell.width(sizes.H)), np.float32)
    for position, token in enumerate([initial_token(weights), *ids.tolist()]):
        decoder.prefill(np.array([[token]], np.int32), state)
        states[:, position] = state[:, 0]
    return Trace(weights, ids, texts, turns, tuple(states))


def _encode(
    weights: SavedModel, documents: Sequence[Sequence[str]]
) -> tuple[NDArray[np.int32], tuple[str, ...], NDArray[np.int32]]:
    ids, texts, turns = list[int](), list[str](), list[int]()
    for document in documents:
        for turn, text in enumerate(document):
            if ids:
                ids.append(EOT if turn else EOS)
                texts.append("")
            ids += weights.tokenizer.encode(text).tolist()
            texts += weights.tokenizer.split(text)
            turns += [turn] * (len(ids) - len(turns))
    return np.array(ids, np.int32), tuple(texts), np.array(turns, np.int32)
