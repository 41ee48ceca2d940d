"""The best of several texts: which one it is, the seeds of the others, and what is left of an interrupted choice."""

import dataclasses
import math

import numpy as np
import pytest

from grucli.generation.best_of import BestOf, mmi_score
from grucli.generation.options import MAX_SEED, OPTIONS, GenerationConfig, Sample, State, default_config
from grucli.generation.sampler import Sampler
from grucli.text.tokenizers import EOS, EOT
from tests.generation.test_sampler import make_model

CONFIG = GenerationConfig(seed=5, max_chars=40, best_of=6)


@pytest.fixture(scope="module", params=[True, False])
def sampler(request: pytest.FixtureRequest) -> Sampler:
    return Sampler(make_model("subword", end_logit=-2.0, conversations=request.param))


def answer_state(sampler: Sampler) -> State:
    return sampler.end_turn(sampler.read(sampler.initial_state(), "the lazy dog"))


def bits_per_char(sampler: Sampler, state: State, sample: Sample) -> float:
    bits = sum(token.bits for token in sampler.surprisals(state, sample.text))
    if sample.stopped in ("end", "turn"):
        is_end = {"end": EOS, "turn": EOT}[sample.stopped]
        after = sampler.top_next_tokens(sampler.read(state, sample.text), 1000, GenerationConfig(temp=1.0))
        bits -= math.log2(next(each.probability for each in after if each.token == is_end))
    return bits / len(sample.text)


def test_it_is_the_one_with_most_mutual_information(sampler: Sampler) -> None:
    state, start = answer_state(sampler), sampler.initial_state()
    uncond_state = sampler.end_turn(start) if sampler.conversations else start
    candidates = list(sampler.generate(state, "", 6, dataclasses.replace(CONFIG, seed=30, best_of=1), in_order=True))
    stream = sampler.stream(state, CONFIG)
    assert "".join(chunk.text for chunk in stream) == stream.sample.text
    expected = max(
        (sample for sample in candidates if sample.text),
        key=lambda sample: mmi_score(sample.bits_per_char, bits_per_char(sampler, uncond_state, sample)),
    )
    assert stream.sample == dataclasses.replace(expected, seed=5)
    np.testing.assert_array_equal(stream.state.hidden, sampler.read(state, expected.text).hidden)


def test_samples_are_those_of_streams_and_share_no_candidates(sampler: Sampler) -> None:
    state = answer_state(sampler)
    samples = list(sampler.generate(state, "", 4, CONFIG))
    assert [sample.seed for sample in samples] == [5, 6, 7, 8]
    for sample in samples:
        stream = sampler.stream(state, dataclasses.replace(CONFIG, seed=sample.seed))
        assert len(list(stream)) == CONFIG.best_of + 1
        assert stream.sample == sample
    assert len({sample.text for sample in samples}) > 1


def test_any_seed_has_candidates(sampler: Sampler) -> None:
    (sample,) = sampler.generate(answer_state(sampler), "", 1, dataclasses.replace(CONFIG, seed=MAX_SEED))
    assert sample.seed == MAX_SEED


def make_best_of(*texts: str) -> BestOf:
    return BestOf(
        (Sample(text, "", seed, 3, 1.5, "end") for seed, text in enumerate(texts)),
        lambda samples: [float(sample.text.count("x")) for sample in samples],
        Sample("", "", 9, 0, 0.0, "interrupted"),
        lambda text: State(np.zeros((1, 1), np.float32), len(text)),
    )


def test_nothing_is_chosen_before_all_are_complete() -> None:
    best_of = make_best_of("x", "", "xxx", "xx")
    chunks = iter(best_of)
    for _ in range(4):
        assert next(chunks).text == ""
        assert (best_of.sample.text, best_of.sample.stopped) == ("", "interrupted")
    assert [chunk.text for chunk in chunks] == ["xxx"]
    assert (best_of.sample.seed, best_of.state.last_token) == (9, 3)


def test_no_text_is_better_than_none() -> None:
    best_of = make_best_of("", "")
    assert [chunk.text for chunk in best_of] == ["", "", ""]
    assert best_of.sample.stopped == "end"


def test_replies_of_a_model_that_reads_whole_words_have_their_own_defaults() -> None:
    replies = default_config(conversations=True, tokenizer="subword")
    changed = {each.name for each in OPTIONS if getattr(replies, each.name) != each.default}
    assert changed == {"temp", "repeat_penalty", "relevance", "best_of"}
    assert default_config(conversations=True, tokenizer="char") == GenerationConfig()
    assert default_config(conversations=False, tokenizer="subword") == GenerationConfig()
