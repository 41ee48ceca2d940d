"""Drawing tokens: each rule alone, what may never be drawn, and frequencies against the softmax."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.generation.decoding import NO_GUARD
from grucli.kernels.arrays import Float32
from grucli.kernels.jit import kernel
from grucli.kernels.sampling import (
    AT_END,
    AT_STOP,
    AT_TURN,
    BANNED,
    END,
    RECENT,
    RUNNING,
    STOPS,
    TURN,
    UNKNOWN,
    Guard,
    Ids,
    Rules,
    Streams,
    draw,
    extend,
    forbid,
    uniform,
)


@kernel
def draw_one(logits: Float32, V: int, may_stop: bool, rules: Rules, u: float) -> int:
    forbid(logits, 0, may_stop, rules, 0)
    return draw(logits, 0, V, rules, u)


@kernel
def extend_one(logits: Float32, weights: Float32, bias: Float32, rules: Rules, streams: Streams) -> int:
    return extend(logits, weights, 0, bias, rules, streams, 0)


@kernel
def uniforms(seed: np.uint64, numbers: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    for i in range(numbers.size):
        numbers[i] = uniform(seed, np.uint64(i))


def rules(V: int = 64, **changes: float) -> Rules:
    plain = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "penalty": 1.0, "min_chars": 0}
    plain |= {"mirostat": 0.0, "relevance": 0.0}
    characters = np.ones(V, np.int16)
    return Rules(**(plain | changes), max_chars=100, characters=characters, guarded=False, guard=NO_GUARD)  # type: ignore[arg-type]


def drawn(logits: Float32, how: Rules, may_stop: bool = True, n: int = 2000) -> Ids:
    """Tokens for n numbers spread evenly over [0, 1): every token that has more than 1/n of the mass appears."""
    V = logits.size
    rows = (np.concatenate([logits, np.full(5, 50, np.float32)])[None] for _ in range(n))
    tokens = [draw_one(row.astype(np.float32), V, may_stop, how, i / n) for i, row in enumerate(rows)]
    return np.array(tokens, np.int32)


def some_logits(seed: int, V: int = 30) -> Float32:
    logits = np.random.default_rng(seed).standard_normal(V).astype(np.float32)
    logits[UNKNOWN] = 9.0
    return logits


def probabilities(logits: Float32, temperature: float = 1.0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    weights = np.exp(logits.astype(np.float64) / temperature)
    weights[UNKNOWN] = 0
    return np.asarray(weights / weights.sum())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_are_the_softmax_at_the_temperature(temperature: float) -> None:
    logits = some_logits(1)
    counts = np.bincount(drawn(logits, rules(temperature=temperature), n=5000), minlength=30) / 5000
    np.testing.assert_allclose(counts, probabilities(logits, temperature), atol=1e-3)


def test_temperature_zero_takes_the_likeliest() -> None:
    logits = some_logits(2)
    expected = 1 + int(np.argmax(logits[1:]))
    assert set(drawn(logits, rules(temperature=0.0), n=50)) == {expected}


@given(seed=st.integers(0, 999), k=st.integers(1, 12))
@settings(max_examples=20)
def test_top_k_keeps_the_k_likeliest(seed: int, k: int) -> None:
    logits = some_logits(seed)
    allowed = set(np.argsort(-probabilities(logits))[:k].tolist())
    assert set(drawn(logits, rules(top_k=k), n=400).tolist()) <= allowed


@given(seed=st.integers(0, 999), mass=st.floats(0.05, 0.95))
@settings(max_examples=20)
def test_top_p_keeps_the_smallest_set_that_has_the_mass(seed: int, mass: float) -> None:
    logits = some_logits(seed)
    p = probabilities(logits)
    order = np.argsort(-p)
    needed = int(np.searchsorted(np.cumsum(p[order]), mass * (1 - 1e-5))) + 1
    seen = set(drawn(logits, rules(top_p=mass), n=4000).tolist())
    assert seen <= set(order[: needed + 1].tolist())
    assert set(order[: max(1, needed - 1)].tolist()) <= seen | set(np.flatnonzero(p < 1e-3).tolist())


def test_min_p_drops_what_is_far_less_likely_than_the_likeliest() -> None:
    logits = some_logits(4)
    p = probabilities(logits)
    assert set(drawn(logits, rules(min_p=0.3)).tolist()) == set(np.flatnonzero(p >= 0.3 * p.max()).tolist())


def test_the_unknown_token_is_never_drawn_and_the_end_only_where_it_may() -> None:
    logits = np.full(10, -5.0, np.float32)
    logits[[UNKNOWN, END, TURN]] = 30.0
    assert set(drawn(logits, rules(), n=200)) == {END, TURN}
    assert not set(drawn(logits, rules(), may_stop=False, n=200)) & {UNKNOWN, END, TURN}


def streams(recent: list[int]) -> Streams:
    kept = np.full((1, RECENT), -1, np.int32)
    kept[0, : len(recent)] = recent
    return Streams(
        seeds=np.array([5], np.uint64),
        last=np.zeros(1, np.int32),
        status=np.zeros(1, np.int32),
        drawn=np.full(1, len(recent), np.int64),
        chars=np.zeros(1, np.int64),
        nats=np.zeros(1, np.float64),
        recent=kept,
        bound=np.zeros(1, np.float64),
        place=np.zeros(1, np.int32),
    )


def test_the_repetition_penalty_divides_and_multiplies_once() -> None:
    logits = np.full((1, 8), -9.0, np.float32)
    logits[0, 3:6] = [2.0, 1.9, -0.1]
    how = rules(8, temperature=0.0, penalty=2.0)
    for recent, expected in (([], 3), ([3], 4), ([3, 3, 3, 4], 3), ([3, 4, 4], 3)):
        weights = np.empty_like(logits)
        assert extend_one(logits.copy(), weights, np.zeros(8, np.float32), how, streams(recent)) == expected


def test_the_books_count_the_cost_at_temperature_one() -> None:
    logits = some_logits(6)[None]
    books = streams([])
    token = extend_one(logits.copy(), np.empty_like(logits), np.zeros(30, np.float32), rules(30, top_k=1), books)
    exact = np.exp(logits[0].astype(np.float64))
    assert books.nats[0] == pytest.approx(-np.log(exact[token] / exact.sum()), rel=1e-5)
    assert (books.drawn[0], books.chars[0], books.last[0], books.recent[0, 0]) == (1, 1, token, token)


def test_uniform_numbers_are_uniform_and_streams_differ() -> None:
    a, b = np.empty(20_000), np.empty(20_000)
    uniforms(np.uint64(0), a)
    uniforms(np.uint64(1), b)
    for numbers in (a, b):
        assert ((numbers >= 0) & (numbers < 1)).all()
        counts, _ = np.histogram(numbers, 20, (0, 1))
        assert np.abs(counts - 1000).max() < 150
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03
    assert abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < 0.03


def guard_of(V: int, seed: int) -> Guard:
    """Three places: nothing, within a word, and one that must go on; tokens that lead on, are banned, or stop."""
    rng = np.random.default_rng(seed)
    usual = rng.choice([0, 0, 0, 1, 2, BANNED, STOPS], (2, V)).astype(np.int32)
    kind = np.array([0, 1, 1], np.int8)
    own = [np.sort(rng.choice(V, rng.integers(0, V), replace=False)) for _ in range(3)]
    usually = np.concatenate([usual[kind[place], own[place]] for place in range(3)])
    places = np.where(usually == BANNED, BANNED, rng.choice([0, 1, 2, BANNED, STOPS], usually.size))
    places = np.where((usually == STOPS) & (places >= 0), STOPS, places)
    ends = np.cumsum([len(each) for each in own])
    return Guard(
        usual=np.vstack([usual, rng.random(V) < 0.3]).astype(np.int32),
        places=np.stack([kind, [0, 0, 1], [0, *ends[:-1]], ends], axis=1).astype(np.int32),
        own=np.stack([np.concatenate(own), places], axis=1).astype(np.int32),
    )


def behind(guard: Guard, place: int, token: int) -> int:
    kind, _, first, end = guard.places[place]
    for k in range(first, end):
        if guard.own[k, 0] == token:
            return int(guard.own[k, 1])
    return int(guard.usual[kind, token])


def oracle(logits: Float32, bias: Float32, how: Rules, books: Streams) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The probability of each token, one plain rule after the other; all zeros where nothing may be drawn."""
    both = logits.astype(np.float64) + bias
    voice, V = both[0], bias.size
    weighed = (voice - how.relevance * both[1]) / (1 - how.relevance) if how.relevance else voice.copy()
    for token in {int(each) for each in books.recent[0] if each >= 0}:
        weighed[token] *= how.penalty if weighed[token] <= 0 else 1 / how.penalty
    may_stop = books.chars[0] >= how.min_chars
    place = int(books.place[0])
    closing = how.guard.places[place, 1]
    allowed = np.array(
        [token not in (UNKNOWN, END, TURN) or (token > 0 and may_stop and not closing) for token in range(V)]
    )
    for token in range(V):
        after = behind(how.guard, place, token)
        if after == BANNED or (after == STOPS and not may_stop) or (closing and how.guard.usual[2, token]):
            allowed[token] = False
    if not allowed.any():
        return np.zeros(V)
    if how.relevance:
        allowed &= voice >= voice[allowed].max() + np.log(0.1 * how.relevance) - 1e-5
    if how.mirostat:
        surprise = (np.log(np.exp(voice).sum()) - voice) / np.log(2)
        allowed &= surprise <= max(books.bound[0], surprise[allowed].min()) + 1e-5
    p = np.where(allowed, np.exp((weighed - weighed[allowed].max()) / how.temperature), 0)
    return np.asarray(p / p.sum())


@given(
    seed=st.integers(0, 9999),
    V=st.integers(4, 40),
    relevance=st.sampled_from([0.0, 0.2, 0.7]),
    mirostat=st.sampled_from([0.0, 1.5, 3.0]),
    penalty=st.sampled_from([1.0, 1.3]),
    min_chars=st.integers(0, 2),
    u_seed=st.integers(0, 99),
)
@settings(max_examples=200)
def test_all_rules_together_are_the_rules_one_by_one(
    seed: int, V: int, relevance: float, mirostat: float, penalty: float, min_chars: int, u_seed: int
) -> None:
    rng = np.random.default_rng(seed)
    logits, bias = (rng.standard_normal(shape).astype(np.float32) * 2 for shape in ((2, V), V))
    how = rules(V, temperature=0.7, relevance=relevance, mirostat=mirostat, penalty=penalty, min_chars=min_chars)
    how = how._replace(guarded=True, guard=guard_of(V, seed))
    books = streams(rng.integers(0, V, 5).tolist())
    books.seeds[0], books.chars[0], books.bound[0], books.place[0] = u_seed, 1, rng.uniform(0, 6), rng.integers(0, 3)
    before = copy.deepcopy(books)
    p = oracle(logits, bias, how, before)
    token = extend_one(logits.copy(), np.empty_like(logits), bias, how, books)
    number = np.empty(6)
    uniforms(np.uint64(u_seed), number)
    if not p.any():
        assert token == END
    else:
        low, high = p[:token].sum(), p[: token + 1].sum()
        assert p[token] > 0
        assert low - 1e-4 <= number[5] <= high + 1e-4
    voice = logits[0].astype(np.float64) + bias
    bits = (np.log(np.exp(voice).sum()) - voice[token]) / np.log(2)
    assert books.nats[0] == pytest.approx(bits * np.log(2), rel=1e-4, abs=1e-4)
    assert books.bound[0] == pytest.approx(before.bound[0] - 0.1 * (bits - mirostat), abs=1e-4)
    after = behind(how.guard, int(before.place[0]), token)
    stops = {END: AT_END, TURN: AT_TURN}.get(token, AT_STOP if after == STOPS else RUNNING)
    assert books.status[0] == stops
    assert books.place[0] == (after if stops == RUNNING else before.place[0])
