import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grucli.errors import EmptyInputError, GruError
from grucli.text import loader, tokenizers
from grucli.text.loader import BatchLoader, eval_windows
from grucli.text.token_file import TokenFile, TokenWriter
from grucli.text.tokenizers import EOS

TOKENIZER = tokenizers.train("char", [chr(point) for point in range(0x4E00, 0x4E00 + 8000)], 9000)
"""Every token of the files below is another one, so that a place in them can be told from its token."""

relaxed_settings = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
document_lengths = st.lists(st.integers(1, 60), min_size=1, max_size=30)


def write_token_file(directory: Path, lengths: list[int], *, running_text: bool = False) -> TokenFile:
    path = directory / "a.tokens"
    path.unlink(missing_ok=True)
    begin = 0x4E00
    with TokenWriter(path, TOKENIZER, running_text=running_text) as writer:
        for length in lengths:
            writer.write_texts(["".join(map(chr, range(begin, begin + length)))], [EOS])
            begin += length
    return TokenFile(path)


@relaxed_settings
@given(document_lengths, st.integers(1, 9), st.integers(1, 20), st.integers(0, 2**70), st.integers(0, 500))
def test_a_batch_is_windows_of_the_ring(
    tmp_path: Path, lengths: list[int], B: int, T: int, seed: int, step: int
) -> None:
    tokens = write_token_file(tmp_path, lengths)
    if tokens.tokens <= T:
        with pytest.raises(EmptyInputError):
            BatchLoader(tokens, B, T, seed)
        return
    batch = BatchLoader(tokens, B, T, seed).get_batch(step)
    ring = tokens.ids.tolist() * (3 + T)
    text = ",".join(map(str, ring))

    assert batch.inputs.shape == batch.targets.shape == batch.reset_mask.shape == (T, B)
    assert batch.inputs.dtype == batch.targets.dtype == np.int32
    for lane in range(B):
        window = [*batch.inputs[:, lane].tolist(), int(batch.targets[-1, lane])]
        assert "," + ",".join(map(str, window)) + "," in "," + text + ","
        assert window[1:] == batch.targets[:, lane].tolist()
    assert (batch.reset_mask == (batch.inputs == EOS)).all()


@relaxed_settings
@given(document_lengths, st.integers(1, 5), st.integers(1, 12), st.integers(0, 99))
def test_a_lane_goes_on_where_it_stopped_until_the_epoch_ends(
    tmp_path: Path, lengths: list[int], B: int, T: int, seed: int
) -> None:
    tokens = write_token_file(tmp_path, [*lengths, T])
    made = BatchLoader(tokens, B, T, seed)
    windows = [made.get_batch(step) for step in range(2 * made.steps_per_epoch)]

    assert [window.is_epoch_start for window in windows] == 2 * [True, *[False] * (made.steps_per_epoch - 1)]
    for before, after in itertools.pairwise(windows):
        assert after.is_epoch_start or (after.inputs[0] == before.targets[-1]).all()


@relaxed_settings
@given(document_lengths, st.integers(1, 5), st.integers(1, 12), st.integers(0, 99))
def test_an_epoch_sees_no_place_twice_and_nearly_every_one(
    tmp_path: Path, lengths: list[int], B: int, T: int, seed: int
) -> None:
    tokens = write_token_file(tmp_path, [*lengths, B * T])
    made = BatchLoader(tokens, B, T, seed)
    seen = np.concatenate([made.get_batch(step).inputs.ravel() for step in range(made.steps_per_epoch)])
    seen = seen[seen != EOS]

    assert len(np.unique(seen)) == len(seen)
    assert made.steps_per_epoch * B * T > tokens.tokens - B * T


def test_batches_are_a_function_of_seed_epoch_and_step(tmp_path: Path) -> None:
    tokens = write_token_file(tmp_path, [50] * 40)
    one, same, other = (BatchLoader(tokens, 3, 5, seed) for seed in (7, 7, 8))
    late = same.get_batch(1000)
    epochs = [one.get_batch(epoch * one.steps_per_epoch).inputs[0, 0] for epoch in range(8)]

    assert (one.get_batch(1000).inputs == late.inputs).all()
    assert (one.get_batch(1000).inputs != other.get_batch(1000).inputs).any()
    assert len(set(epochs)) > 4


def test_the_order_of_epochs_is_the_same_everywhere_and_for_ever(tmp_path: Path) -> None:
    tokens = write_token_file(tmp_path, [999])
    first = [int(BatchLoader(tokens, 2, 4, seed).get_batch(step).inputs[0, 0]) for seed in (0, 1) for step in (0, 125)]

    assert first == [261, 640, 889, 487]


@pytest.mark.parametrize("length", [1, 7])
def test_a_corpus_shorter_than_one_window(tmp_path: Path, length: int) -> None:
    with pytest.raises(EmptyInputError) as caught:
        BatchLoader(write_token_file(tmp_path, [length]), 2, 8, 0)

    assert "--seq" in caught.value.hint
    assert BatchLoader(write_token_file(tmp_path, [8]), 2, 8, 0).get_batch(0).inputs.shape == (8, 2)


@relaxed_settings
@given(document_lengths, st.integers(1, 9), st.integers(1, 20))
def test_scoring_predicts_every_token_of_comments_once(tmp_path: Path, lengths: list[int], B: int, T: int) -> None:
    tokens = write_token_file(tmp_path, lengths)
    scored: list[tuple[int, int]] = []
    for window in eval_windows(tokens, B, T):
        assert window.inputs.shape == window.targets.shape == window.loss_mask.shape == (T, B)
        assert window.loss_mask.dtype == np.float32
        assert (window.reset_mask == (window.inputs == EOS)).all()
        counts = window.loss_mask == 1
        assert (window.loss_mask[~counts] == 0).all()
        scored += zip(window.inputs[counts].tolist(), window.targets[counts].tolist(), strict=True)
    ids = tokens.ids.tolist()

    assert sorted(scored) == sorted(zip(ids, ids[1:] + ids[:1], strict=True))


@relaxed_settings
@given(document_lengths, st.integers(1, 9), st.integers(1, 20))
def test_scoring_lanes_of_comments_begin_with_a_document(tmp_path: Path, lengths: list[int], B: int, T: int) -> None:
    windows = list(eval_windows(write_token_file(tmp_path, lengths), B, T))

    assert windows[0].reset_mask[0].all()
    for lane in range(B):
        read = np.concatenate([window.inputs[:, lane] for window in windows])
        counts = np.concatenate([window.loss_mask[:, lane] for window in windows])
        assert (np.diff(counts) <= 0).all()
        assert (np.diff(read[counts == 1][read[counts == 1] != EOS]) == 1).all()


@relaxed_settings
@given(st.integers(1, 7000), st.integers(1, 5), st.integers(1, 200))
def test_scoring_lanes_of_running_text_read_ahead_of_what_counts(tmp_path: Path, length: int, B: int, T: int) -> None:
    tokens = write_token_file(tmp_path, [length], running_text=True)
    windows = list(eval_windows(tokens, B, T))
    inputs, targets, weights = (
        np.concatenate([getattr(window, name) for window in windows]) for name in ("inputs", "targets", "loss_mask")
    )
    ids = tokens.ids.tolist()

    assert sorted(targets[weights == 1].tolist()) == sorted(ids[1:])
    for lane in range(B):
        counts = np.flatnonzero(weights[:, lane])
        if counts.size and inputs[counts[0], lane] != EOS:
            assert counts[0] == loader.BURN_IN
        assert (np.diff(counts) == 1).all()


def test_a_long_lane_is_not_searched_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "_BOUNDARY_SEARCH_TOKENS", 10)
    tokens = write_token_file(tmp_path, [3000, 3000])
    weights = np.concatenate([window.loss_mask for window in eval_windows(tokens, 4, 100)])

    assert weights.sum() == tokens.tokens
    assert weights.sum(axis=0).max() < 1600


def test_an_id_that_is_none_never_leaves(tmp_path: Path) -> None:
    tokens = write_token_file(tmp_path, [200])
    with tokens.path.open("r+b") as file:  # after it was opened and checked
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")

    with pytest.raises(GruError, match="beyond the vocabulary"):
        BatchLoader(tokens, 1, 200, 0).get_batch(0)
    with pytest.raises(GruError, match="beyond the vocabulary"):
        list(eval_windows(tokens, 1, 50))
