import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grucli.errors import GruError, NothingToDoError
from grucli.text import loader, tokenizers
from grucli.text.loader import Batches, scoring_windows
from grucli.text.token_file import TokenFile, TokenWriter
from grucli.text.tokenizers import END

ALL = tokenizers.learn("char", [chr(point) for point in range(0x4E00, 0x4E00 + 8000)], 9000)
"""Every token of the files below is another one, so that a place in them can be told from its token."""

relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
documents = st.lists(st.integers(1, 60), min_size=1, max_size=30)


def token_file(folder: Path, lengths: list[int], *, running_text: bool = False) -> TokenFile:
    path = folder / "a.tokens"
    path.unlink(missing_ok=True)
    begin = 0x4E00
    with TokenWriter(path, ALL, running_text=running_text) as writer:
        for length in lengths:
            writer.write_texts(["".join(map(chr, range(begin, begin + length)))], [END])
            begin += length
    return TokenFile(path)


@relaxed
@given(documents, st.integers(1, 9), st.integers(1, 20), st.integers(0, 2**70), st.integers(0, 500))
def test_a_batch_is_windows_of_the_ring(
    tmp_path: Path, lengths: list[int], B: int, T: int, seed: int, step: int
) -> None:
    tokens = token_file(tmp_path, lengths)
    if tokens.tokens <= T:
        with pytest.raises(NothingToDoError):
            Batches(tokens, B, T, seed)
        return
    batch = Batches(tokens, B, T, seed).at(step)
    ring = tokens.ids.tolist() * (3 + T)
    text = ",".join(map(str, ring))

    assert batch.inputs.shape == batch.targets.shape == batch.resets.shape == (T, B)
    assert batch.inputs.dtype == batch.targets.dtype == np.int32
    for lane in range(B):
        window = [*batch.inputs[:, lane].tolist(), int(batch.targets[-1, lane])]
        assert "," + ",".join(map(str, window)) + "," in "," + text + ","
        assert window[1:] == batch.targets[:, lane].tolist()
    assert (batch.resets == (batch.inputs == END)).all()


@relaxed
@given(documents, st.integers(1, 5), st.integers(1, 12), st.integers(0, 99))
def test_a_lane_goes_on_where_it_stopped_until_the_epoch_ends(
    tmp_path: Path, lengths: list[int], B: int, T: int, seed: int
) -> None:
    tokens = token_file(tmp_path, [*lengths, T])
    made = Batches(tokens, B, T, seed)
    windows = [made.at(step) for step in range(2 * made.steps_per_epoch)]

    assert [window.fresh for window in windows] == 2 * [True, *[False] * (made.steps_per_epoch - 1)]
    for before, after in itertools.pairwise(windows):
        assert after.fresh or (after.inputs[0] == before.targets[-1]).all()


@relaxed
@given(documents, st.integers(1, 5), st.integers(1, 12), st.integers(0, 99))
def test_an_epoch_sees_no_place_twice_and_nearly_every_one(
    tmp_path: Path, lengths: list[int], B: int, T: int, seed: int
) -> None:
    tokens = token_file(tmp_path, [*lengths, B * T])
    made = Batches(tokens, B, T, seed)
    seen = np.concatenate([made.at(step).inputs.ravel() for step in range(made.steps_per_epoch)])
    seen = seen[seen != END]

    assert len(np.unique(seen)) == len(seen)
    assert made.steps_per_epoch * B * T > tokens.tokens - B * T


def test_batches_are_a_function_of_seed_epoch_and_step(tmp_path: Path) -> None:
    tokens = token_file(tmp_path, [50] * 40)
    one, same, other = (Batches(tokens, 3, 5, seed) for seed in (7, 7, 8))
    late = same.at(1000)
    epochs = [one.at(epoch * one.steps_per_epoch).inputs[0, 0] for epoch in range(8)]

    assert (one.at(1000).inputs == late.inputs).all()
    assert (one.at(1000).inputs != other.at(1000).inputs).any()
    assert len(set(epochs)) > 4


def test_the_order_of_epochs_is_the_same_everywhere_and_for_ever(tmp_path: Path) -> None:
    tokens = token_file(tmp_path, [999])
    first = [int(Batches(tokens, 2, 4, seed).at(step).inputs[0, 0]) for seed in (0, 1) for step in (0, 125)]

    assert first == [261, 640, 889, 487]


@pytest.mark.parametrize("length", [1, 7])
def test_a_corpus_shorter_than_one_window(tmp_path: Path, length: int) -> None:
    with pytest.raises(NothingToDoError) as caught:
        Batches(token_file(tmp_path, [length]), 2, 8, 0)

    assert "--seq" in caught.value.todo
    assert Batches(token_file(tmp_path, [8]), 2, 8, 0).at(0).inputs.shape == (8, 2)


@relaxed
@given(documents, st.integers(1, 9), st.integers(1, 20))
def test_scoring_predicts_every_token_of_comments_once(tmp_path: Path, lengths: list[int], B: int, T: int) -> None:
    tokens = token_file(tmp_path, lengths)
    scored: list[tuple[int, int]] = []
    for window in scoring_windows(tokens, B, T):
        assert window.inputs.shape == window.targets.shape == window.weights.shape == (T, B)
        assert window.weights.dtype == np.float32
        assert (window.resets == (window.inputs == END)).all()
        counts = window.weights == 1
        assert (window.weights[~counts] == 0).all()
        scored += zip(window.inputs[counts].tolist(), window.targets[counts].tolist(), strict=True)
    ids = tokens.ids.tolist()

    assert sorted(scored) == sorted(zip(ids, ids[1:] + ids[:1], strict=True))


@relaxed
@given(documents, st.integers(1, 9), st.integers(1, 20))
def test_scoring_lanes_of_comments_begin_with_a_document(tmp_path: Path, lengths: list[int], B: int, T: int) -> None:
    windows = list(scoring_windows(token_file(tmp_path, lengths), B, T))

    assert windows[0].resets[0].all()
    for lane in range(B):
        read = np.concatenate([window.inputs[:, lane] for window in windows])
        counts = np.concatenate([window.weights[:, lane] for window in windows])
        assert (np.diff(counts) <= 0).all()
        assert (np.diff(read[counts == 1][read[counts == 1] != END]) == 1).all()


@relaxed
@given(st.integers(1, 7000), st.integers(1, 5), st.integers(1, 200))
def test_scoring_lanes_of_running_text_read_ahead_of_what_counts(tmp_path: Path, length: int, B: int, T: int) -> None:
    tokens = token_file(tmp_path, [length], running_text=True)
    windows = list(scoring_windows(tokens, B, T))
    inputs, targets, weights = (
        np.concatenate([getattr(window, name) for window in windows]) for name in ("inputs", "targets", "weights")
    )
    ids = tokens.ids.tolist()

    assert sorted(targets[weights == 1].tolist()) == sorted(ids[1:])
    for lane in range(B):
        counts = np.flatnonzero(weights[:, lane])
        if counts.size and inputs[counts[0], lane] != END:
            assert counts[0] == loader.BURN_IN
        assert (np.diff(counts) == 1).all()


def test_a_long_lane_is_not_searched_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "_NEAREST", 10)
    tokens = token_file(tmp_path, [3000, 3000])
    weights = np.concatenate([window.weights for window in scoring_windows(tokens, 4, 100)])

    assert weights.sum() == tokens.tokens
    assert weights.sum(axis=0).max() < 1600


def test_an_id_that_is_none_never_leaves(tmp_path: Path) -> None:
    tokens = token_file(tmp_path, [200])
    data = bytearray(tokens.path.read_bytes())
    data[-1] = 0xFF
    tokens.path.unlink()
    tokens.path.write_bytes(bytes(data))
    damaged = TokenFile(tokens.path)

    with pytest.raises(GruError, match="damaged"):
        Batches(damaged, 1, 200, 0).at(0)
    with pytest.raises(GruError, match="damaged"):
        list(scoring_windows(damaged, 1, 50))
