"""What rounding weights to a byte does to held-out loss: `python -m benchmarks.quantization MODEL FILE [FILE…]`.

The matrices that writing rounds (recurrent weights, the upper layers' U, the logits' weights) are replaced by what
their bytes stand for, and both models score the same text.
"""

import dataclasses
import sys

import numpy as np

from grucli.generation.evaluation import evaluate
from grucli.kernels.arrays import Float32
from grucli.model.store import find_model
from grucli.model.weights import load_weights
from grucli.paths import cache_dir
from grucli.read.schema import ReadOptions
from grucli.text.dataset import prepare_dataset


def quantize_dequantize(matrix: Float32) -> Float32:
    """Each column to whole numbers of ±127 times a scale of its own, as `grucli.kernels.quantized` does."""
    scale = np.where(np.abs(matrix).max(0) > 0, np.abs(matrix).max(0) / 127, 1).astype(np.float32)
    return np.asarray(np.rint(matrix / scale) * scale, np.float32)


def main(model: str, files: list[str]) -> None:
    """Print both losses and their difference."""
    weights = load_weights(find_model(model))
    matrix_names = [name for name in weights.arrays if name.endswith((".W", ".U")) and name != "layers.0.U"]
    dequantized_arrays = dict(weights.arrays) | {
        name: quantize_dequantize(weights.arrays[name]) for name in matrix_names
    }
    corpus = prepare_dataset(
        files,
        read=ReadOptions(),
        tokenizer=weights.tokenizer,
        vocab=None,
        val_fraction=0.1,
        val_file=None,
        cache_dir=cache_dir(),
        on_progress=lambda *_: None,
    )
    assert corpus.val is not None
    float_loss = evaluate(weights, corpus.val).nats_per_char
    int8_loss = evaluate(dataclasses.replace(weights, arrays=dequantized_arrays), corpus.val).nats_per_char
    print(
        f"{float_loss:.5f} nats a character, {int8_loss:.5f} with weights of a byte: {int8_loss / float_loss - 1:+.3%}"
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
