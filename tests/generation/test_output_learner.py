"""Learning while reading: gradients against finite differences, decay, and a sampler that has learned."""

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from grucli.engine.decoder import CpuDecoder
from grucli.generation.options import GenerationConfig, Passage
from grucli.generation.output_learner import DECAY, MAX_STEP_TOKENS, OutputLearner, OutputParameters
from grucli.generation.sampler import Sampler
from grucli.model.config import ModelConfig
from grucli.model.parameters import init_parameters
from grucli.model.weights import ModelCard, SavedModel
from grucli.text.tokenizers import EOT, train

TEXT = "the quick brown fox jumps over the lazy dog "


def make_model(tied: bool, seed: int = 0) -> SavedModel:
    tokenizer = train("char", iter([TEXT]))
    config = ModelConfig("gru", tokenizer.vocab_size, 8, 24, 2, tied)
    return SavedModel(config, tokenizer, init_parameters(config, seed).views, ModelCard(conversations=True))


def make_passage(model: SavedModel, n: int = 20) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    rng = np.random.default_rng(1)
    states = rng.uniform(-1, 1, (n, model.sizes.H)).astype(np.float32)
    return states, rng.integers(0, model.sizes.V, n).astype(np.int32)


def exact_nats(matrix: NDArray[np.float64], bias: NDArray[np.float64], model: SavedModel, n: int = 20) -> float:
    """The loss in float64, by its definition."""
    states, targets = make_passage(model, n)
    out = matrix @ model.arrays["embedding"].T.astype(np.float64) if model.sizes.tied else matrix
    logits = states.astype(np.float64) @ out + bias
    return float(sum(np.log(np.exp(row).sum()) - row[target] for row, target in zip(logits, targets, strict=True)))


@pytest.mark.parametrize("tied", [False, True])
def test_gradients_are_those_of_finite_differences(tied: bool) -> None:
    model = make_model(tied)
    learner = OutputLearner(model.arrays)
    own = learner.original
    matrix, bias = own.matrix.astype(np.float64), own.bias.astype(np.float64)
    nats, *gradients = learner.loss_and_gradients(own, *make_passage(model))
    assert learner.nats(own, *make_passage(model)) == pytest.approx(exact_nats(matrix, bias, model), rel=1e-5)
    assert nats == learner.nats(own, *make_passage(model))
    for gradient, parameter in zip(gradients, (matrix, bias), strict=True):
        for index in np.random.default_rng(2).integers(0, parameter.size, 12):
            losses = []
            for step in (1e-5, -1e-5):
                parameter.flat[index] += step
                losses.append(exact_nats(matrix, bias, model))
                parameter.flat[index] -= step
            assert gradient.flat[index] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("tied", [False, True])
def test_a_passage_that_comes_again_is_less_surprising(tied: bool) -> None:
    model = make_model(tied)
    learner = OutputLearner(model.arrays)
    before = {name: array.copy() for name, array in model.arrays.items()}
    states, targets = make_passage(model)
    learned, losses = learner.original, []
    for _ in range(5):
        losses.append(learner.nats(learned, states, targets))
        learned = learner.learn(learned, states, targets)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]
    assert all(np.array_equal(array, before[name]) for name, array in model.arrays.items())


def test_what_was_learned_decays() -> None:
    learner = OutputLearner(make_model(False).arrays)
    own = learner.original
    target = int(np.argmax(own.bias))
    certain = OutputParameters(own.matrix + 1, np.where(np.arange(len(own.bias)) == target, 50, own.bias).astype("f4"))
    states = np.zeros((1, len(own.matrix)), np.float32)  # nothing to learn: the target has probability 1
    learned = learner.learn(certain, states, np.array([target], np.int32))
    np.testing.assert_allclose(learned.matrix - own.matrix, 1 - DECAY, rtol=1e-5)


def test_a_long_passage_is_learned_in_steps() -> None:
    model = make_model(True)
    learner = OutputLearner(model.arrays)
    states, targets = make_passage(model, 2 * MAX_STEP_TOKENS + 3)
    by_parts = learner.original
    for start in range(0, len(targets), MAX_STEP_TOKENS):
        part = slice(start, start + MAX_STEP_TOKENS)
        by_parts = learner.learn(by_parts, states[part], targets[part])
    whole = learner.learn(learner.original, states, targets)
    np.testing.assert_array_equal(whole.matrix, by_parts.matrix)


@pytest.mark.parametrize("tied", [False, True])
def test_a_text_that_repeats_itself_does_no_harm(tied: bool) -> None:
    model = make_model(tied)
    learner = OutputLearner(model.arrays)
    states, targets = make_passage(model, MAX_STEP_TOKENS)
    learned = learner.original
    for token in (5, 6) * 20:
        same = np.full(MAX_STEP_TOKENS, token, np.int32)
        before = learner.nats(learned, states, same)
        learned = learner.learn(learned, states, same)
        assert learner.nats(learned, states, same) <= before + 0.1
    assert np.isfinite(learner.nats(learned, states, targets))


def test_an_empty_passage_teaches_nothing() -> None:
    model = make_model(False)
    learner = OutputLearner(model.arrays)
    states, targets = make_passage(model, 0)
    assert learner.learn(learner.original, states, targets) is learner.original


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_not_finite_is_not_learned() -> None:
    model = make_model(False)
    learner = OutputLearner({**model.arrays, "out.W": np.full_like(model.arrays["out.W"], 1e38)})
    states, targets = make_passage(model)
    assert learner.learn(learner.original, states, targets) is learner.original


@pytest.mark.parametrize("tied", [False, True])
def test_a_sampler_that_learned_is_one_with_the_learned_weights(tied: bool) -> None:
    model = make_model(tied)
    sampler = Sampler(model, 1)
    state = sampler.read(sampler.initial_state(), "the fox")
    passages = [Passage(sampler.initial_state(), "the fox", EOT), Passage(state, "the lazy dog"), Passage(state, "")]
    learned = sampler.learn(passages)
    saved = Sampler(learned.weights, 1)
    config = GenerationConfig(seed=3, max_chars=40)
    texts = [[s.text for s in each.generate(state, "", 3, config)] for each in (sampler, learned, saved)]
    assert texts[1] == texts[2] != texts[0]
    bits = [sum(piece.bits for piece in each.surprisals(state, "the lazy dog")) for each in (sampler, learned, saved)]
    assert bits[1] == bits[2] < bits[0]
    assert learned.gained_bits(passages[1]) == pytest.approx(bits[0] - bits[1], rel=0.1)
    assert sampler.gained_bits(passages[1]) == 0
    assert learned.sha256 == sampler.sha256 != saved.sha256
    assert sampler.weights is model


@pytest.mark.parametrize("quantized", [False, True])
def test_a_decoder_with_another_output_is_one_made_with_it(quantized: bool) -> None:
    model, other = make_model(False), make_model(False, seed=1)
    mixed = {**model.arrays, "out.W": other.arrays["out.W"], "out.b": other.arrays["out.b"] + 1}
    sampler = Sampler(dataclasses.replace(model, arrays=mixed), 1, quantized=quantized)
    engine = CpuDecoder(model.sizes, model.arrays, quantized=quantized).with_output(mixed["out.W"], mixed["out.b"])
    twin = Sampler(dataclasses.replace(model, arrays=mixed), 1, quantized=quantized, engine=engine)
    texts = [
        [sample.text for sample in each.generate(each.initial_state(), "", 2, GenerationConfig(max_chars=60))]
        for each in (sampler, twin, Sampler(model, 1, quantized=quantized))
    ]
    assert texts[0] == texts[1] != texts[2]
