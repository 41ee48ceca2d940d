"""Accuracy against what a network predicts one token after the other."""

import numpy as np
import pytest

from grucli.comparison.suite.accuracy import accuracy, longest_count
from grucli.comparison.suite.tasks import Example, counted
from grucli.generation.sampler import Sampler
from grucli.model.config import ModelConfig
from grucli.model.parameters import init_parameters
from grucli.model.weights import ModelCard, SavedModel
from grucli.text.tokenizers import EOS
from grucli.text.tokenizers.char import CharTokenizer

pytestmark = pytest.mark.slow


def untrained(cell: str, symbols: str = "ab1=") -> SavedModel:
    tokenizer = CharTokenizer(symbols)
    parameters = init_parameters(ModelConfig(cell, tokenizer.vocab_size, 3, 8, 2), 7)
    return SavedModel(parameters.sizes, tokenizer, parameters.views, ModelCard())


def always(weights: SavedModel, token: int) -> SavedModel:
    """Return a network that predicts one token only."""
    arrays = {name: np.zeros_like(array) for name, array in weights.arrays.items()}
    arrays["out.b"][token] = 1
    return SavedModel(weights.sizes, weights.tokenizer, arrays, weights.card)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_symbol_is_right_if_it_is_the_likeliest_one(cell: str) -> None:
    weights = untrained(cell)
    examples = [Example(text, start, text) for text, start in (("a1=b", 2), ("b", 0), ("a1b=ab1=a", 4))]
    sampler, hits, total = Sampler(weights, threads=1, quantized=False), 0, 0
    for example in examples:
        ids = [*weights.tokenizer.encode(example.text).tolist(), EOS]
        for position in range(example.start, len(ids)):
            state = sampler.read(sampler.initial_state(), example.text[:position])
            hits += int(np.argmax(sampler._logits(state, sampler._decoder)) == ids[position])
            total += 1
    assert accuracy(weights, examples) == pytest.approx(hits / total)


def test_the_end_counts() -> None:
    end = always(untrained("gru"), EOS)
    assert accuracy(end, [Example("ab", 1, ""), Example("a", 1, "")]) == pytest.approx(2 / 3)


def test_who_cannot_count_counts_to_one() -> None:
    """From the second b on, ab has its end only."""
    weights = untrained("lstm", "ab")
    assert longest_count(always(weights, EOS), 400) == 1
    b = int(weights.tokenizer.encode("b")[0])
    assert longest_count(always(weights, b), 400) == 0


def test_the_limit_is_the_longest_count(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = untrained("rnn", "ab")
    monkeypatch.setattr("grucli.comparison.suite.accuracy.counted", lambda n: Example(counted(n).text, 2 * n, ""))
    assert longest_count(always(weights, EOS), 300) == 300
