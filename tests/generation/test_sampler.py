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

from grucli.errors import UsageError
from grucli.generation import decoding
from grucli.generation.sampler import Draw, Sample, Sampler, State
from grucli.kernels import sampling
from grucli.model.cells import CELLS
from grucli.model.config import Sizes
from grucli.model.parameters import fresh_parameters
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
        {"mirostat": -1},
        {"mirostat": math.nan},
        {"relevance": 1.0},
        {"beam": 257},
    ],
)
def test_values_out_of_range_name_their_flag(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} is"):
        Draw(**wrong)  # type: ignore[arg-type]


def test_tokenizers_have_the_special_tokens_of_the_kernels() -> None:
    assert (sampling.UNKNOWN, sampling.END, sampling.TURN) == (UNKNOWN, END, TURN)
    assert issubclass(type(model().tokenizer), Tokenizer)


WORDS = ("the", "fo*", "lazy dog", "o", "naïvely")
draws = st.builds(
    Draw,
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
TALKERS = {
    kind: Sampler(model(kind, seed=1, stops=-1.0, conversations=True), threads=2)
    for kind in ("char", "word", "subword")
}


@given(kind=st.sampled_from(sorted(TALKERS)), draw=draws, n=st.integers(1, 9))
@settings(max_examples=60)
def test_whatever_the_rules_a_seed_gives_its_text(kind: str, draw: Draw, n: int) -> None:
    sampler = TALKERS[kind]
    state = sampler.end_turn(sampler.read(sampler.begin(), "the quick"))
    batch = list(sampler.write(state, "", n, draw))
    assert sorted(sample.seed for sample in batch) == list(range(draw.seed, draw.seed + n))
    chosen = batch[draw.seed % n]
    stream = sampler.stream(state, dataclasses.replace(draw, seed=chosen.seed))
    shown = ""
    for piece in stream:
        shown += piece.text
        assert stream.sample.text == shown
    assert stream.sample == chosen
    assert shown == chosen.text


@given(kind=st.sampled_from(sorted(TALKERS)), draw=draws)
@settings(max_examples=60)
def test_nothing_blocked_is_said_and_no_stop_is_shown(kind: str, draw: Draw) -> None:
    sampler = TALKERS[kind]
    stream = sampler.stream(sampler.begin(), dataclasses.replace(draw, max_chars=120))
    shown = ""
    for piece in stream:
        shown += piece.text
        for word in draw.block:  # also where the stream is left here
            end = "" if word.endswith("*") else r"(?!\w)"
            assert not re.search(rf"(?<!\w){re.escape(word.removesuffix('*'))}{end}", shown, re.IGNORECASE), shown
        assert not any(stop in shown for stop in draw.stop)
    if stream.sample.stopped == "stop":
        assert draw.stop


def test_a_stop_ends_the_text_and_the_state_is_that_of_the_text() -> None:
    sampler = TALKERS["char"]
    begun = sampler.read(sampler.begin(), "the q")
    free = text_of(sampler, begun, Draw(seed=3, max_chars=60))
    stop = free[17:20]
    stream = sampler.stream(begun, Draw(seed=3, max_chars=60, stop=("not there", stop)))
    shown = "".join(piece.text for piece in stream)
    assert shown == free[: free.index(stop)]
    assert stream.sample.stopped == "stop"
    assert stream.sample.tokens == len(shown) + 3
    read = sampler.read(begun, shown)
    assert (stream.state.last, stream.state.tail) == (read.last, read.tail)
    np.testing.assert_array_equal(stream.state.layers, read.layers)
    before = Draw(seed=3, max_chars=60, stop=(stop,), min_chars=len(shown) + 3)
    assert stop not in text_of(sampler, begun, before)[: len(shown) + 3]


def test_a_word_that_began_in_the_prompt_is_not_finished() -> None:
    weights = model(stops=-30.0)
    weights.arrays["out.b"][weights.tokenizer.encode("o")] = 30.0
    sampler = Sampler(weights)
    asked = Draw(max_chars=3, block=("foo",))
    assert text_of(sampler, sampler.read(sampler.begin(), "fo"), asked) == "ooo"  # not over with the first: it goes on
    assert text_of(sampler, sampler.read(sampler.begin(), "fo"), dataclasses.replace(asked, max_chars=1)) == ""
    assert text_of(sampler, sampler.read(sampler.begin(), "xfo"), dataclasses.replace(asked, max_chars=1)) == "o"
    assert not text_of(sampler, sampler.read(sampler.begin(), "fo"), Draw(max_chars=3, block=("foo*",))).startswith("o")


def test_where_nothing_may_be_said_the_text_ends() -> None:
    sampler = TALKERS["char"]
    every = tuple(piece.decode() for piece in sampler.tokenizer.pieces[3:] if piece.strip())
    blocked = (*(f"{char}*" for char in every if char.isalpha()), *(char for char in every if not char.isalpha()))
    samples = list(sampler.write(sampler.begin(), "", 5, Draw(block=blocked, min_chars=20)))
    assert {sample.text.strip(" \n") for sample in samples} == {""}


def test_relevance_prefers_what_the_question_makes_likelier() -> None:
    sampler = TALKERS["word"]
    asked = sampler.end_turn(sampler.read(sampler.begin(), "the lazy dog"))
    nothing = sampler.end_turn(sampler.begin())
    plain, relevant = (
        {each.token: each.probability for each in sampler.peek(asked, 99, Draw(temp=1, relevance=relevance))}
        for relevance in (0.0, 0.5)
    )
    anyway = {each.token: each.probability for each in sampler.peek(nothing, 99, Draw(temp=1))}
    fits = {token: plain[token] / anyway[token] for token in relevant}
    ratio = {token: relevant[token] / plain[token] for token in relevant}
    by_fit, by_ratio = (sorted(relevant, key=each.__getitem__) for each in (fits, ratio))
    assert by_fit == by_ratio
    # Where the question is none, relevance has nothing to say.
    same = sampler.peek(nothing, 99, Draw(temp=1, relevance=0.5))
    assert [each.token for each in same] == [each.token for each in sampler.peek(nothing, len(same), Draw(temp=1))]


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
    sampler = TALKERS["char"]
    state = sampler.end_turn(sampler.read(sampler.begin(), "lazy "))
    draw = Draw(max_chars=1, min_chars=0, **rules)  # type: ignore[arg-type]
    likely = sampler.peek(state, 999, draw)
    assert sum(each.probability for each in likely) == pytest.approx(1)
    assert [each.probability for each in likely] == sorted((each.probability for each in likely), reverse=True)
    n = 3000
    drawn = Counter((sample.text, sample.stopped) for sample in sampler.write(state, "", n, draw))
    for each in likely:
        stopped = {END: "end", TURN: "turn"}.get(each.token, "stop" if each.text in draw.stop else "length")
        share = drawn.pop(("" if stopped == "stop" else each.text, stopped), 0) / n
        assert share == pytest.approx(each.probability, abs=4 * math.sqrt(0.25 / n))
    assert not drawn
    assert [each.token for each in sampler.peek(state, 3, draw)] == [each.token for each in likely[:3]]


def test_accepting_a_token_is_having_drawn_it(sampler: Sampler) -> None:
    stream = sampler.stream(sampler.read(sampler.begin(), "the"), Draw(seed=3, max_chars=40))
    shown = "".join(piece.text for piece in stream)
    state = sampler.read(sampler.begin(), "the")
    for token in sampler.tokenizer.encode(shown).tolist():
        state = sampler.accept(state, token)
    assert (state.last, state.tail) == (stream.state.last, stream.state.tail)
    np.testing.assert_array_equal(state.layers, stream.state.layers)
    for wrong in (-1, sampler.tokenizer.size):
        with pytest.raises(UsageError, match=f"no token {wrong}"):
            sampler.accept(state, wrong)


@pytest.mark.parametrize("kind", sorted(TALKERS))
def test_a_score_is_what_drawing_would_have_cost(kind: str) -> None:
    sampler = Sampler(model(kind, stops=-4.0), rounded=False)
    state = sampler.read(sampler.begin(), "the")
    text = " quick brown, fox"
    scored = sampler.score(state, text)
    assert "".join(each.text for each in scored) == text
    bits = 0.0
    for token in sampler.tokenizer.encode(text).tolist():
        bits, state = bits - math.log2(chance(sampler, state, token)), sampler.accept(state, token)
    assert sum(each.bits for each in scored) == pytest.approx(bits, rel=1e-3)
    assert sampler.score(state, "") == []


def chance(sampler: Sampler, state: State, token: int) -> float:
    """The probability of one token, by hand."""
    layers = sampler.accept(state, END).layers[-1].astype(np.float64)
    logits = layers @ sampler._head._out + sampler._head._bias
    return float(np.exp(logits[token]) / np.exp(logits).sum())


def test_an_unknown_symbol_costs_its_bytes_besides() -> None:
    sampler = TALKERS["char"]
    (known,) = sampler.score(sampler.begin(), "t")
    (unknown,) = sampler.score(sampler.begin(), "語")
    assert unknown.text == "語"
    assert unknown.bits == pytest.approx(24 - math.log2(chance(sampler, sampler.begin(), UNKNOWN)), rel=1e-3)
    assert known.bits < 24


@pytest.mark.parametrize("cell", CELLS)
def test_gates_are_those_of_the_equations(cell: str) -> None:
    weights = model(cell=cell)
    sampler = Sampler(weights, rounded=False)
    text = "the 🦊 fox"
    told = sampler.gates(sampler.begin(), text)
    assert "".join(each.text for each in told) == text
    assert {(len(each.update), len(each.reset)) for each in told} == {(2, 2)}
    exact = {name: array.astype(np.float64) for name, array in weights.arrays.items()}
    H, s = weights.sizes.H, np.zeros(weights.sizes.H)
    for token, each in zip([END, *weights.tokenizer.encode(text).tolist()], [None, *told], strict=True):
        a = exact["embedding"][token] @ exact["layers.0.U"] + exact["layers.0.b"]
        product = s @ exact["layers.0.W"]
        z, r = (1 / (1 + np.exp(-(a + product)[part])) for part in (slice(0, H), slice(H, 2 * H)))
        if cell == "gru":
            h = np.tanh(a[2 * H :] + (r * s) @ exact["layers.0.W"][:, 2 * H :])
        else:
            h = np.tanh(a[2 * H :] + r * (product[2 * H :] + exact["layers.0.c"]))
        s = (1 - z) * h + z * s
        if each is not None:
            assert (each.update[0], each.reset[0]) == pytest.approx((z.mean(), r.mean()), abs=1e-5)
    halves = [
        *sampler.gates(sampler.begin(), text[:4]),
        *sampler.gates(sampler.read(sampler.begin(), text[:4]), text[4:]),
    ]
    for whole, half in zip(told, halves, strict=True):
        assert whole.update == pytest.approx(half.update, abs=1e-5)
    assert sampler.gates(sampler.begin(), "") == []


def test_a_wide_beam_finds_the_best_there_is() -> None:
    tokenizer = learn("char", iter(["ab c"]))
    sizes = Sizes("gru", tokenizer.size, 4, 8, 1)
    parameters = fresh_parameters(sizes, 3)
    parameters.views["out.b"][:] = np.linspace(-1, 1, sizes.V)
    sampler = Sampler(Weights(sizes, tokenizer, parameters.views, Card()), threads=1)
    draw = Draw(beam=256, max_chars=3, min_chars=1, block=("b",))

    def lines(state: State, text: str, nats: float) -> Iterator[tuple[float, str]]:
        for token in range(1, sizes.V):
            cost = nats - math.log(chance(sampler, state, token))
            said = text + sampler.tokenizer.decode([token])
            if token in (END, TURN) and not text:
                continue
            if re.search(r"(?<!\w)b(?!\w)", said + ("" if len(said) < 3 and token > TURN else " ")):
                if token in (END, TURN) or len(said) == 3:
                    continue
                if not said.endswith("b") or re.search(r"(?<!\w)b(?!\w)", said[:-1] + "x"):
                    continue
            if token in (END, TURN) or len(said) == 3:
                yield -cost / ((5 + len(said)) / 6) ** 0.6, said
            else:
                yield from lines(sampler.accept(state, token), said, cost)

    ranked = sorted(lines(sampler.begin(), "", 0.0))
    likeliest = {text: rank for rank, text in ranked}  # of the ways to end it
    assert len(likeliest) < len(ranked)
    best = sorted(likeliest.items(), key=lambda each: -each[1])
    found = list(sampler.write(sampler.begin(), "", 5, draw))
    assert [sample.text for sample in found] == [text for text, _ in best[:5]]
    stream = sampler.stream(sampler.begin(), draw)
    assert "".join(piece.text for piece in stream) == best[0][0]
    assert stream.sample == found[0]
    np.testing.assert_array_equal(stream.state.layers, sampler.read(sampler.begin(), best[0][0]).layers)
    with pytest.raises(UsageError, match="a beam of 256 finds no 257 texts"):
        list(sampler.write(sampler.begin(), "", 257, draw))


@given(
    kind=st.sampled_from(sorted(TALKERS)),
    draw=draws,
    beam=st.integers(1, 9),
    ends=st.tuples(st.sampled_from([-9.0, 0.0, 4.0]), st.sampled_from([0.0, 4.0])),
)
@settings(max_examples=40)
def test_a_beam_finds_no_text_twice(kind: str, draw: Draw, beam: int, ends: tuple[float, float]) -> None:
    weights = model(kind, conversations=True)
    weights.arrays["out.b"][[END, TURN]] = ends
    sampler = Sampler(weights, threads=1)
    asked = dataclasses.replace(draw, beam=beam, max_chars=30, block=())
    texts = [sample.text for sample in sampler.write(sampler.begin(), "", beam, asked)]
    assert len(set(texts)) == len(texts)


def test_a_text_that_may_end_in_two_ways_ends_in_the_likelier() -> None:
    for likelier, lesser, name in ((END, TURN, "end"), (TURN, END, "turn")):
        weights = model(conversations=True)
        weights.arrays["out.W"][:, lesser] = weights.arrays["out.W"][:, likelier]
        weights.arrays["out.b"][[likelier, lesser]] = (4.0, 3.999)
        found = list(Sampler(weights).write(Sampler(weights).begin(), "", 3, Draw(beam=3, max_chars=30)))
        assert len({sample.text for sample in found}) == 3
        assert {sample.stopped for sample in found} == {name}


def test_relevance_steers_a_beam() -> None:
    """What a beam finds with it is the best by what it counts: of one character, and of several."""
    weights = model("char", seed=1, stops=-1.0, conversations=True)
    weights.arrays["embedding"][:] *= 10
    weights.arrays["out.W"][:] *= 10
    sampler = Sampler(weights, threads=2)
    asked, nothing = (sampler.end_turn(sampler.read(sampler.begin(), text)) for text in ("the lazy dog", ""))
    draw = Draw(beam=8, max_chars=1, relevance=0.5)
    best = sampler.peek(asked, 8, dataclasses.replace(draw, temp=1))
    assert [each.text for each in sampler.write(asked, "", 8, draw)] == [each.text for each in best]

    def gain(text: str, relevance: float) -> float:
        said, anyway = (sum(each.bits for each in sampler.score(state, text)) for state in (asked, nothing))
        return (relevance * anyway - said) / (1 - relevance)

    longer = dataclasses.replace(draw, beam=64, max_chars=3, relevance=0.9)
    relevant, plain = (
        next(sampler.write(asked, "", 1, dataclasses.replace(longer, relevance=relevance))).text
        for relevance in (0.9, 0.0)
    )
    assert gain(relevant, 0.9) > gain(plain, 0.9)
    assert gain(relevant, 0.0) < gain(plain, 0.0)


@given(draw=draws, beam=st.integers(1, 5))
@settings(max_examples=30)
def test_a_beam_obeys_the_rules_and_depends_on_nothing_else(draw: Draw, beam: int) -> None:
    sampler = TALKERS["char"]
    state = sampler.end_turn(sampler.read(sampler.begin(), "fox"))
    asked = dataclasses.replace(draw, beam=beam, max_chars=40)
    stream = sampler.stream(state, asked)
    assert stream.sample.stopped == "interrupted"
    shown = "".join(piece.text for piece in stream)
    again = sampler.stream(state, dataclasses.replace(asked, temp=0.5, seed=draw.seed))
    assert "".join(piece.text for piece in again) == shown
    assert len(shown) <= 40
    assert not any(stop in shown for stop in draw.stop)
    for word in draw.block:
        end = "" if word.endswith("*") else r"(?!\w)"
        assert not re.search(rf"(?<!\w){re.escape(word.removesuffix('*'))}{end}", shown, re.IGNORECASE)


def test_mirostat_keeps_the_surprise_that_was_asked_for() -> None:
    weights = model()
    weights.arrays["out.W"][:] *= 15
    sampler = Sampler(weights, threads=1)

    def surprise(mirostat: float) -> float:
        draw = Draw(temp=1.0, mirostat=mirostat, max_chars=400, min_chars=400)
        return sum(sample.bits_per_char for sample in sampler.write(sampler.begin(), "", 16, draw)) / 16

    assert surprise(0) > 2
    assert [surprise(1.5), surprise(1.8)] == pytest.approx([1.5, 1.8], rel=0.06)


@pytest.mark.parametrize("in_order", [False, True])
def test_many_samples_take_no_more_memory_than_some(in_order: bool) -> None:
    # By one thread: when others let go of their shares is chance.
    sampler = Sampler(model(seed=1, stops=-1.0, conversations=True), threads=1)
    draw = Draw(max_chars=6, relevance=0.2, block=("the",))

    def peak(n: int) -> int:
        tracemalloc.start()
        try:
            count = sum(1 for _ in sampler.write(sampler.begin(), "", n, draw, in_order=in_order))
            return tracemalloc.get_traced_memory()[1] if count == n else 0
        finally:
            tracemalloc.stop()

    peak(300)
    assert 0 < peak(8000) < 1.1 * peak(2000)


def test_a_batch_that_is_filled_up_misses_no_seed() -> None:
    sampler = TALKERS["char"]
    draw = Draw(max_chars=20, seed=3)
    samples = {sample.seed: sample.text for sample in sampler.write(sampler.begin(), "", 700, draw)}
    assert sorted(samples) == list(range(3, 703))
    assert next(sampler.write(sampler.begin(), "", 10**12, draw)).text in samples.values()  # no list of them all
    for seed in (3, 258, 259, 500, 702):
        assert text_of(sampler, sampler.begin(), dataclasses.replace(draw, seed=seed)) == samples[seed]


@pytest.mark.parametrize("held", [4096, 4])
def test_texts_in_order_are_the_same_and_few_are_begun_before_their_turn(
    held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_HELD", held)
    monkeypatch.setattr(decoding, "_TOGETHER", 16)
    monkeypatch.setattr(decoding, "_FEWER", 12)
    ahead = [0]
    keep = decoding.Batch.keep

    def watched(batch: decoding.Batch, running: NDArray[np.bool_], more: range) -> None:
        ahead.append(more.stop - draw.seed - len(given) if more else 0)
        keep(batch, running, more)

    monkeypatch.setattr(decoding.Batch, "keep", watched)
    sampler, draw, given = TALKERS["char"], Draw(max_chars=400, seed=3), list[Sample]()
    for sample in sampler.write(sampler.begin(), "", 300, draw, in_order=True):
        given.append(sample)
    assert [sample.seed for sample in given] == list(range(3, 303))
    assert max(ahead) <= 16 + held
    as_they_end = list(sampler.write(sampler.begin(), "", 300, draw))
    assert [sample.seed for sample in as_they_end] != list(range(3, 303))
    assert sorted(as_they_end, key=lambda sample: sample.seed) == given
