"""Text out of a model: the same alone or in a batch, states that are values, limits, and what may not be drawn."""

import dataclasses
import math
import re
import tracemalloc
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from grucli.engine.decoder import CpuDecoder
from grucli.errors import UsageError
from grucli.generation import decoding
from grucli.generation.options import GenerationConfig, Sample, State
from grucli.generation.sampler import Sampler
from grucli.kernels import sampling
from grucli.model.cells import CELLS
from grucli.model.config import ModelConfig
from grucli.model.parameters import init_parameters, layer_parameters
from grucli.model.weights import ModelCard, SavedModel
from grucli.text.tokenizers import EOS, EOT, UNK, Tokenizer, train
from tests.model.reference import loss_and_gradients

TEXT = "the quick brown fox jumps over the lazy dog, naïvely 🦊\n"


def make_model(
    kind: str = "char", seed: int = 0, end_logit: float = -30.0, cell: str = "gru", **card: bool
) -> SavedModel:
    tokenizer = train(kind, iter([TEXT * 20]), 300 if kind == "subword" else None)
    config = ModelConfig(cell, tokenizer.vocab_size, 8, 24, 2)
    parameters = init_parameters(config, seed)
    parameters.views["out.b"][[EOS, EOT]] = end_logit
    return SavedModel(config, tokenizer, parameters.views, ModelCard(**card))  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=CELLS)
def sampler(request: pytest.FixtureRequest) -> Sampler:
    return Sampler(make_model(cell=request.param))


def generate_text(sampler: Sampler, state: State, config: GenerationConfig) -> str:
    return "".join(text_chunk.text for text_chunk in sampler.stream(state, config))


@pytest.mark.parametrize(
    ("kind", "cell"), [("char", "gru"), ("word", "gru"), ("subword", "gru"), ("char", "gru-after")]
)
def test_a_sample_is_the_same_alone_and_in_a_batch(kind: str, cell: str) -> None:
    weights = make_model(kind, end_logit=-2.0, cell=cell)
    sampler = Sampler(weights, threads=2)
    state = sampler.read(sampler.initial_state(), "the ")
    config = GenerationConfig(seed=7, max_chars=120, temp=1.1, top_p=0.95, repeat_penalty=1.1)
    batch = sorted(sampler.generate(state, "the ", 40, config), key=lambda sample: sample.seed)
    assert [sample.seed for sample in batch] == list(range(7, 47))
    assert len({sample.text for sample in batch}) > 30
    for sample in batch[::9]:
        stream = sampler.stream(state, dataclasses.replace(config, seed=sample.seed), "the ")
        assert "".join(text_chunk.text for text_chunk in stream) == sample.text
        assert stream.sample == sample


def test_states_are_values(sampler: Sampler) -> None:
    state = sampler.read(sampler.initial_state(), "the quick ")
    kept = state.hidden.copy()
    first = generate_text(sampler, state, GenerationConfig(seed=1, max_chars=50))
    sampler.read(state, "something else")
    assert generate_text(sampler, state, GenerationConfig(seed=1, max_chars=50)) == first
    np.testing.assert_array_equal(state.hidden, kept)


@given(a=st.text("the quickbrown\n", max_size=30), b=st.text("the quick", max_size=30))
@settings(max_examples=30)
def test_reading_twice_is_reading_once(a: str, b: str) -> None:
    sampler = SHARED_SAMPLER
    at_once = sampler.read(sampler.initial_state(), a + b)
    in_parts = sampler.read(sampler.read(sampler.initial_state(), a), b)
    assert at_once.last_token == in_parts.last_token
    np.testing.assert_array_equal(at_once.hidden, in_parts.hidden)


SHARED_SAMPLER = Sampler(make_model())


def test_a_stream_can_be_left_and_gone_on_with(sampler: Sampler) -> None:
    stream = sampler.stream(sampler.initial_state(), GenerationConfig(seed=2, temp=0, max_chars=64))
    text_chunks = iter(stream)
    said = next(text_chunks).text
    assert stream.sample.stopped == "interrupted"
    rest = generate_text(sampler, stream.state, GenerationConfig(temp=0, max_chars=64 - len(said)))
    assert said + rest == generate_text(
        sampler, sampler.initial_state(), GenerationConfig(seed=2, temp=0, max_chars=64)
    )


def test_the_state_after_a_text_is_the_state_after_reading_it(sampler: Sampler) -> None:
    stream = sampler.stream(sampler.initial_state(), GenerationConfig(seed=3, max_chars=40))
    said = "".join(text_chunk.text for text_chunk in stream)
    read = sampler.read(sampler.initial_state(), said)
    assert stream.state.last_token == read.last_token
    np.testing.assert_array_equal(stream.state.hidden, read.hidden)


@pytest.mark.parametrize("most", [1, 7, 16, 33, 500])
def test_a_sample_stops_at_the_length_asked_for(sampler: Sampler, most: int) -> None:
    stream = sampler.stream(sampler.initial_state(), GenerationConfig(max_chars=most))
    assert len("".join(text_chunk.text for text_chunk in stream)) == most
    assert stream.sample.stopped == "length"


@pytest.mark.parametrize("kind", ["word", "subword"])
def test_tokens_of_many_characters_do_not_pass_the_limit(kind: str) -> None:
    sampler = Sampler(make_model(kind))
    for seed in range(20):
        assert len(generate_text(sampler, sampler.initial_state(), GenerationConfig(max_chars=13, seed=seed))) == 13


def test_it_may_not_stop_before_the_least_length() -> None:
    sampler = Sampler(make_model(end_logit=20.0))
    for least in (1, 5, 40):
        samples = list(
            sampler.generate(sampler.initial_state(), "", 12, GenerationConfig(min_chars=least, max_chars=60))
        )
        assert {len(sample.text) for sample in samples} == {least}
        assert {sample.stopped for sample in samples} <= {"end", "turn"}


def test_an_unknown_symbol_is_read_and_never_written() -> None:
    weights = make_model()
    weights.arrays["out.b"][UNK] = 50.0
    sampler = Sampler(weights)
    state = sampler.read(sampler.initial_state(), "日本")
    assert state.last_token == UNK
    assert "\ufffd" not in generate_text(sampler, state, GenerationConfig(max_chars=100))


@pytest.mark.parametrize("cell", CELLS)
def test_bits_per_character_are_those_of_the_reference(cell: str) -> None:
    weights = make_model(end_logit=-2.0, cell=cell)
    # No gate of a plain network dampens the error of int8 weights.
    sampler = Sampler(weights, quantized=cell != "rnn")
    stream = sampler.stream(
        sampler.read(sampler.initial_state(), "the"), GenerationConfig(seed=4, temp=0.7, top_k=9, max_chars=30)
    )
    text = "".join(text_chunk.text for text_chunk in stream)
    ids = weights.tokenizer.encode("the" + text)
    ids = np.append(ids, stream.state.last_token) if stream.sample.stopped != "length" else ids
    inputs, targets = np.concatenate([[EOS], ids[:-1]])[:, None], ids[:, None]
    exact = {name: array.astype(np.float64) for name, array in weights.arrays.items()}
    nats = []
    for t in range(3, len(ids)):
        upto, before = (
            loss_and_gradients(
                weights.sizes,
                exact,
                inputs[:n],
                targets[:n],
                np.zeros((n, 1), np.bool_),
                np.zeros((2, 1, CELLS[cell].width(24))),
            )[0]
            * n
            for n in (t + 1, t)
        )
        nats.append(upto - before)
    assert stream.sample.bits_per_char == pytest.approx(sum(nats) / math.log(2) / len(text), rel=1e-4)


def test_turns_follow_each_other() -> None:
    sampler = Sampler(make_model(end_logit=3.0, conversations=True))
    assert sampler.conversations
    asked = sampler.end_turn(sampler.read(sampler.initial_state(), "the fox"))
    assert asked.last_token == EOT
    stream = sampler.stream(asked, GenerationConfig(min_chars=3))
    list(stream)
    assert stream.state.last_token in (EOS, EOT)
    answered = sampler.end_turn(stream.state)
    assert answered.last_token == EOT
    np.testing.assert_array_equal(answered.hidden, stream.state.hidden)


def test_an_end_that_is_read_begins_from_nothing(sampler: Sampler) -> None:
    state = sampler.read(sampler.initial_state(), "the quick")
    again = sampler.read(State(state.hidden, EOS), "fox")
    np.testing.assert_array_equal(again.hidden, sampler.read(sampler.initial_state(), "fox").hidden)


def test_a_running_text_begins_after_a_line() -> None:
    sampler = Sampler(make_model(running_text=True))
    assert sampler.tokenizer.decode([sampler.initial_state().last_token]) == "\n"


def test_the_empty_prompt_changes_nothing(sampler: Sampler) -> None:
    assert sampler.read(sampler.initial_state(), "").last_token == EOS


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
        {"mirostat": -1},
        {"mirostat": math.nan},
        {"relevance": 1.0},
        {"beam": 257},
    ],
)
def test_values_out_of_range_name_their_flag(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} is"):
        GenerationConfig(**wrong)  # type: ignore[arg-type]


def test_tokenizers_have_the_special_tokens_of_the_kernels() -> None:
    assert (sampling.UNK, sampling.EOS, sampling.EOT) == (UNK, EOS, EOT)
    assert issubclass(type(make_model().tokenizer), Tokenizer)


WORDS = ("the", "fo*", "lazy dog", "o", "naïvely")
configs = st.builds(
    GenerationConfig,
    temp=st.sampled_from([0.0, 0.7, 1.3]),
    top_p=st.sampled_from([1.0, 0.8]),
    repeat_penalty=st.sampled_from([1.0, 1.2]),
    max_chars=st.integers(1, 90),
    min_chars=st.just(0) | st.just(1),
    seed=st.integers(0, 99),
    mirostat=st.sampled_from([0.0, 3.0]),
    relevance=st.sampled_from([0.0, 0.4]),
    stop=st.lists(st.sampled_from(["o", "ro", "x j", "\n", " dog", "🦊"]), max_size=2).map(tuple),
    block=st.lists(st.sampled_from(WORDS), max_size=3).map(tuple),
)
SHARED_SAMPLERS = {
    kind: Sampler(make_model(kind, seed=1, end_logit=-1.0, conversations=True), threads=2)
    for kind in ("char", "word", "subword")
}


@pytest.mark.slow
@given(kind=st.sampled_from(sorted(SHARED_SAMPLERS)), draw=configs, n=st.integers(1, 9))
@settings(max_examples=60)
def test_whatever_the_rules_a_seed_gives_its_text(kind: str, draw: GenerationConfig, n: int) -> None:
    sampler = SHARED_SAMPLERS[kind]
    state = sampler.end_turn(sampler.read(sampler.initial_state(), "the quick"))
    batch = list(sampler.generate(state, "", n, draw))
    assert sorted(sample.seed for sample in batch) == list(range(draw.seed, draw.seed + n))
    chosen = batch[draw.seed % n]
    stream = sampler.stream(state, dataclasses.replace(draw, seed=chosen.seed))
    shown = ""
    for text_chunk in stream:
        shown += text_chunk.text
        assert stream.sample.text == shown
    assert stream.sample == chosen
    assert shown == chosen.text


@given(kind=st.sampled_from(sorted(SHARED_SAMPLERS)), draw=configs)
@settings(max_examples=60)
def test_nothing_blocked_is_said_and_no_stop_is_shown(kind: str, draw: GenerationConfig) -> None:
    sampler = SHARED_SAMPLERS[kind]
    stream = sampler.stream(sampler.initial_state(), dataclasses.replace(draw, max_chars=120))
    shown = ""
    for text_chunk in stream:
        shown += text_chunk.text
        for word in draw.block:  # also where the stream is left here
            end = "" if word.endswith("*") else r"(?!\w)"
            assert not re.search(rf"(?<!\w){re.escape(word.removesuffix('*'))}{end}", shown, re.IGNORECASE), shown
        assert not any(stop in shown for stop in draw.stop)
    if stream.sample.stopped == "stop":
        assert draw.stop


def test_a_stop_ends_the_text_and_the_state_is_that_of_the_text() -> None:
    sampler = SHARED_SAMPLERS["char"]
    begun = sampler.read(sampler.initial_state(), "the q")
    free = generate_text(sampler, begun, GenerationConfig(seed=3, max_chars=60))
    stop = free[17:20]
    stream = sampler.stream(begun, GenerationConfig(seed=3, max_chars=60, stop=("not there", stop)))
    shown = "".join(text_chunk.text for text_chunk in stream)
    assert shown == free[: free.index(stop)]
    assert stream.sample.stopped == "stop"
    assert stream.sample.tokens == len(shown) + 3
    read = sampler.read(begun, shown)
    assert (stream.state.last_token, stream.state.tail) == (read.last_token, read.tail)
    np.testing.assert_array_equal(stream.state.hidden, read.hidden)
    before = GenerationConfig(seed=3, max_chars=60, stop=(stop,), min_chars=len(shown) + 3)
    assert stop not in generate_text(sampler, begun, before)[: len(shown) + 3]


def test_a_word_that_began_in_the_prompt_is_not_finished() -> None:
    weights = make_model(end_logit=-30.0)
    weights.arrays["out.b"][weights.tokenizer.encode("o")] = 30.0
    sampler = Sampler(weights)
    asked = GenerationConfig(max_chars=3, block=("foo",))
    assert (
        generate_text(sampler, sampler.read(sampler.initial_state(), "fo"), asked) == "ooo"
    )  # not over with the first: it goes on
    assert (
        generate_text(sampler, sampler.read(sampler.initial_state(), "fo"), dataclasses.replace(asked, max_chars=1))
        == ""
    )
    assert (
        generate_text(sampler, sampler.read(sampler.initial_state(), "xfo"), dataclasses.replace(asked, max_chars=1))
        == "o"
    )
    assert not generate_text(
        sampler, sampler.read(sampler.initial_state(), "fo"), GenerationConfig(max_chars=3, block=("foo*",))
    ).startswith("o")


def test_where_nothing_may_be_said_the_text_ends() -> None:
    sampler = SHARED_SAMPLERS["char"]
    every = tuple(text_chunk.decode() for text_chunk in sampler.tokenizer.pieces[3:] if text_chunk.strip())
    blocked = (*(f"{char}*" for char in every if char.isalpha()), *(char for char in every if not char.isalpha()))
    samples = list(sampler.generate(sampler.initial_state(), "", 5, GenerationConfig(block=blocked, min_chars=20)))
    assert {sample.text.strip(" \n") for sample in samples} == {""}


def test_relevance_prefers_what_the_question_makes_likelier() -> None:
    sampler = SHARED_SAMPLERS["word"]
    asked = sampler.end_turn(sampler.read(sampler.initial_state(), "the lazy dog"))
    nothing = sampler.initial_state()
    plain, relevant = (
        {
            each.token: each.probability
            for each in sampler.top_next_tokens(asked, 99, GenerationConfig(temp=1, relevance=relevance))
        }
        for relevance in (0.0, 0.5)
    )
    anyway = {each.token: each.probability for each in sampler.top_next_tokens(nothing, 99, GenerationConfig(temp=1))}
    fits = {token: plain[token] / anyway[token] for token in relevant}
    ratio = {token: relevant[token] / plain[token] for token in relevant}
    by_fit, by_ratio = (sorted(relevant, key=each.__getitem__) for each in (fits, ratio))
    assert by_fit == by_ratio
    # Where the question is none, relevance has nothing to say.
    same = sampler.top_next_tokens(nothing, 99, GenerationConfig(temp=1, relevance=0.5))
    assert [each.token for each in same] == [
        each.token for each in sampler.top_next_tokens(nothing, len(same), GenerationConfig(temp=1))
    ]


@pytest.mark.parametrize(
    "rules",
    [
        {"temp": 1.0},
        {"temp": 0.6, "top_k": 7, "min_p": 0.05},
        {"top_p": 0.7, "block": ("q*", "th*"), "stop": ("z",)},
        {"relevance": 0.5, "mirostat": 2.0, "temp": 1.2},
    ],
)
def test_what_is_likely_is_drawn_so_often(rules: dict[str, object]) -> None:
    sampler = SHARED_SAMPLERS["char"]
    state = sampler.end_turn(sampler.read(sampler.initial_state(), "lazy "))
    config = GenerationConfig(max_chars=1, min_chars=0, **rules)  # type: ignore[arg-type]
    likely = sampler.top_next_tokens(state, 999, config)
    assert sum(each.probability for each in likely) == pytest.approx(1)
    assert [each.probability for each in likely] == sorted((each.probability for each in likely), reverse=True)
    n = 3000
    generated = Counter((sample.text, sample.stopped) for sample in sampler.generate(state, "", n, config))
    for each in likely:
        stopped = {EOS: "end", EOT: "turn"}.get(each.token, "stop" if each.text in config.stop else "length")
        fraction = generated.pop(("" if stopped == "stop" else each.text, stopped), 0) / n
        assert fraction == pytest.approx(each.probability, abs=4 * math.sqrt(0.25 / n))
    assert not generated
    assert [each.token for each in sampler.top_next_tokens(state, 3, config)] == [each.token for each in likely[:3]]


def test_accepting_a_token_is_having_drawn_it(sampler: Sampler) -> None:
    stream = sampler.stream(sampler.read(sampler.initial_state(), "the"), GenerationConfig(seed=3, max_chars=40))
    shown = "".join(text_chunk.text for text_chunk in stream)
    state = sampler.read(sampler.initial_state(), "the")
    for token in sampler.tokenizer.encode(shown).tolist():
        state = sampler.accept(state, token)
    assert (state.last_token, state.tail) == (stream.state.last_token, stream.state.tail)
    np.testing.assert_array_equal(state.hidden, stream.state.hidden)
    for wrong in (-1, sampler.tokenizer.vocab_size):
        with pytest.raises(UsageError, match=f"token not found: {wrong}"):
            sampler.accept(state, wrong)


@pytest.mark.parametrize("kind", sorted(SHARED_SAMPLERS))
def test_a_score_is_what_drawing_would_have_cost(kind: str) -> None:
    sampler = Sampler(make_model(kind, end_logit=-4.0), quantized=False)
    state = sampler.read(sampler.initial_state(), "the")
    text = " quick brown, fox"
    scored = sampler.surprisals(state, text)
    assert "".join(each.text for each in scored) == text
    bits = 0.0
    for token in sampler.tokenizer.encode(text).tolist():
        bits, state = bits - math.log2(token_probability(sampler, state, token)), sampler.accept(state, token)
    assert sum(each.bits for each in scored) == pytest.approx(bits, rel=1e-3)
    assert sampler.surprisals(state, "") == []


def token_probability(sampler: Sampler, state: State, token: int) -> float:
    """The probability of one token, by hand."""
    hidden = sampler.accept(state, EOS).hidden[-1].astype(np.float64)
    logits = hidden @ sampler._output_projection._out + sampler._output_projection._bias
    return float(np.exp(logits[token]) / np.exp(logits).sum())


def test_an_unknown_symbol_costs_its_bytes_besides() -> None:
    sampler = SHARED_SAMPLERS["char"]
    (known,) = sampler.surprisals(sampler.initial_state(), "t")
    (unknown,) = sampler.surprisals(sampler.initial_state(), "語")
    assert unknown.text == "語"
    assert unknown.bits == pytest.approx(
        24 - math.log2(token_probability(sampler, sampler.initial_state(), UNK)), rel=1e-3
    )
    assert known.bits < 24


@pytest.mark.parametrize("cell", ["gru", "gru-after"])
def test_gates_are_those_of_the_equations(cell: str) -> None:
    weights = make_model(cell=cell)
    sampler = Sampler(weights, quantized=False)
    text = "the 🦊 fox"
    reported = sampler.gate_activations(sampler.initial_state(), text)
    assert "".join(each.text for each in reported) == text
    assert {(len(each.means["update"]), len(each.means["reset"])) for each in reported} == {(2, 2)}
    exact = {name: array.astype(np.float64) for name, array in weights.arrays.items()}
    H, s = weights.sizes.H, np.zeros(weights.sizes.H)
    for token, each in zip([EOS, *weights.tokenizer.encode(text).tolist()], [None, *reported], strict=True):
        a = exact["embedding"][token] @ exact["layers.0.U"] + exact["layers.0.b"]
        product = s @ exact["layers.0.W"]
        z, r = (1 / (1 + np.exp(-(a + product)[part])) for part in (slice(0, H), slice(H, 2 * H)))
        if cell == "gru":
            h = np.tanh(a[2 * H :] + (r * s) @ exact["layers.0.W"][:, 2 * H :])
        else:
            h = np.tanh(a[2 * H :] + r * (product[2 * H :] + exact["layers.0.c"]))
        s = (1 - z) * h + z * s
        if each is not None:
            assert (each.means["update"][0], each.means["reset"][0]) == pytest.approx((z.mean(), r.mean()), abs=1e-5)
    halves = [
        *sampler.gate_activations(sampler.initial_state(), text[:4]),
        *sampler.gate_activations(sampler.read(sampler.initial_state(), text[:4]), text[4:]),
    ]
    for whole, half in zip(reported, halves, strict=True):
        assert whole.means["update"] == pytest.approx(half.means["update"], abs=1e-5)
    assert sampler.gate_activations(sampler.initial_state(), "") == []


def test_a_wide_beam_finds_the_best_there_is() -> None:
    tokenizer = train("char", iter(["ab c"]))
    sizes = ModelConfig("gru", tokenizer.vocab_size, 4, 8, 1)
    parameters = init_parameters(sizes, 3)
    parameters.views["out.b"][:] = np.linspace(-1, 1, sizes.V)
    sampler = Sampler(SavedModel(sizes, tokenizer, parameters.views, ModelCard()), threads=1)
    config = GenerationConfig(beam=256, max_chars=3, min_chars=1, block=("b",))

    def lines(state: State, text: str, nats: float) -> Iterator[tuple[float, str]]:
        for token in range(1, sizes.V):
            cost = nats - math.log(token_probability(sampler, state, token))
            said = text + sampler.tokenizer.decode([token])
            if token in (EOS, EOT) and not text:
                continue
            if re.search(r"(?<!\w)b(?!\w)", said + ("" if len(said) < 3 and token > EOT else " ")):
                if token in (EOS, EOT) or len(said) == 3:
                    continue
                if not said.endswith("b") or re.search(r"(?<!\w)b(?!\w)", said[:-1] + "x"):
                    continue
            if token in (EOS, EOT) or len(said) == 3:
                yield -cost / ((5 + len(said)) / 6) ** 0.6, said
            else:
                yield from lines(sampler.accept(state, token), said, cost)

    ranked = sorted(lines(sampler.initial_state(), "", 0.0))
    likeliest = {text: rank for rank, text in ranked}  # of the ways to end it
    assert len(likeliest) < len(ranked)
    best = sorted(likeliest.items(), key=lambda each: -each[1])
    result = list(sampler.generate(sampler.initial_state(), "", 5, config))
    assert [sample.text for sample in result] == [text for text, _ in best[:5]]
    stream = sampler.stream(sampler.initial_state(), config)
    assert "".join(text_chunk.text for text_chunk in stream) == best[0][0]
    assert stream.sample == result[0]
    np.testing.assert_array_equal(stream.state.hidden, sampler.read(sampler.initial_state(), best[0][0]).hidden)
    with pytest.raises(UsageError, match="--beam 256 cannot return 257 samples"):
        list(sampler.generate(sampler.initial_state(), "", 257, config))


@pytest.mark.slow
@given(
    kind=st.sampled_from(sorted(SHARED_SAMPLERS)),
    draw=configs,
    beam=st.integers(1, 9),
    ends=st.tuples(st.sampled_from([-9.0, 0.0, 4.0]), st.sampled_from([0.0, 4.0])),
)
@settings(max_examples=40)
def test_a_beam_finds_no_text_twice(kind: str, draw: GenerationConfig, beam: int, ends: tuple[float, float]) -> None:
    weights = make_model(kind, conversations=True)
    weights.arrays["out.b"][[EOS, EOT]] = ends
    sampler = Sampler(weights, threads=1)
    asked = dataclasses.replace(draw, beam=beam, max_chars=30, block=())
    texts = [sample.text for sample in sampler.generate(sampler.initial_state(), "", beam, asked)]
    assert len(set(texts)) == len(texts)


def test_a_text_that_may_end_in_two_ways_ends_in_the_likelier() -> None:
    for likelier, lesser, name in ((EOS, EOT, "end"), (EOT, EOS, "turn")):
        weights = make_model(conversations=True)
        weights.arrays["out.W"][:, lesser] = weights.arrays["out.W"][:, likelier]
        weights.arrays["out.b"][[likelier, lesser]] = (4.0, 3.999)
        result = list(
            Sampler(weights).generate(Sampler(weights).initial_state(), "", 3, GenerationConfig(beam=3, max_chars=30))
        )
        assert len({sample.text for sample in result}) == 3
        assert {sample.stopped for sample in result} == {name}


def test_relevance_steers_a_beam() -> None:
    """What a beam finds with it is the best by what it counts: of one character, and of several."""
    weights = make_model("char", seed=1, end_logit=-1.0, conversations=True)
    weights.arrays["embedding"][:] *= 10
    weights.arrays["out.W"][:] *= 10
    sampler = Sampler(weights, threads=2)
    nothing = sampler.initial_state()
    asked = sampler.end_turn(sampler.read(nothing, "the lazy dog"))
    config = GenerationConfig(beam=8, max_chars=1, relevance=0.5)
    best = sampler.top_next_tokens(asked, 8, dataclasses.replace(config, temp=1))
    assert [each.text for each in sampler.generate(asked, "", 8, config)] == [each.text for each in best]

    def gain(text: str, relevance: float) -> float:
        said, anyway = (sum(each.bits for each in sampler.surprisals(state, text)) for state in (asked, nothing))
        return (relevance * anyway - said) / (1 - relevance)

    longer = dataclasses.replace(config, beam=64, max_chars=3, relevance=0.9)
    relevant, plain = (
        next(sampler.generate(asked, "", 1, dataclasses.replace(longer, relevance=relevance))).text
        for relevance in (0.9, 0.0)
    )
    assert gain(relevant, 0.9) > gain(plain, 0.9)
    assert gain(relevant, 0.0) < gain(plain, 0.0)


@pytest.mark.slow
@given(draw=configs, beam=st.integers(1, 5))
@settings(max_examples=30)
def test_a_beam_obeys_the_rules_and_depends_on_nothing_else(draw: GenerationConfig, beam: int) -> None:
    sampler = SHARED_SAMPLERS["char"]
    state = sampler.end_turn(sampler.read(sampler.initial_state(), "fox"))
    asked = dataclasses.replace(draw, beam=beam, max_chars=40)
    stream = sampler.stream(state, asked)
    assert stream.sample.stopped == "interrupted"
    shown = "".join(text_chunk.text for text_chunk in stream)
    again = sampler.stream(state, dataclasses.replace(asked, temp=0.5, seed=draw.seed))
    assert "".join(piece.text for piece in again) == shown
    assert len(shown) <= 40
    assert not any(stop in shown for stop in draw.stop)
    for word in draw.block:
        end = "" if word.endswith("*") else r"(?!\w)"
        assert not re.search(rf"(?<!\w){re.escape(word.removesuffix('*'))}{end}", shown, re.IGNORECASE)


def test_mirostat_keeps_the_surprise_that_was_asked_for() -> None:
    weights = make_model()
    weights.arrays["out.W"][:] *= 15
    sampler = Sampler(weights, threads=1)

    def surprise(mirostat: float) -> float:
        config = GenerationConfig(temp=1.0, mirostat=mirostat, max_chars=400, min_chars=400)
        return sum(sample.bits_per_char for sample in sampler.generate(sampler.initial_state(), "", 16, config)) / 16

    assert surprise(0) > 2
    assert [surprise(1.5), surprise(1.8)] == pytest.approx([1.5, 1.8], rel=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("in_order", [False, True])
def test_many_samples_take_no_more_memory_than_some(in_order: bool) -> None:
    # By one thread: when others let go of their shares is chance.
    sampler = Sampler(make_model(seed=1, end_logit=-1.0, conversations=True), threads=1)
    config = GenerationConfig(max_chars=6, relevance=0.2, block=("the",))

    def peak(n: int) -> int:
        tracemalloc.start()
        try:
            count = sum(1 for _ in sampler.generate(sampler.initial_state(), "", n, config, in_order=in_order))
            return tracemalloc.get_traced_memory()[1] if count == n else 0
        finally:
            tracemalloc.stop()

    peak(300)
    assert 0 < peak(8000) < 1.1 * peak(2000)


def test_a_batch_that_is_filled_up_misses_no_seed() -> None:
    sampler = SHARED_SAMPLERS["char"]
    config = GenerationConfig(max_chars=20, seed=3)
    samples = {sample.seed: sample.text for sample in sampler.generate(sampler.initial_state(), "", 700, config)}
    assert sorted(samples) == list(range(3, 703))
    assert (
        next(sampler.generate(sampler.initial_state(), "", 10**12, config)).text in samples.values()
    )  # no list of them all
    for seed in (3, 258, 259, 500, 702):
        assert generate_text(sampler, sampler.initial_state(), dataclasses.replace(config, seed=seed)) == samples[seed]


@pytest.mark.parametrize("held", [4096, 4])
def test_texts_in_order_are_the_same_and_few_are_begun_before_their_turn(
    held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_MAX_PENDING", held)
    monkeypatch.setattr(decoding, "_MAX_BATCH", 16)
    monkeypatch.setattr(decoding, "_REFILL_BELOW", 12)
    ahead = [0]
    keep = decoding.DecodeBatch.refill

    def watched(batch: decoding.DecodeBatch, running: NDArray[np.bool_], more: range) -> None:
        ahead.append(more.stop - config.seed - len(given) if more else 0)
        keep(batch, running, more)

    monkeypatch.setattr(decoding.DecodeBatch, "refill", watched)
    sampler, config, given = SHARED_SAMPLERS["char"], GenerationConfig(max_chars=400, seed=3), list[Sample]()
    for sample in sampler.generate(sampler.initial_state(), "", 300, config, in_order=True):
        given.append(sample)
    assert [sample.seed for sample in given] == list(range(3, 303))
    assert max(ahead) <= 16 + held
    as_they_end = list(sampler.generate(sampler.initial_state(), "", 300, config))
    assert [sample.seed for sample in as_they_end] != list(range(3, 303))
    assert sorted(as_they_end, key=lambda sample: sample.seed) == given


def read_while_holding(model: SavedModel, ids: NDArray[np.int32], held: dict[tuple[int, int], float]) -> list[float]:
    """The outputs of the highest layer after the last of `ids`, by the float64 equations."""
    cell, sizes = CELLS[model.sizes.cell], model.sizes
    states = [np.zeros((1, cell.width(sizes.H))) for _ in range(sizes.L)]
    x = np.empty(0)
    for token in ids:
        x = model.arrays["embedding"][token].astype(np.float64)
        for layer in range(sizes.L):
            parameters = layer_parameters(model.arrays, layer)
            exact = {name: array.astype(np.float64) for name, array in parameters.items()}
            after, _ = cell.forward(exact, x.reshape(1, 1, -1), states[layer], np.zeros((1, 1), bool))
            states[layer] = after[-1]
            for place, value in held.items():
                if place[0] == layer:
                    states[layer][0, place[1]] = value
            x = states[layer][0, : sizes.H]
    return [float(value) for value in x]


@pytest.mark.parametrize("cell", CELLS)
def test_held_units_have_their_value_for_the_next_layer_and_the_next_token(cell: str) -> None:
    model, held = make_model(cell=cell), {(0, 3): 0.9, (1, 20): -1.0, (0, 23): 0.0}
    decoder = CpuDecoder(model.sizes, model.arrays, quantized=False)
    ids = np.array([5, 7, 6, 9, 5], np.int32)
    outputs, free = np.empty((2, 5, 1, 24), np.float32)
    for engine, into in ((decoder.with_held_units(held), outputs), (decoder, free)):
        engine.prefill(ids[:, None], np.zeros((2, 1, CELLS[cell].width(24)), np.float32), into)
    np.testing.assert_allclose(outputs[-1, 0], read_while_holding(model, ids, held), atol=1e-5)
    np.testing.assert_allclose(free[-1, 0], read_while_holding(model, ids, {}), atol=1e-5)
    assert (outputs[:, 0, 20] == -1).all()


def test_a_dial_acts_alone_in_a_batch_and_with_guidance(sampler: Sampler) -> None:
    state = sampler.read(sampler.initial_state(), "the ")
    dialed = GenerationConfig(seed=7, max_chars=60, dial=("2:3=1", "1:5=0.1", "1:5=-1"))
    last_alone = dataclasses.replace(dialed, dial=("2:3=1", "1:5=-1"))
    plain = dataclasses.replace(dialed, dial=())
    texts = {config: [each.text for each in sampler.generate(state, "", 9, config)] for config in (plain, dialed)}
    assert texts[plain] != texts[dialed]
    assert [each.text for each in sampler.generate(state, "", 9, last_alone)] == texts[dialed]
    stream = sampler.stream(state, dialed)
    assert "".join(chunk.text for chunk in stream) == texts[dialed][0]
    # What was written is read as it would be without the dial.
    np.testing.assert_array_equal(stream.state.hidden, sampler.read(state, texts[dialed][0]).hidden)
    assert [each.text for each in sampler.generate(state, "", 9, plain)] == texts[plain]
    guided = dataclasses.replace(dialed, relevance=0.3)
    assert generate_text(sampler, state, guided) == next(sampler.generate(state, "", 1, guided)).text


def test_a_dial_changes_what_is_likely_next_and_the_beam(sampler: Sampler) -> None:
    state, dialed = sampler.read(sampler.initial_state(), "the "), GenerationConfig(max_chars=9, dial=("2:3=1",))
    plain = dataclasses.replace(dialed, dial=())
    top, free = (sampler.top_next_tokens(state, 3, config) for config in (dialed, plain))
    assert [each.probability for each in top] != [each.probability for each in free]
    greedy = generate_text(sampler, state, dataclasses.replace(dialed, temp=0, max_chars=1))
    assert greedy == top[0].text
    beam, free_beam = (sampler.stream(state, dataclasses.replace(each, beam=4)) for each in (dialed, plain))
    assert [list(each) for each in (beam, free_beam)]
    assert beam.sample.bits_per_char != free_beam.sample.bits_per_char


@pytest.mark.parametrize("dial", ["3:0=1", "0:0=1", "1:24=1"])
def test_a_dial_needs_a_unit_of_the_model(sampler: Sampler, dial: str) -> None:
    with pytest.raises(UsageError, match="unit not found: ") as caught:
        sampler.stream(sampler.initial_state(), GenerationConfig(dial=(dial,)))
    assert caught.value.hint == "this model has layers 1 to 2, with units 0 to 23; --dial takes one of them"


@pytest.mark.parametrize("dial", ["", "1", "1:2", "1:2=", "1:2=x", "1:2=1.01", "1:2=-2", "1:2=nan", "1:2=inf", "a:b=1"])
def test_what_is_not_a_dial(dial: str) -> None:
    with pytest.raises(UsageError):
        GenerationConfig(dial=(dial,))
