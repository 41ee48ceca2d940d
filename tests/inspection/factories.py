"""Small models for tests of inspection."""

import numpy as np

from grucli.model.config import ModelConfig
from grucli.model.parameters import init_parameters
from grucli.model.weights import ModelCard, SavedModel
from grucli.text.tokenizers.char import train

TEXT = 'the "cat (sat) on" a mat.\n'


def make_model(
    cell: str = "gru", H: int = 6, L: int = 2, *, tied: bool = False, conversations: bool = True, text: str = TEXT
) -> SavedModel:
    """A network that has learnt nothing but the characters of a text."""
    tokenizer = train([text], 64)
    sizes = ModelConfig(cell, tokenizer.vocab_size, 5, H, L, tied)
    arrays = {name: np.array(array) for name, array in init_parameters(sizes, 3).views.items()}
    return SavedModel(sizes, tokenizer, arrays, ModelCard(conversations=conversations))
