"""When a run builds, keeps and rebuilds its copy index."""

from pathlib import Path

import pytest

from grucli.errors import CancelledError
from grucli.generation.copy_detection import CopyIndex, load_index, load_index_for
from grucli.model.store import BEST, NOVELTY, find_model, model_dir
from grucli.model.weights import load_weights
from grucli.training import loop
from grucli.training.events import SetupProgress, TrainFinished
from grucli.training.loop import train
from grucli.training.signals import StopFlag
from tests.training.small_runs import run_events, run_summary, run_to_finish, small_options

CORPUS = "it was a bright cold day in April, and the clocks were striking thirteen; number "
OTHER = "all happy families are alike; each unhappy family is unhappy in its own way, number "

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "small.csv", CORPUS)


def write_corpus(path: Path, sentence: str) -> Path:
    path.write_text("body\n" + "".join(f'"{sentence}{i}"\n' for i in range(60)), "utf-8")
    return path


def load_model_index(name: str) -> CopyIndex:
    return load_index_for(find_model(name), load_weights(find_model(name)).card.fingerprint)


def test_a_run_leaves_an_index_of_what_it_learnt_from(corpus: Path) -> None:
    stages = {event.stage for event in run_events(small_options(corpus)) if isinstance(event, SetupProgress)}
    assert "indexing the text" in stages
    index = load_model_index("small")
    assert index.longest_copy(CORPUS) == len(CORPUS)
    assert index.longest_copy(OTHER) == 0
    assert index.warnings() == []


def test_what_is_held_out_is_not_learnt_from(corpus: Path, tmp_path: Path) -> None:
    run_to_finish(small_options(corpus, val_file=str(write_corpus(tmp_path / "other.csv", OTHER))))
    assert load_model_index("small").longest_copy(OTHER) == 0


def test_a_resumed_run_keeps_its_index(corpus: Path) -> None:
    run_to_finish(small_options(corpus), 5)
    path = model_dir("small") / NOVELTY
    before = path.stat().st_ino
    assert not any(
        isinstance(e, SetupProgress) and "index" in e.stage for e in run_events(small_options(corpus, resume=True))
    )
    assert path.stat().st_ino == before


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["missing", "damaged", "of another text"])
@pytest.mark.parametrize("over", [True, False])
def test_a_resumed_run_makes_the_index_that_it_lacks(corpus: Path, tmp_path: Path, damage: str, over: bool) -> None:
    run_to_finish(small_options(write_corpus(tmp_path / "other.csv", OTHER), name="other"))
    options = small_options(corpus, eval_every=5)
    run_to_finish(options, None if over else 5)
    path = model_dir("small") / NOVELTY
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"gru" if damage == "damaged" else (model_dir("other") / NOVELTY).read_bytes())
    assert run_to_finish(small_options(corpus, eval_every=5, resume=True)).reason == (
        "already finished" if over else "limit"
    )
    assert load_model_index("small").longest_copy(CORPUS) == len(CORPUS)
    assert load_model_index("small").complete


def test_an_adapted_model_knows_both_texts(corpus: Path, tmp_path: Path) -> None:
    other = write_corpus(tmp_path / "other.csv", OTHER)
    bare: dict[str, object] = {"start_from": "small", "hidden": None, "layers": None, "embed": None}
    run_summary(small_options(corpus))
    run_summary(small_options(other, name="both", **bare))
    index = load_model_index("both")
    assert index.complete
    # What the tokenizer of the first does not know ends a copy: "h", "w" and the rest of it are known.
    assert index.longest_copy(CORPUS) == len(CORPUS)
    assert len(index.filters) == 2
    (model_dir("small") / NOVELTY).unlink()
    run_summary(small_options(other, name="half", **bare))
    assert not load_model_index("half").complete
    assert load_model_index("half").longest_copy(CORPUS) == 0


def test_a_run_that_begins_anew_has_a_new_index(corpus: Path, tmp_path: Path) -> None:
    run_summary(small_options(corpus))
    run_summary(small_options(write_corpus(tmp_path / "other.csv", CORPUS.upper()), force=True))
    assert load_model_index("small").longest_copy(CORPUS) == 0


def test_until_the_first_step_the_old_model_keeps_its_index(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise MemoryError

    run_summary(small_options(corpus))
    monkeypatch.setattr(loop, "warm_up", failing)
    with pytest.raises(MemoryError):
        run_to_finish(small_options(write_corpus(tmp_path / "other.csv", OTHER), force=True))
    assert load_model_index("small").longest_copy(CORPUS) == len(CORPUS)


def test_indexing_can_be_stopped_and_leaves_nothing(corpus: Path) -> None:
    stop = StopFlag()
    with pytest.raises(CancelledError):  # noqa: PT012 - it is stopped in the midst
        for event in train(small_options(corpus), stop):
            assert not isinstance(event, TrainFinished)
            if isinstance(event, SetupProgress) and "index" in event.stage:
                stop.reason = "interrupted"
    assert not model_dir("small").exists()


def test_a_full_disk_leaves_nothing(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, _: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(loop, "save_index", full)
    with pytest.raises(OSError, match="No space"):
        run_to_finish(small_options(corpus))
    assert not model_dir("small").exists()


def test_it_lies_beside_the_weights(corpus: Path) -> None:
    run_summary(small_options(corpus))
    assert {path.name for path in model_dir("small").iterdir()} >= {BEST, NOVELTY}
    assert load_index(model_dir("small") / NOVELTY).fingerprint
