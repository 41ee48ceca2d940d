"""Losses by document, and intervals by the bootstrap over documents."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from grucli.engine.cpu import CpuScorer
from grucli.engine.thread_pool import ThreadPool
from grucli.generation.bootstrap import MIN_DOCUMENTS, RESAMPLES, percentile_interval, resampled_sums
from grucli.generation.confidence_interval import mean_interval
from grucli.generation.evaluation import DocumentNats, evaluate_tokens
from grucli.model.parameters import Parameters
from grucli.text.documents import Documents
from grucli.text.token_file import TokenFile, TokenWriter
from grucli.text.tokenizers import EOS
from tests.model.factories import make_weights

NAMES = ("one", "other")


def make_documents(characters: Sequence[int]) -> Documents:
    sizes = np.array(characters, np.int64)
    return Documents("comments", np.cumsum(sizes) - sizes, sizes, sizes, np.zeros_like(sizes))


def with_nats(nats: Sequence[float], characters: Sequence[int]) -> DocumentNats:
    scores = DocumentNats(make_documents(characters))
    scores.nats = np.array(nats)
    return scores


@pytest.mark.parametrize("running_text", [False, True])
def test_the_documents_have_the_nats_of_their_tokens(tmp_path: Path, running_text: bool) -> None:
    model = make_weights()
    parameters = Parameters(model.sizes)
    parameters.load(model.arrays)
    scorer = CpuScorer(parameters, ThreadPool(1))
    path, texts = tmp_path / "a.tokens", ["hello " * (1 + number % 7) + "you" for number in range(80)]
    with TokenWriter(path, model.tokenizer, running_text=running_text) as writer:
        if running_text:
            writer.write_texts(["".join(texts)], [EOS])
        else:
            writer.write_texts(texts, [EOS] * len(texts))
    tokens, lengths = TokenFile(path), np.array([len(text) + (not running_text) for text in texts], np.int64)
    zeros = np.zeros_like(lengths)
    scores = DocumentNats(Documents("comments", np.cumsum(lengths) - lengths, lengths, lengths, zeros + 1))
    result = evaluate_tokens(scorer, tokens, scores)
    assert result == evaluate_tokens(scorer, tokens)
    nats = scores.nats - 8 * math.log(2)
    assert nats.sum() == pytest.approx(result.nats_per_token * result.tokens, rel=1e-6)
    if not running_text:
        for index in (0, 7, 79):
            alone = tmp_path / "b.tokens"
            alone.unlink(missing_ok=True)
            with TokenWriter(alone, model.tokenizer, running_text=False) as writer:
                writer.write_texts([texts[index]], [EOS])
            expected = evaluate_tokens(scorer, TokenFile(alone))
            assert nats[index] == pytest.approx(expected.nats_per_token * expected.tokens, rel=1e-5)


@pytest.mark.parametrize("count", [200, 5000])
def test_the_interval_is_that_of_normal_theory_for_a_mean(count: int) -> None:
    values = np.random.default_rng(1).exponential(size=count)
    sums = resampled_sums(np.stack([values, np.ones(count)], axis=1), 0)
    assert sums is not None
    assert sums.shape == (RESAMPLES, 2)
    bootstrap, normal = percentile_interval(sums[:, 0] / sums[:, 1]), mean_interval(values)
    assert normal is not None
    assert bootstrap == pytest.approx(normal, abs=0.15 * (normal[1] - normal[0]))


def test_the_seed_decides_the_documents() -> None:
    values = np.random.default_rng(1).normal(size=(50, 1))
    first, again, other = (resampled_sums(values, seed) for seed in (3, 3, 4))
    assert first is not None
    assert other is not None
    assert np.array_equal(first, np.asarray(again))
    assert not np.array_equal(first, other)
    assert resampled_sums(values[: MIN_DOCUMENTS - 1], 3) is None
    assert resampled_sums(values[:MIN_DOCUMENTS], 3) is not None


@pytest.mark.slow
def test_the_interval_covers_the_true_ratio_about_as_often_as_it_says() -> None:
    random, covered = np.random.default_rng(5), 0
    for trial in range(200):
        characters = random.integers(1, 100, 300)
        nats = characters * random.gamma(20, 1.5 / 20, 300)
        interval = with_nats(nats.tolist(), characters.tolist()).figures(trial)["bits_per_char_interval"]
        covered += interval[0] <= 1.5 / math.log(2) <= interval[1]
    assert 0.90 <= covered / 200 <= 0.99


def test_a_model_compared_with_itself_is_no_different() -> None:
    scores = with_nats(np.linspace(1, 9, 40).tolist(), [5] * 40)
    difference = scores.difference(scores, NAMES, 0)
    assert (difference.difference_bits_per_char, difference.difference_interval) == (0, (0, 0))
    assert difference.verdict == "no difference beyond noise between other and one"


def test_a_small_difference_in_every_document_is_found() -> None:
    # Documents differ much more from each other than the models on one of them: only pairs show it.
    random = np.random.default_rng(2)
    characters = random.integers(5, 200, 300).tolist()
    nats = np.array(characters) * random.uniform(0.5, 3.0, 300)
    first, second = with_nats(nats.tolist(), characters), with_nats((nats * 1.01).tolist(), characters)
    difference = second.difference(first, NAMES, 0)
    low, high = difference.difference_interval or (0.0, 0.0)
    assert 0 < low < difference.difference_bits_per_char < high
    assert difference.verdict == "one predicts the text better than other"
    assert first.difference(second, ("other", "one"), 0).verdict == "one predicts the text better than other"
    (one_low, one_high), (other_low, _) = (each.figures(0)["bits_per_char_interval"] for each in (first, second))
    assert one_low < other_low < one_high
    noise = with_nats((nats * random.normal(1, 0.05, 300)).tolist(), characters)
    assert "no difference beyond noise" in noise.difference(first, NAMES, 0).verdict


def test_few_documents_have_no_interval() -> None:
    scores = with_nats([1.0] * 9, [3] * 9)
    assert scores.figures(0)["bits_per_char_interval"] is None
    difference = scores.difference(with_nats([2.0] * 9, [3] * 9), NAMES, 0)
    assert difference.difference_interval is None
    assert difference.difference_bits_per_char == pytest.approx(-1 / 3 / math.log(2))
    assert difference.verdict == "too few comments to tell other and one apart"
