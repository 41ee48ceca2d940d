"""A model that is replaced stays whole until the new one is: failures and kills at every request to the disk."""

import errno
import itertools
import os
import shutil
from pathlib import Path

import pytest

from grucli.model.store import BEST, LAST, METRICS, NOVELTY, OPTIMIZER, PURGED, find_model, list_models, model_dir
from grucli.model.weights import load_weights
from grucli.training import loop, staging, trainer
from grucli.training.options import TrainOptions
from tests.fault_injection import failing_disk
from tests.training.small_runs import run_summary, run_to_finish, small_options, write_small_corpus

MODEL_FILES = {BEST, LAST, OPTIMIZER, METRICS, NOVELTY}

pytestmark = pytest.mark.usefixtures("home")


class KilledError(BaseException):
    """Simulates the end of the process."""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_small_corpus(tmp_path / "small.csv")


def read_model(name: str = "small") -> dict[str, bytes]:
    """The files of a model but its lock, all of which can be read."""
    directory = model_dir(name)
    load_weights(find_model(name))
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name in {*MODEL_FILES, PURGED}}


def force(corpus: Path) -> TrainOptions:
    return small_options(corpus, seed=5, force=True, steps=4, eval_every=2)


@pytest.mark.parametrize(
    ("victim", "killed"),
    [("save_index", False), ("save_checkpoint", True), ("save_weights", False), ("save_weights", True)],
)
def test_the_earlier_model_stays_until_the_first_save_is_whole(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, victim: str, killed: bool
) -> None:
    run_summary(small_options(corpus))
    (model_dir("small") / PURGED).write_text("[]")
    earlier = read_model()

    def fail(*_: object, **__: object) -> None:
        raise KilledError if killed else OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(loop if victim == "save_index" else trainer, victim, fail)
        if killed:
            patch.setattr(loop, "clean_up", lambda directory: None)
        with pytest.raises(KilledError if killed else OSError):
            run_to_finish(force(corpus))
    assert read_model() == earlier
    assert [entry.name for entry in list_models()] == ["small"]
    replaced = run_summary(force(corpus))
    assert replaced.steps == 4
    assert set(read_model()) == MODEL_FILES
    assert {path.name for path in model_dir("small").iterdir()} == {*MODEL_FILES, "lock"}


@pytest.mark.slow
@pytest.mark.parametrize("moved", [0, 2, len(MODEL_FILES) - 1])
def test_a_replacement_that_was_killed_is_completed_by_the_next_run(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    expected = run_summary(small_options(corpus, name="straight", seed=5, steps=4, eval_every=2))
    run_summary(small_options(corpus))
    real, targets = os.replace, []

    def replace(source: Path, target: Path) -> None:
        if Path(source).parent == Path(target).parent / ".new":
            targets.append(target)
            if len(targets) > moved:
                raise KilledError
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        patch.setattr(loop, "clean_up", lambda directory: None)
        with pytest.raises(KilledError):
            run_to_finish(force(corpus))
    read_model()
    resumed = run_summary(small_options(corpus, seed=5, steps=4, resume=True))
    assert resumed.parameters_sha256 == expected.parameters_sha256
    assert (read_model()[METRICS].count(b"\n"), set(read_model())) == (2, MODEL_FILES)


def test_a_replacement_that_failed_is_completed_and_not_discarded(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(directory: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(staging, "fsync_dir", fail)
        with pytest.raises(OSError, match="Input/output"):
            run_to_finish(small_options(corpus, steps=4, eval_every=2))
    assert run_summary(small_options(corpus, steps=4, resume=True)).steps == 4


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True])
def test_every_failed_request_to_the_disk_leaves_a_whole_model(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    expected = run_summary(small_options(corpus, name="straight", seed=5, steps=4, eval_every=2))
    run_summary(small_options(corpus))
    earlier, copy = read_model(), corpus.parent / "copy"
    shutil.copytree(model_dir("small"), copy)
    outcomes = set()
    for fail_at in itertools.count(1):
        shutil.rmtree(model_dir("small"))
        shutil.copytree(copy, model_dir("small"))
        with monkeypatch.context() as patch, failing_disk(fail_at, KilledError() if killed else errno.ENOSPC) as disk:
            if killed:
                patch.setattr(loop, "clean_up", lambda directory: None)
            try:
                run_to_finish(force(corpus))
            except (OSError, KilledError):
                assert disk.triggered
        if not disk.triggered:
            break
        found = read_model()
        is_earlier = found == earlier
        is_replaced = found[OPTIMIZER] != earlier[OPTIMIZER] or (model_dir("small") / ".new" / BEST).exists()
        assert is_earlier or is_replaced
        outcomes.add(is_earlier)
        again = small_options(corpus, seed=5, steps=4, resume=True) if is_replaced else force(corpus)
        assert run_summary(again).parameters_sha256 == expected.parameters_sha256
        assert {path.name for path in model_dir("small").iterdir()} == {*MODEL_FILES, "lock"}
    assert outcomes == {True, False}
