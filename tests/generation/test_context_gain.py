"""The context gain: its sample of replies and pairs, its figures against each reply scored alone in float64."""

import math
import random
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grucli.engine.cpu import CpuScorer
from grucli.engine.thread_pool import ThreadPool
from grucli.errors import EmptyInputError
from grucli.generation import context_gain
from grucli.generation.context_gain import (
    MAX_CONTEXT_TURNS,
    ReplySample,
    measure_context_gain,
    sample_replies,
    training_sample,
)
from grucli.model.cells import CELLS
from grucli.model.config import ModelConfig
from grucli.model.figures import ContextGain
from grucli.model.parameters import init_parameters
from grucli.text import token_file, tokenizers
from grucli.text.token_file import TokenFile, TokenWriter
from grucli.text.tokenizers import EOS, EOT
from tests.model.reference import layer_parameters, log_softmax
from tests.training.small_runs import run_summary, small_options

TOKENIZER = tokenizers.train("char", ["abcdefghij"])
relaxed_settings = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
conversation_lists = st.lists(
    st.lists(st.text("abcdefghij", max_size=12), min_size=1, max_size=7), min_size=1, max_size=12
)


def write_token_file(directory: Path, conversations: Sequence[Sequence[str]]) -> TokenFile:
    path = directory / "a.tokens"
    path.unlink(missing_ok=True)
    with TokenWriter(path, TOKENIZER, running_text=False) as writer:
        for turns in conversations:
            writer.write_texts(turns, [EOS, *[EOT] * (len(turns) - 1)])
    return TokenFile(path)


def random_conversations(count: int, seed: int = 0) -> list[list[str]]:
    rng = random.Random(seed)
    return [
        ["".join(rng.choices("abcdefghij", k=rng.randint(0, 30))) for _ in range(rng.randint(1, 6))]
        for _ in range(count)
    ]


def list_replies(conversations: Sequence[Sequence[str]]) -> dict[int, tuple[int, int, int, int]]:
    """Of each reply, by its position: begin, end, turns before it up to three, number of its conversation."""
    replies, start = {}, 0
    for number, turns in enumerate(conversations):
        starts = np.cumsum([start, *(len(turn) + 1 for turn in turns)]).tolist()
        for index in range(1, len(turns)):
            count = min(index, MAX_CONTEXT_TURNS)
            replies[starts[index]] = (starts[index - count], starts[index + 1], count, number)
        start = starts[-1]
    return replies


def spread_evenly(replies: Mapping[int, object], max_replies: int) -> list[int]:
    positions, count = list(replies), min(len(replies), max_replies)
    return [positions[i * len(positions) // count] for i in range(count)]


@pytest.mark.slow
@relaxed_settings
@given(conversation_lists, st.integers(2, 40), st.sampled_from([5, 1 << 20]))
def test_each_reply_gets_the_context_of_another_conversation_with_as_many_turns(
    tmp_path: Path, conversations: list[list[str]], max_replies: int, chunk: int
) -> None:
    tokens, replies = write_token_file(tmp_path, conversations), list_replies(conversations)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_file, "_CHUNK_TOKENS", chunk)
        try:
            sample = sample_replies(tokens, max_replies)
        except EmptyInputError:
            found = {replies[position][2:] for position in spread_evenly(replies, max_replies)}
            assert len({turns for turns, _ in found}) == len(found)
            return
    assert 2 <= len(sample.replies) <= min(max_replies, len(replies))
    assert (np.diff(sample.replies) > 0).all()
    for begin, reply, end, other_begin, other in zip(*(each.tolist() for each in sample), strict=True):
        own, donor = replies[reply], replies[other]
        assert (begin, end, other_begin) == (*own[:2], donor[0])
        assert own[2] == donor[2]
        assert own[3] != donor[3]


def test_a_sample_is_spread_over_the_file_and_always_the_same(tmp_path: Path) -> None:
    conversations = random_conversations(300)
    tokens = write_token_file(tmp_path, conversations)
    sample = sample_replies(tokens, 50)
    assert sample.replies.tolist() == spread_evenly(list_replies(conversations), 50)
    assert all(np.array_equal(*pair) for pair in zip(sample, sample_replies(tokens, 50), strict=True))


@pytest.mark.parametrize(("stride", "size"), [(1, 256), (5, 60), (200, 32)])
def test_the_sample_of_a_training_grows_with_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stride: int, size: int
) -> None:
    monkeypatch.setattr(context_gain, "_TRAINING_STRIDE", stride)
    tokens = write_token_file(tmp_path, [["a", "b"]] * 300)
    sample = training_sample(tokens)
    assert sample is not None
    assert len(sample.replies) == size
    assert all(np.array_equal(*pair) for pair in zip(sample, sample_replies(tokens, size), strict=True))


def naive_bits(config: ModelConfig, parameters: dict[str, np.ndarray], ids: Sequence[int], scored: int) -> float:
    """Bits of the last `scored` of ids, read from a zero state by the equations in float64."""
    x, resets = parameters["embedding"][list(ids[:-1])][:, None], np.zeros((len(ids) - 1, 1), np.bool_)
    for index in range(config.L):
        state = np.zeros((1, config.H))
        x = CELLS[config.cell].forward(layer_parameters(parameters, index), x, state, resets)[0]
    log_probs = log_softmax(x[:, 0] @ parameters["out.W"] + parameters["out.b"])
    return float(-log_probs[np.arange(len(ids) - 1), ids[1:]][-scored:].sum() / math.log(2))


def naive_gains(tokens: TokenFile, sample: ReplySample, config: ModelConfig, seed: int) -> list[float]:
    exact = {name: view.astype(np.float64) for name, view in init_parameters(config, seed).views.items()}
    ring, gains = [*tokens.ids.tolist(), EOS], []
    for begin, reply, end, other_begin, other in zip(*(each.tolist() for each in sample), strict=True):
        said = ring[reply : end + 1]
        own, wrong = (
            naive_bits(config, exact, [EOS, *ring[low + 1 : high], *said], len(said) - 1)
            for low, high in ((begin, reply), (other_begin, other))
        )
        gains.append(wrong - own)
    return gains


@pytest.mark.parametrize("per_pass", [3, 128])
def test_the_gain_is_that_of_each_reply_scored_alone(
    tmp_path: Path, per_pass: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context_gain, "_REPLIES_PER_PASS", per_pass)
    monkeypatch.setattr(context_gain, "_LANES", 4)
    tokens, config = write_token_file(tmp_path, random_conversations(5)), ModelConfig("gru", 13, 5, 7, 2)
    sample = sample_replies(tokens)
    gain = measure_context_gain(CpuScorer(init_parameters(config, 3), ThreadPool(1)), tokens, sample)
    gains = np.array(naive_gains(tokens, sample, config, 3))
    half_width = 1.959964 * gains.std(ddof=1) / math.sqrt(len(gains))
    assert gain.context_gain_bits == pytest.approx(gains.mean(), abs=1e-5)
    assert gain.context_gain_interval == pytest.approx((gains.mean() - half_width, gains.mean() + half_width), abs=1e-5)
    assert gain.right_context_share == (gains > 0).mean()
    assert gain.context_replies == len(gains) > 4


def test_an_untrained_model_gains_nothing_and_threads_change_nothing(tmp_path: Path) -> None:
    tokens, config = write_token_file(tmp_path, random_conversations(60)), ModelConfig("gru", 13, 8, 16, 1)
    sample = sample_replies(tokens)
    one, two = (
        measure_context_gain(CpuScorer(init_parameters(config, 0), ThreadPool(threads)), tokens, sample)
        for threads in (1, 2)
    )
    assert one == two
    assert one.context_gain_bits == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(
    "conversations",
    [[["a"], ["b"]], [["a", "b", "c", "d", "e"], ["f"]], [["a", "b", "c", "d"]], [["", ""], ["a"]]],
    ids=["no reply", "one conversation", "a single document", "one reply"],
)
def test_too_few_replies_are_refused(tmp_path: Path, conversations: list[list[str]]) -> None:
    tokens = write_token_file(tmp_path, conversations)
    with pytest.raises(EmptyInputError, match="too few replies"):
        sample_replies(tokens)
    assert training_sample(tokens) is None


def test_a_long_turn_is_read_whole(tmp_path: Path) -> None:
    conversations = [["a" * 3000, "b" * 2000, "c" * 700], ["d", "e" * 5000]]
    sample = sample_replies(write_token_file(tmp_path, conversations))
    assert sample.replies.tolist() == [3001, 5705]
    assert list(zip(sample.begins.tolist(), sample.ends.tolist(), strict=True)) == [(0, 5002), (5703, 10706)]


def write_echo_corpus(path: Path, conversations: int) -> Path:
    """Conversations whose replies repeat the letter that was said."""
    rng = random.Random(0)
    rows = chain.from_iterable(
        [(number, f"{letter}?"), (number, f"{letter}!")]
        for number in range(conversations)
        for letter in rng.choice("abcdefghij")
    )
    path.write_text("thread,body\n" + "".join(f"{thread},{body}\n" for thread, body in rows))
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_a_model_that_repeats_a_letter_of_the_question_gains_its_bits(tmp_path: Path) -> None:
    corpus = write_echo_corpus(tmp_path / "echo.csv", 2000)
    options = small_options(
        corpus, hidden=24, layers=1, batch=16, seq=12, steps=400, lr=0.01, weight_decay=0.01, val=0.2
    )
    summary = run_summary(options)
    low, high = summary.context_gain_interval or (0.0, 0.0)
    assert 3 < low < (summary.context_gain_bits or 0.0) < high
    assert (summary.right_context_share or 0.0) > 0.8


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_a_run_on_comments_has_no_gain(tmp_path: Path) -> None:
    corpus = tmp_path / "comments.csv"
    corpus.write_text("body\n" + "".join(f"comment {number}\n" for number in range(200)))
    summary = run_summary(small_options(corpus, steps=4))
    assert summary.val_nats is not None
    assert summary.gain_figures() == ContextGain().gain_figures()
