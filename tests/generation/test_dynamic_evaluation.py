"""The gain of learning while reading: against the equations in float64, and a chat that learns from the same turns."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from grucli.engine.cpu import CpuScorer
from grucli.engine.thread_pool import ThreadPool
from grucli.generation import dynamic_evaluation
from grucli.generation.dynamic_evaluation import DynamicGain, measure_dynamic_gain
from grucli.generation.evaluation import evaluate_tokens
from grucli.generation.options import Passage
from grucli.generation.output_learner import DECAY, LEARNING_RATE, MAX_STEP_TOKENS
from grucli.generation.sampler import Sampler
from grucli.model.cells import CELLS
from grucli.model.config import ModelConfig
from grucli.model.parameters import Parameters, init_parameters
from grucli.model.weights import ModelCard, SavedModel
from grucli.text.token_file import TokenFile, TokenWriter
from grucli.text.tokenizers import EOS, EOT, Tokenizer, train
from tests.model.reference import Float64, layer_parameters, log_softmax

TALK = [
    ["the fox", "a lazy dog", "the quick brown fox jumps over the lazy dog " * 2, "", "the fox again"],
    ["over it", "o" * 70],
    ["the lazy dog " * 90],
    ["jumps", "the fox jumps", "over the dog", "no"],
]
CHARS = "".join(sorted(set("".join(text for turns in TALK for text in turns))))


def make_model(tokenizer: Tokenizer, *, tied: bool = False) -> SavedModel:
    config = ModelConfig("gru", tokenizer.vocab_size, 5, 7, 2, tied)
    views = {name: 3 * view for name, view in init_parameters(config, 0).views.items()}
    return SavedModel(config, tokenizer, views, ModelCard(conversations=True))


def write_tokens(
    directory: Path, tokenizer: Tokenizer, conversations: Sequence[Sequence[str]], *, running_text: bool = False
) -> TokenFile:
    path = directory / "a.tokens"
    with TokenWriter(path, tokenizer, running_text=running_text) as writer:
        for turns in conversations:
            writer.write_texts(turns, [EOS, *[EOT] * (len(turns) - 1)])
    return TokenFile(path)


def limit(monkeypatch: pytest.MonkeyPatch, turns: int, streams: int) -> None:
    """Let a stream have few turns, and bound the streams."""
    monkeypatch.setattr(dynamic_evaluation, "STREAM_TURNS", turns)
    monkeypatch.setattr(dynamic_evaluation, "MAX_STREAMS", streams)
    monkeypatch.setattr(dynamic_evaluation, "BUCKETS", ((1, 2), (3, turns)))


class NaiveNetwork:
    """The network and the learning of its output layer, in float64."""

    def __init__(self, model: SavedModel) -> None:
        self.exact = {name: array.astype(np.float64) for name, array in model.arrays.items()}
        self.config, self.halvings = model.sizes, 0
        self.embedding = self.exact["embedding"] if model.sizes.tied else np.eye(model.sizes.V)
        self.original = self.exact["out.P" if model.sizes.tied else "out.W"], self.exact["out.b"]

    def states(self, ids: Sequence[int]) -> Float64:
        """The outputs of the highest layer [n, H] after each of ids [n], from a zero state; EOS clears it."""
        x, resets = self.exact["embedding"][list(ids)][:, None], np.equal(ids, EOS)[:, None]
        for index in range(self.config.L):
            state = np.zeros((1, self.config.H))
            x = CELLS[self.config.cell].forward(layer_parameters(self.exact, index), x, state, resets)[0]
        return np.asarray(x[:, 0])

    def nats(self, output: tuple[Float64, Float64], states: Float64, targets: Sequence[int]) -> float:
        return -float(self._log_probs(output, states)[np.arange(len(targets)), targets].sum())

    def learn(
        self, output: tuple[Float64, Float64], states: Float64, targets: Sequence[int]
    ) -> tuple[Float64, Float64]:
        for start in range(0, len(targets), MAX_STEP_TOKENS):
            part = slice(start, start + MAX_STEP_TOKENS)
            output = self._step(output, states[part], targets[part])
        return output

    def _log_probs(self, output: tuple[Float64, Float64], states: Float64) -> Float64:
        return log_softmax(states @ output[0] @ self.embedding.T + output[1])

    def _step(
        self, output: tuple[Float64, Float64], states: Float64, targets: Sequence[int]
    ) -> tuple[Float64, Float64]:
        errors = np.exp(self._log_probs(output, states)) - np.eye(self.config.V)[list(targets)]
        gradients = states.T @ errors @ self.embedding, errors.sum(0)
        rate = LEARNING_RATE / (1 + (states**2).sum(1).mean())
        for _ in range(8):
            rates = rate / (self.embedding**2).sum(1).mean(), rate
            matrix, bias = (
                (1 - DECAY) * (learned - each * gradient) + DECAY * original
                for learned, each, gradient, original in zip(output, rates, gradients, self.original, strict=True)
            )
            if self.nats((matrix, bias), states, targets) <= self.nats(output, states, targets) + 0.1:
                return matrix, bias
            rate, self.halvings = rate / 2, self.halvings + 1
        return output


def naive_gains(network: NaiveNetwork, ring: Sequence[int], turns: int, streams: int) -> tuple[Float64, Float64]:
    """Bits of each turn without learning, and what they lose by learning, [streams, turns] each."""
    states, ends = network.states(ring[:-1]), [i for i, token in enumerate(ring) if token in (EOS, EOT)]
    bits, gains = np.zeros((2, streams, turns))
    for stream in range(streams):
        output = network.original
        for turn in range(turns):
            begin, end = ends[stream * turns + turn], ends[stream * turns + turn + 1]
            said = states[begin:end], ring[begin + 1 : end + 1]
            bits[stream, turn] = network.nats(network.original, *said) / math.log(2)
            gains[stream, turn] = bits[stream, turn] - network.nats(output, *said) / math.log(2)
            if turn % 2:
                first = ends[stream * turns + turn - 1]
                output = network.learn(output, states[first:end], ring[first + 1 : end + 1])
    return bits, gains


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(("turns", "streams"), [(4, 3), (5, 2), (12, 1)])
def test_the_gain_is_that_of_the_equations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tied: bool, turns: int, streams: int
) -> None:
    limit(monkeypatch, turns, streams)
    tokenizer = train("char", [CHARS])
    tokens, model = write_tokens(tmp_path, tokenizer, TALK), make_model(tokenizer, tied=tied)
    network, texts = NaiveNetwork(model), [text for part in TALK for text in part][: turns * streams]
    bits, gains = naive_gains(network, [*tokens.ids.tolist(), EOS], turns, streams)
    gain, characters = measure_dynamic_gain(model, tokens, quantized=False), len("".join(texts))
    assert network.halvings > 0
    assert (gain.dynamic_turns, gain.dynamic_streams) == (turns, streams)
    assert gain.dynamic_gain_bits == pytest.approx(gains.sum(1).mean(), rel=1e-4)
    assert [(each.first_turn, each.last_turn) for each in gain.dynamic_curve] == [(1, 2), (3, turns)]
    expected = [gains[:, :2].mean(), gains[:, 2:].mean()]
    assert [each.gain_bits for each in gain.dynamic_curve] == pytest.approx(expected, rel=1e-4)
    assert gain.static_bits_per_char == pytest.approx(bits.sum() / characters, rel=1e-5)
    assert gain.dynamic_bits_per_char == pytest.approx((bits - gains).sum() / characters, rel=1e-4)
    if streams == 1:
        assert gain.dynamic_gain_interval is None
    else:
        half_width = 1.959964 * gains.sum(1).std(ddof=1) / math.sqrt(streams)
        interval = gains.sum(1).mean() - half_width, gains.sum(1).mean() + half_width
        assert gain.dynamic_gain_interval == pytest.approx(interval, rel=1e-4)


def test_a_chat_that_reads_the_same_turns_learns_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [text for text in (*TALK[0], *TALK[3]) if text]  # four lines and their replies
    limit(monkeypatch, len(turns), 1)
    tokenizer = train("char", [CHARS])
    model = make_model(tokenizer)
    sampler = Sampler(model, 1)
    state, bits, passages = sampler.initial_state(), 0.0, list[Passage]()
    for index, text in enumerate(turns):
        passages.append(Passage(state, text, EOS if index == len(turns) - 1 else EOT))
        state = sampler.end_turn(sampler.read(state, text))
    for line, reply in zip(passages[::2], passages[1::2], strict=True):
        bits += sampler.gained_bits(line) + sampler.gained_bits(reply)
        sampler = sampler.learn([line, reply])
    gain = measure_dynamic_gain(model, write_tokens(tmp_path, tokenizer, [turns]))
    assert gain.dynamic_gain_bits == pytest.approx(bits, rel=1e-12)


def measure_and_evaluate(
    directory: Path, tokenizer: Tokenizer, comments: Sequence[str], *, running_text: bool = False
) -> tuple[DynamicGain, float]:
    """The gain, and the bits per character by the evaluation of the whole text."""
    tokens = write_tokens(directory, tokenizer, [[text] for text in comments], running_text=running_text)
    model = make_model(tokenizer)
    parameters = Parameters(model.sizes)
    parameters.load(model.arrays)
    result = evaluate_tokens(CpuScorer(parameters, ThreadPool(1)), tokens)
    return measure_dynamic_gain(model, tokens, quantized=False), result.bits_per_char


@pytest.mark.parametrize("kind", ["char", "word"])
def test_the_bits_of_a_whole_text_are_those_of_its_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    limit(monkeypatch, 2, 9)
    comments = ["the fox", "привет the 🦊", "the dog", "über the fox"]
    gain, bits_per_char = measure_and_evaluate(tmp_path, train(kind, ["the fox the dog"] * 9), comments)
    assert gain.dynamic_streams == 2
    assert gain.static_bits_per_char == pytest.approx(bits_per_char, rel=1e-5)


def test_the_state_is_carried_from_stream_to_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, 1, 9)
    text = "the fox jumps over " * 17
    gain, bits_per_char = measure_and_evaluate(tmp_path, train("char", [CHARS]), [text], running_text=True)
    assert gain.dynamic_streams == 6
    assert gain.static_bits_per_char == pytest.approx(bits_per_char, rel=1e-5)


def test_unknown_text_counts_where_it_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, 2, 1)
    tokenizer, known = train("char", [CHARS]), ["the fox", "the dog"]
    expected, _ = measure_and_evaluate(tmp_path, tokenizer, known)
    gain, _ = measure_and_evaluate(tmp_path, tokenizer, [*known, "ж" * 500, "ж"])
    assert gain.static_bits_per_char == expected.static_bits_per_char
    assert gain.dynamic_bits_per_char == expected.dynamic_bits_per_char
    unknown, _ = measure_and_evaluate(tmp_path, tokenizer, ["ж" * 10, "ж", *known])
    assert unknown.static_bits_per_char > 16
