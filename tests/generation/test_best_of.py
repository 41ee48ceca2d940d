"""The best of several texts: which one it is, the seeds of the others, and what is left of an interrupted choice."""

import dataclasses

import numpy as np
import pytest

from grucli.generation.best_of import BestOf, choose_best, mmi_score
from grucli.generation.options import MAX_SEED, OPTIONS, GenerationConfig, Sample, State, default_config
from grucli.generation.sampler import Sampler
from tests.generation.test_sampler import make_model

CONFIG = GenerationConfig(seed=5, max_chars=40, best_of=6)


@pytest.fixture(scope="module", params=[True, False])
def sampler(request: pytest.FixtureRequest) -> Sampler:
    return Sampler(make_model("subword", end_logit=-2.0, conversations=request.param))


def answer_state(sampler: Sampler) -> State:
    return sampler.end_turn(sampler.read(sampler.initial_state(), "the lazy dog"))


def bits_per_char(sampler: Sampler, state: State, text: str) -> float:
    return sum(token.bits for token in sampler.surprisals(state, text)) / len(text)


def test_it_is_the_one_with_most_mutual_information(sampler: Sampler) -> None:
    state, uncond_state = answer_state(sampler), sampler.initial_state()
    candidates = list(sampler.generate(state, "", 6, dataclasses.replace(CONFIG, seed=30, best_of=1), in_order=True))
    stream = sampler.stream(state, CONFIG)
    assert "".join(chunk.text for chunk in stream) == stream.sample.text
    expected = max(
        (sample for sample in candidates if sample.text),
        key=lambda each: mmi_score(
            bits_per_char(sampler, state, each.text), bits_per_char(sampler, uncond_state, each.text)
        ),
    )
    assert stream.sample == dataclasses.replace(expected, seed=5)
    np.testing.assert_array_equal(stream.state.hidden, sampler.read(state, expected.text).hidden)


def test_scores_are_of_the_text_as_it_would_be_read(sampler: Sampler) -> None:
    """Not of the tokens that were drawn: a word in odd parts is unlikely after any dialogue."""
    state, uncond_state = answer_state(sampler), sampler.initial_state()
    texts = ["the", "quick brown fox " * 40, "z", "lazy dog"]
    expected = [
        mmi_score(bits_per_char(sampler, state, text), bits_per_char(sampler, uncond_state, text)) for text in texts
    ]
    np.testing.assert_allclose(sampler.mmi_scores(state, texts), expected, rtol=1e-5)


def test_a_reply_is_compared_with_the_dialogue_without_the_turn_it_answers() -> None:
    sampler = Sampler(make_model("subword", end_logit=-2.0, conversations=True))
    turns = ["the quick", "brown fox", "jumps", "over the"]
    before, state = sampler.initial_state(), sampler.initial_state()
    for turn in turns:
        before, state = state, sampler.end_turn(sampler.read(state, turn))
    for begun, text in (("", "lazy dog"), ("lazy", " dog")):
        here, there = sampler.read(state, begun), sampler.read(before, begun)
        expected = mmi_score(bits_per_char(sampler, here, text), bits_per_char(sampler, there, text))
        np.testing.assert_allclose(sampler.mmi_scores(here, [text]), [expected], rtol=1e-5)


def test_a_generated_turn_can_be_left_out_like_one_that_was_read() -> None:
    sampler = Sampler(make_model("subword", end_logit=-2.0, conversations=True))
    state = sampler.end_turn(sampler.read(sampler.initial_state(), "the lazy dog"))
    stream = sampler.stream(state, GenerationConfig(seed=3, max_chars=30))
    text = "".join(chunk.text for chunk in stream)
    generated, read = sampler.end_turn(stream.state), sampler.end_turn(sampler.read(state, text))
    assert generated.without_turn is not None
    assert read.without_turn is not None
    np.testing.assert_array_equal(generated.without_turn.hidden, state.hidden)
    np.testing.assert_array_equal(read.without_turn.hidden, state.hidden)


@pytest.mark.parametrize("seed", [5, MAX_SEED - 1, MAX_SEED // 6, MAX_SEED // 3])
def test_samples_are_those_of_streams_and_share_no_candidates(sampler: Sampler, seed: int) -> None:
    state, config = answer_state(sampler), dataclasses.replace(CONFIG, seed=seed)
    samples = list(sampler.generate(state, "", 4, config))
    assert [sample.seed for sample in samples] == [(seed + number) % (MAX_SEED + 1) for number in range(4)]
    for sample in samples:
        stream = sampler.stream(state, dataclasses.replace(config, seed=sample.seed))
        list(stream)
        assert stream.sample == sample
    assert len({sample.text for sample in samples}) > 1


def test_seeds_go_on_at_zero(sampler: Sampler) -> None:
    config = dataclasses.replace(CONFIG, seed=MAX_SEED, best_of=1)
    first, second = sampler.generate(answer_state(sampler), "", 2, config, in_order=True)
    assert (first.seed, second.seed) == (MAX_SEED, 0)
    stream = sampler.stream(answer_state(sampler), dataclasses.replace(config, seed=0))
    assert "".join(chunk.text for chunk in stream) == second.text


def make_best_of(*batches: str) -> BestOf:
    """Each batch is the texts that have finished, separated by commas."""
    return BestOf(
        ([Sample(text, "", 3, 3, 1.5, "end") for text in batch.split(",")] if batch else [] for batch in batches),
        lambda texts: [float(text.count("x")) for text in texts],
        Sample("", "", 9, 0, 0.0, "interrupted"),
        lambda text: State(np.zeros((1, 1), np.float32), len(text)),
    )


def test_it_can_be_interrupted_at_any_slice_and_keeps_the_first_one() -> None:
    best_of = make_best_of("", "x", "xxx,xx", "")
    chunks, seen = iter(best_of), []
    for _ in range(4):
        assert next(chunks).text == ""
        seen.append((best_of.sample.text, best_of.sample.stopped))
    assert seen == [("", "interrupted"), *[("x", "interrupted")] * 3]
    assert [chunk.text for chunk in chunks] == ["xxx"]
    best = best_of.sample
    assert (best.text, best.stopped, best.seed, best_of.state.last_token) == ("xxx", "end", 9, 3)


def test_a_long_candidate_does_not_keep_the_caller_waiting(sampler: Sampler) -> None:
    config = dataclasses.replace(CONFIG, min_chars=2000, max_chars=2000)
    assert len(list(sampler.stream(answer_state(sampler), config))) > 10


def test_no_text_is_the_last_choice() -> None:
    assert choose_best([make_sample(""), make_sample("a"), make_sample("x")], lambda texts: [0.0, -1.0]).text == "a"
    assert choose_best([make_sample(""), make_sample("")], lambda texts: []).text == ""


def make_sample(text: str) -> Sample:
    return Sample(text, "", 0, 3, 1.5, "end")


def test_replies_of_a_model_that_reads_whole_words_have_their_own_defaults() -> None:
    replies = default_config(conversations=True, tokenizer="subword")
    changed = {each.name for each in OPTIONS if getattr(replies, each.name) != each.default}
    assert changed == {"temp", "repeat_penalty", "relevance", "best_of"}
    assert default_config(conversations=True, tokenizer="char") == GenerationConfig()
    assert default_config(conversations=False, tokenizer="subword") == GenerationConfig()
