"""Drawing tokens: each rule alone, what may never be drawn, and frequencies against the softmax."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.generation.decoding import NO_CONSTRAINTS
from grucli.kernels.arrays import Float32
from grucli.kernels.jit import kernel
from grucli.kernels.sampling import (
    BANNED,
    EOS,
    EOT,
    FINISH_EOS,
    FINISH_STOP,
    FINISH_TURN,
    REPEAT_WINDOW,
    RUNNING,
    STOPS,
    UNK,
    DecodeState,
    Ids,
    SamplingParams,
    TokenAutomaton,
    apply_token_mask,
    counter_uniform,
    sample_from_logits,
    sample_token,
)


@kernel
def sample_one(logits: Float32, V: int, allow_stop: bool, params: SamplingParams, u: float) -> int:
    apply_token_mask(logits, 0, allow_stop, params, 0)
    return sample_from_logits(logits, 0, V, params, u)


@kernel
def decode_one(logits: Float32, weights: Float32, bias: Float32, params: SamplingParams, state: DecodeState) -> int:
    return sample_token(logits, weights, 0, bias, params, state, 0)


@kernel
def fill_uniform(seed: np.uint64, numbers: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    for i in range(numbers.size):
        numbers[i] = counter_uniform(seed, np.uint64(i))


def make_params(V: int = 64, **changes: float) -> SamplingParams:
    defaults = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0, "min_chars": 0}
    defaults |= {"mirostat": 0.0, "relevance": 0.0}
    token_chars = np.ones(V, np.int16)
    return SamplingParams(
        **(defaults | changes),  # type: ignore[arg-type]
        max_chars=100,
        token_chars=token_chars,
        has_automaton=False,
        automaton=NO_CONSTRAINTS,
    )


def sample_many(logits: Float32, params: SamplingParams, allow_stop: bool = True, n: int = 2000) -> Ids:
    """Tokens for n numbers spread evenly over [0, 1): every token that has more than 1/n of the mass appears."""
    V = logits.size
    rows = (np.concatenate([logits, np.full(5, 50, np.float32)])[None] for _ in range(n))
    tokens = [sample_one(row.astype(np.float32), V, allow_stop, params, i / n) for i, row in enumerate(rows)]
    return np.array(tokens, np.int32)


def make_logits(seed: int, V: int = 30) -> Float32:
    logits = np.random.default_rng(seed).standard_normal(V).astype(np.float32)
    logits[UNK] = 9.0
    return logits


def softmax(logits: Float32, temperature: float = 1.0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    probs = np.exp(logits.astype(np.float64) / temperature)
    probs[UNK] = 0
    return np.asarray(probs / probs.sum())


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_are_the_softmax_at_the_temperature(temperature: float) -> None:
    logits = make_logits(1)
    counts = np.bincount(sample_many(logits, make_params(temperature=temperature), n=5000), minlength=30) / 5000
    np.testing.assert_allclose(counts, softmax(logits, temperature), atol=1e-3)


def test_temperature_zero_takes_the_likeliest() -> None:
    logits = make_logits(2)
    expected = 1 + int(np.argmax(logits[1:]))
    assert set(sample_many(logits, make_params(temperature=0.0), n=50)) == {expected}


@given(seed=st.integers(0, 999), k=st.integers(1, 12))
@settings(max_examples=20)
def test_top_k_keeps_the_k_likeliest(seed: int, k: int) -> None:
    logits = make_logits(seed)
    allowed = set(np.argsort(-softmax(logits))[:k].tolist())
    assert set(sample_many(logits, make_params(top_k=k), n=400).tolist()) <= allowed


@given(seed=st.integers(0, 999), mass=st.floats(0.05, 0.95))
@settings(max_examples=20)
def test_top_p_keeps_the_smallest_set_that_has_the_mass(seed: int, mass: float) -> None:
    logits = make_logits(seed)
    p = softmax(logits)
    order = np.argsort(-p)
    needed = int(np.searchsorted(np.cumsum(p[order]), mass * (1 - 1e-5))) + 1
    seen = set(sample_many(logits, make_params(top_p=mass), n=4000).tolist())
    assert seen <= set(order[: needed + 1].tolist())
    assert set(order[: max(1, needed - 1)].tolist()) <= seen | set(np.flatnonzero(p < 1e-3).tolist())


def test_min_p_drops_what_is_far_less_likely_than_the_likeliest() -> None:
    logits = make_logits(4)
    p = softmax(logits)
    assert set(sample_many(logits, make_params(min_p=0.3)).tolist()) == set(np.flatnonzero(p >= 0.3 * p.max()).tolist())


def test_the_unknown_token_is_never_drawn_and_the_end_only_where_it_may() -> None:
    logits = np.full(10, -5.0, np.float32)
    logits[[UNK, EOS, EOT]] = 30.0
    assert set(sample_many(logits, make_params(), n=200)) == {EOS, EOT}
    assert not set(sample_many(logits, make_params(), allow_stop=False, n=200)) & {UNK, EOS, EOT}


def make_state(recent: list[int]) -> DecodeState:
    recent_tokens = np.full((1, REPEAT_WINDOW), -1, np.int32)
    recent_tokens[0, : len(recent)] = recent
    return DecodeState(
        seeds=np.array([5], np.uint64),
        last_token=np.zeros(1, np.int32),
        finish_status=np.zeros(1, np.int32),
        num_tokens=np.full(1, len(recent), np.int64),
        num_chars=np.zeros(1, np.int64),
        nll=np.zeros(1, np.float64),
        recent_tokens=recent_tokens,
        mu=np.zeros(1, np.float64),
        fsm_state=np.zeros(1, np.int32),
    )


@pytest.mark.slow
def test_the_repetition_penalty_divides_and_multiplies_once() -> None:
    logits = np.full((1, 8), -9.0, np.float32)
    logits[0, 3:6] = [2.0, 1.9, -0.1]
    how = make_params(8, temperature=0.0, repeat_penalty=2.0)
    for recent, expected in (([], 3), ([3], 4), ([3, 3, 3, 4], 3), ([3, 4, 4], 3)):
        weights = np.empty_like(logits)
        assert decode_one(logits.copy(), weights, np.zeros(8, np.float32), how, make_state(recent)) == expected


def test_the_books_count_the_cost_at_temperature_one() -> None:
    logits = make_logits(6)[None]
    books = make_state([])
    token = decode_one(logits.copy(), np.empty_like(logits), np.zeros(30, np.float32), make_params(30, top_k=1), books)
    exact = np.exp(logits[0].astype(np.float64))
    assert books.nll[0] == pytest.approx(-np.log(exact[token] / exact.sum()), rel=1e-5)
    assert (books.num_tokens[0], books.num_chars[0], books.last_token[0], books.recent_tokens[0, 0]) == (
        1,
        1,
        token,
        token,
    )


def test_uniform_numbers_are_uniform_and_streams_differ() -> None:
    a, b = np.empty(20_000), np.empty(20_000)
    fill_uniform(np.uint64(0), a)
    fill_uniform(np.uint64(1), b)
    for numbers in (a, b):
        assert ((numbers >= 0) & (numbers < 1)).all()
        counts, _ = np.histogram(numbers, 20, (0, 1))
        assert np.abs(counts - 1000).max() < 150
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03
    assert abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < 0.03


def make_automaton(V: int, seed: int) -> TokenAutomaton:
    """Three places: nothing, within a word, and one that must go on; tokens that lead on, are banned, or stop."""
    rng = np.random.default_rng(seed)
    default_next = rng.choice([0, 0, 0, 1, 2, BANNED, STOPS], (2, V)).astype(np.int32)
    kind = np.array([0, 1, 1], np.int8)
    override_tokens = [np.sort(rng.choice(V, rng.integers(0, V), replace=False)) for _ in range(3)]
    default_states = np.concatenate([default_next[kind[state], override_tokens[state]] for state in range(3)])
    next_states = np.where(default_states == BANNED, BANNED, rng.choice([0, 1, 2, BANNED, STOPS], default_states.size))
    next_states = np.where((default_states == STOPS) & (next_states >= 0), STOPS, next_states)
    ends = np.cumsum([len(each) for each in override_tokens])
    return TokenAutomaton(
        default_next=np.vstack([default_next, rng.random(V) < 0.3]).astype(np.int32),
        states=np.stack([kind, [0, 0, 1], [0, *ends[:-1]], ends], axis=1).astype(np.int32),
        overrides=np.stack([np.concatenate(override_tokens), next_states], axis=1).astype(np.int32),
    )


def next_state(automaton: TokenAutomaton, state: int, token: int) -> int:
    kind, _, first, end = automaton.states[state]
    for k in range(first, end):
        if automaton.overrides[k, 0] == token:
            return int(automaton.overrides[k, 1])
    return int(automaton.default_next[kind, token])


def reference_probabilities(
    logits: Float32, bias: Float32, params: SamplingParams, decode_state: DecodeState
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The probability of each token, one plain rule after the other; all zeros where nothing may be drawn."""
    both = logits.astype(np.float64) + bias
    cond_logits, V = both[0], bias.size
    adjusted = (
        (cond_logits - params.relevance * both[1]) / (1 - params.relevance) if params.relevance else cond_logits.copy()
    )
    for token in {int(each) for each in decode_state.recent_tokens[0] if each >= 0}:
        adjusted[token] *= params.repeat_penalty if adjusted[token] <= 0 else 1 / params.repeat_penalty
    allow_stop = decode_state.num_chars[0] >= params.min_chars
    state = int(decode_state.fsm_state[0])
    closing = params.automaton.states[state, 1]
    allowed = np.array(
        [token not in (UNK, EOS, EOT) or (token > 0 and allow_stop and not closing) for token in range(V)]
    )
    for token in range(V):
        after = next_state(params.automaton, state, token)
        if (
            after == BANNED
            or (after == STOPS and not allow_stop)
            or (closing and params.automaton.default_next[2, token])
        ):
            allowed[token] = False
    if not allowed.any():
        return np.zeros(V)
    if params.relevance:
        allowed &= cond_logits >= cond_logits[allowed].max() + np.log(0.1 * params.relevance) - 1e-5
    if params.mirostat:
        surprise = (np.log(np.exp(cond_logits).sum()) - cond_logits) / np.log(2)
        allowed &= surprise <= max(decode_state.mu[0], surprise[allowed].min()) + 1e-5
    p = np.where(allowed, np.exp((adjusted - adjusted[allowed].max()) / params.temperature), 0)
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
    how = make_params(
        V, temperature=0.7, relevance=relevance, mirostat=mirostat, repeat_penalty=penalty, min_chars=min_chars
    )
    how = how._replace(has_automaton=True, automaton=make_automaton(V, seed))
    books = make_state(rng.integers(0, V, 5).tolist())
    books.seeds[0], books.num_chars[0], books.mu[0], books.fsm_state[0] = (
        u_seed,
        1,
        rng.uniform(0, 6),
        rng.integers(0, 3),
    )
    before = copy.deepcopy(books)
    p = reference_probabilities(logits, bias, how, before)
    token = decode_one(logits.copy(), np.empty_like(logits), bias, how, books)
    number = np.empty(6)
    fill_uniform(np.uint64(u_seed), number)
    if not p.any():
        assert token == EOS
    else:
        low, high = p[:token].sum(), p[: token + 1].sum()
        assert p[token] > 0
        assert low - 1e-4 <= number[5] <= high + 1e-4
    voice = logits[0].astype(np.float64) + bias
    bits = (np.log(np.exp(voice).sum()) - voice[token]) / np.log(2)
    assert books.nll[0] == pytest.approx(bits * np.log(2), rel=1e-4, abs=1e-4)
    assert books.mu[0] == pytest.approx(before.mu[0] - 0.1 * (bits - mirostat), abs=1e-4)
    after = next_state(how.automaton, int(before.fsm_state[0]), token)
    stops = {EOS: FINISH_EOS, EOT: FINISH_TURN}.get(token, FINISH_STOP if after == STOPS else RUNNING)
    assert books.finish_status[0] == stops
    assert books.fsm_state[0] == (after if stops == RUNNING else before.fsm_state[0])


@pytest.mark.parametrize("odd", [np.nan, np.inf])
@pytest.mark.parametrize("changes", [{}, {"temperature": 0.0}, {"top_k": 3, "top_p": 0.5}, {"mirostat": 3.0}])
def test_logits_that_are_no_numbers_end_the_text(odd: float, changes: dict[str, float]) -> None:
    logits = make_logits(1)
    logits[7] = odd
    assert set(sample_many(logits, make_params(30, **changes), allow_stop=False, n=5).tolist()) == {EOS}
    assert set(sample_many(np.full(30, odd, np.float32), make_params(30, **changes), n=5).tolist()) == {EOS}
