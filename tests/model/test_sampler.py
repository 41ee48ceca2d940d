"""Text out of a model: the same alone or in a batch, states that are values, limits, and what may not be drawn."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.errors import UsageError
from grucli.kernels import sampling
from grucli.model.cells import CELLS
from grucli.model.parameters import fresh_parameters
from grucli.model.sampler import Draw, Sampler, State
from grucli.model.shapes import Sizes
from grucli.model.weights import Card, Weights
from grucli.text.tokenizers import END, TURN, UNKNOWN, Tokenizer, learn
from tests.model.reference import loss_and_gradients

TEXT = "the quick brown fox jumps over the lazy dog, naïvely 🦊\n"


def model(kind: str = "char", seed: int = 0, stops: float = -30.0, cell: str = "gru", **card: bool) -> Weights:
    tokenizer = learn(kind, iter([TEXT * 20]), 300 if kind == "subword" else None)
    sizes = Sizes(cell, tokenizer.size, 8, 24, 2)
    parameters = fresh_parameters(sizes, seed)
    parameters.views["out.b"][[END, TURN]] = stops
    return Weights(sizes, tokenizer, parameters.views, Card(**card))  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=CELLS)
def sampler(request: pytest.FixtureRequest) -> Sampler:
    return Sampler(model(cell=request.param))


def text_of(sampler: Sampler, state: State, draw: Draw) -> str:
    return "".join(piece.text for piece in sampler.stream(state, draw))


@pytest.mark.parametrize(
    ("kind", "cell"), [("char", "gru"), ("word", "gru"), ("subword", "gru"), ("char", "gru-after")]
)
def test_a_sample_is_the_same_alone_and_in_a_batch(kind: str, cell: str) -> None:
    weights = model(kind, stops=-2.0, cell=cell)
    sampler = Sampler(weights, threads=2)
    state = sampler.read(sampler.begin(), "the ")
    draw = Draw(seed=7, max_chars=120, temp=1.1, top_p=0.95, repeat_penalty=1.1)
    batch = sorted(sampler.write(state, "the ", 40, draw), key=lambda sample: sample.seed)
    assert [sample.seed for sample in batch] == list(range(7, 47))
    assert len({sample.text for sample in batch}) > 30
    for sample in batch[::9]:
        stream = sampler.stream(state, dataclasses.replace(draw, seed=sample.seed), "the ")
        assert "".join(piece.text for piece in stream) == sample.text
        assert stream.sample == sample


def test_states_are_values(sampler: Sampler) -> None:
    state = sampler.read(sampler.begin(), "the quick ")
    kept = state.layers.copy()
    first = text_of(sampler, state, Draw(seed=1, max_chars=50))
    sampler.read(state, "something else")
    assert text_of(sampler, state, Draw(seed=1, max_chars=50)) == first
    np.testing.assert_array_equal(state.layers, kept)


@given(a=st.text("the quickbrown\n", max_size=30), b=st.text("the quick", max_size=30))
@settings(max_examples=30)
def test_reading_twice_is_reading_once(a: str, b: str) -> None:
    sampler = SHARED
    at_once = sampler.read(sampler.begin(), a + b)
    in_parts = sampler.read(sampler.read(sampler.begin(), a), b)
    assert at_once.last == in_parts.last
    np.testing.assert_array_equal(at_once.layers, in_parts.layers)


SHARED = Sampler(model())


def test_a_stream_can_be_left_and_gone_on_with(sampler: Sampler) -> None:
    stream = sampler.stream(sampler.begin(), Draw(seed=2, temp=0, max_chars=64))
    pieces = iter(stream)
    said = next(pieces).text
    assert stream.sample.stopped == "interrupted"
    rest = text_of(sampler, stream.state, Draw(temp=0, max_chars=64 - len(said)))
    assert said + rest == text_of(sampler, sampler.begin(), Draw(seed=2, temp=0, max_chars=64))


def test_the_state_after_a_text_is_the_state_after_reading_it(sampler: Sampler) -> None:
    stream = sampler.stream(sampler.begin(), Draw(seed=3, max_chars=40))
    said = "".join(piece.text for piece in stream)
    read = sampler.read(sampler.begin(), said)
    assert stream.state.last == read.last
    np.testing.assert_array_equal(stream.state.layers, read.layers)


@pytest.mark.parametrize("most", [1, 7, 16, 33, 500])
def test_a_sample_stops_at_the_length_asked_for(sampler: Sampler, most: int) -> None:
    stream = sampler.stream(sampler.begin(), Draw(max_chars=most))
    assert len("".join(piece.text for piece in stream)) == most
    assert stream.sample.stopped == "length"


@pytest.mark.parametrize("kind", ["word", "subword"])
def test_tokens_of_many_characters_do_not_pass_the_limit(kind: str) -> None:
    sampler = Sampler(model(kind))
    for seed in range(20):
        assert len(text_of(sampler, sampler.begin(), Draw(max_chars=13, seed=seed))) == 13


def test_it_may_not_stop_before_the_least_length() -> None:
    sampler = Sampler(model(stops=20.0))
    for least in (1, 5, 40):
        samples = list(sampler.write(sampler.begin(), "", 12, Draw(min_chars=least, max_chars=60)))
        assert {len(sample.text) for sample in samples} == {least}
        assert {sample.stopped for sample in samples} <= {"end", "turn"}


def test_an_unknown_symbol_is_read_and_never_written() -> None:
    weights = model()
    weights.arrays["out.b"][UNKNOWN] = 50.0
    sampler = Sampler(weights)
    state = sampler.read(sampler.begin(), "日本")
    assert state.last == UNKNOWN
    assert "\ufffd" not in text_of(sampler, state, Draw(max_chars=100))


@pytest.mark.parametrize("cell", CELLS)
def test_bits_per_character_are_those_of_the_reference(cell: str) -> None:
    weights = model(stops=-2.0, cell=cell)
    sampler = Sampler(weights)
    stream = sampler.stream(sampler.read(sampler.begin(), "the"), Draw(seed=4, temp=0.7, top_k=9, max_chars=30))
    text = "".join(piece.text for piece in stream)
    ids = weights.tokenizer.encode("the" + text)
    ids = np.append(ids, stream.state.last) if stream.sample.stopped != "length" else ids
    inputs, targets = np.concatenate([[END], ids[:-1]])[:, None], ids[:, None]
    exact = {name: array.astype(np.float64) for name, array in weights.arrays.items()}
    nats = []
    for t in range(3, len(ids)):
        upto, before = (
            loss_and_gradients(
                weights.sizes, exact, inputs[:n], targets[:n], np.zeros((n, 1), np.bool_), np.zeros((2, 1, 24))
            )[0]
            * n
            for n in (t + 1, t)
        )
        nats.append(upto - before)
    assert stream.sample.bits_per_char == pytest.approx(sum(nats) / math.log(2) / len(text), rel=1e-4)


def test_turns_follow_each_other() -> None:
    sampler = Sampler(model(stops=3.0, conversations=True))
    assert sampler.conversations
    asked = sampler.end_turn(sampler.read(sampler.begin(), "the fox"))
    assert asked.last == TURN
    stream = sampler.stream(asked, Draw(min_chars=3))
    list(stream)
    assert stream.state.last in (END, TURN)
    answered = sampler.end_turn(stream.state)
    assert answered.last == TURN
    np.testing.assert_array_equal(answered.layers, stream.state.layers)


def test_an_end_that_is_read_begins_from_nothing(sampler: Sampler) -> None:
    state = sampler.read(sampler.begin(), "the quick")
    again = sampler.read(State(state.layers, END), "fox")
    np.testing.assert_array_equal(again.layers, sampler.read(sampler.begin(), "fox").layers)


def test_a_running_text_begins_after_a_line() -> None:
    sampler = Sampler(model(running_text=True))
    assert sampler.tokenizer.decode([sampler.begin().last]) == "\n"


def test_the_empty_prompt_changes_nothing(sampler: Sampler) -> None:
    assert sampler.read(sampler.begin(), "").last == END


@pytest.mark.parametrize(
    "wrong",
    [
        {"temp": -1},
        {"temp": math.nan},
        {"top_k": -1},
        {"top_p": 0},
        {"top_p": 1.5},
        {"min_p": -0.1},
        {"repeat_penalty": 0},
        {"max_chars": 0},
        {"min_chars": 501},
        {"seed": -1},
    ],
)
def test_values_out_of_range_name_their_flag(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} is"):
        Draw(**wrong)  # type: ignore[arg-type]


def test_tokenizers_have_the_special_tokens_of_the_kernels() -> None:
    assert (sampling.UNKNOWN, sampling.END, sampling.TURN) == (UNKNOWN, END, TURN)
    assert issubclass(type(model().tokenizer), Tokenizer)
