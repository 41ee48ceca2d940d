"""Extension of a network by tokens: rows of the embedding and columns of the output for an extended tokenizer."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from grucli.kernels.arrays import Float32
from grucli.model.config import parameter_shapes
from grucli.model.weights import SavedModel
from grucli.text.tokenizers import Tokenizer

_NOISE = 0.1
"""Standard deviation of the noise of a new token, in units of that of the old ones."""


def extend_vocabulary(model: SavedModel, tokenizer: Tokenizer, counts: NDArray[np.int64]) -> SavedModel:
    """Return the model for `tokenizer`, whose first tokens are those of the model.

    A new token starts as the mean of the tokens that spelled it before (a character or word, as the unknown token),
    plus a little noise, so that no two are the same, and its bias predicts it as often as it occurs.

    Args:
        model: the model.
        tokenizer: its tokenizer, extended.
        counts: how often each token of `tokenizer` occurs in the text to train on, [V].
    """
    old_size, sizes = model.sizes.V, replace(model.sizes, V=tokenizer.vocab_size)
    if sizes == model.sizes:
        return model
    spellings = [model.tokenizer.encode(piece.decode()) for piece in tokenizer.pieces[old_size:]]
    arrays, rng = dict(model.arrays), np.random.default_rng(0)
    for name, shape in parameter_shapes(sizes).items():
        for axis, length in enumerate(shape):
            if length != arrays[name].shape[axis]:  # the axis of the vocabulary
                arrays[name] = _extend_array(arrays[name], axis, spellings, rng)
    arrays["out.b"][old_size:] = _new_biases(arrays["out.b"][:old_size], counts)
    return SavedModel(sizes, tokenizer, arrays, model.card)


def _extend_array(
    array: Float32, axis: int, spellings: Sequence[NDArray[np.int32]], rng: np.random.Generator
) -> Float32:
    new = np.concatenate([array.take(spelling, axis).mean(axis, keepdims=True) for spelling in spellings], axis)
    new += _NOISE * array.std() * rng.standard_normal(new.shape, np.float32)
    return np.concatenate([array, new], axis)


def _new_biases(old_biases: Float32, counts: NDArray[np.int64]) -> Float32:
    """Return biases as far from the mean of the old ones as the logarithms of the counts are, over the same text."""
    logs, shares = np.log(counts + 1.0), counts[: old_biases.size] / max(int(counts[: old_biases.size].sum()), 1)
    new: Float32 = (logs[old_biases.size :] + shares @ (old_biases - logs[: old_biases.size])).astype(np.float32)
    return new
