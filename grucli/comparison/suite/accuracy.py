"""How many symbols a network predicts rightly, and how far it counts."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from grucli.comparison.suite.tasks import Example, counted
from grucli.engine.decoder import CpuDecoder
from grucli.model.cells import CELLS
from grucli.model.parameters import output_weights
from grucli.model.weights import SavedModel
from grucli.text.tokenizers import EOS

_BATCH = 128


def accuracy(weights: SavedModel, examples: Sequence[Example]) -> float:
    """Return the fraction of the symbols that count whose prediction, the likeliest symbol, is right."""
    # Those of similar length are read together, as the shorter ones are padded.
    ordered = sorted(examples, key=lambda example: len(example.text))
    hits = total = 0
    for is_right, counts in _read(weights, ordered):
        hits += int((is_right & counts).sum())
        total += int(counts.sum())
    return hits / total


def longest_count(weights: SavedModel, limit: int) -> int:
    """Return the largest n up to which every aⁿbⁿ is predicted without an error from its second b on, up to `limit`."""
    longest = 0
    for is_right, counts in _read(weights, map(counted, range(1, limit + 1))):
        wrong: NDArray[np.bool_] = np.any(counts & ~is_right, axis=0)
        if wrong.any():
            return longest + int(wrong.argmax())
        longest += len(wrong)
    return longest


def _read(weights: SavedModel, examples: Iterable[Example]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield, batch by batch, where the prediction is right and where it counts, each [longest + 1, batch]."""
    decoder = CpuDecoder(weights.sizes, weights.arrays, quantized=False)
    out, bias = output_weights(weights.arrays), weights.arrays["out.b"]
    sizes, pending = weights.sizes, iter(examples)
    while batch := list(islice(pending, _BATCH)):
        length = max(len(example.text) for example in batch) + 1
        tokens = np.full((length + 1, len(batch)), EOS, np.int32)
        counts = np.zeros((length, len(batch)), np.bool_)
        for column, example in enumerate(batch):
            tokens[1 : len(example.text) + 1, column] = weights.tokenizer.encode(example.text)
            counts[example.start : len(example.text) + 1, column] = True
        state = np.zeros((sizes.L, len(batch), CELLS[sizes.cell].width(sizes.H)), np.float32)
        hidden = np.empty((length, len(batch), sizes.H), np.float32)
        decoder.prefill(tokens[:-1], state, hidden)
        yield (hidden @ out + bias).argmax(axis=-1) == tokens[1:], counts
