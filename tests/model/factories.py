"""Small models for tests that need some in the store."""

import os
from pathlib import Path

import numpy as np
import pytest

from grucli.model import packaged
from grucli.model.config import ModelConfig, parameter_shapes
from grucli.model.store import BEST, SUFFIX
from grucli.model.weights import ModelCard, SavedModel, save_weights
from grucli.paths import models_dir
from grucli.text.tokenizers import train


def make_weights(
    card: ModelCard | None = None, seed: int = 0, text: str = "hello there, hello there", kind: str = "char"
) -> SavedModel:
    """A network of two units that has learnt nothing but the tokens of a text."""
    tokenizer = train(kind, iter([text]))
    config = ModelConfig("gru", tokenizer.vocab_size, 2, 2, 1)
    rng = np.random.default_rng(seed)
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in parameter_shapes(config).items()}
    return SavedModel(config, tokenizer, arrays, card or ModelCard())


def add_packaged_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, card: ModelCard | None = None) -> Path:
    """Let the package have a model of two units; its weights file."""
    path = tmp_path / "package" / f"{packaged.NAME}{SUFFIX}"
    path.parent.mkdir()
    save_weights(path, make_weights(card), quantized=True)
    monkeypatch.setattr(packaged, "FILE", path)
    return path


def flip_last_byte(path: Path) -> None:
    """Change a parameter of a weights file by one bit, as a bad disk does."""
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def add_model(
    name: str, modified: float = 1e9, file: str = BEST, card: ModelCard | None = None, weights: SavedModel | None = None
) -> Path:
    """Put a model into the store; its folder."""
    path = models_dir() / name / file
    save_weights(path, make_weights(card) if weights is None else weights)
    os.utime(path, (modified, modified))
    return path.parent
