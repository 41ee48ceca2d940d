"""When a run makes the index of its text, keeps it and makes it anew."""

from pathlib import Path

import pytest

from grucli.errors import StoppedError
from grucli.generation.copy_detection import Index, index_beside, load_index
from grucli.model.store import BEST, NOVELTY, find_model, model_folder
from grucli.model.weights import load_weights
from grucli.training import loop
from grucli.training.events import Finished, Preparing
from grucli.training.loop import train
from grucli.training.signals import StopFlag
from tests.training.small_runs import events, finish, plan, summary

CORPUS = "it was a bright cold day in April, and the clocks were striking thirteen; number "
OTHER = "all happy families are alike; each unhappy family is unhappy in its own way, number "

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write(tmp_path / "small.csv", CORPUS)


def write(path: Path, sentence: str) -> Path:
    path.write_text("body\n" + "".join(f'"{sentence}{i}"\n' for i in range(60)), "utf-8")
    return path


def index_of(name: str) -> Index:
    return index_beside(find_model(name), load_weights(find_model(name)).card.fingerprint)


def test_a_run_leaves_an_index_of_what_it_learnt_from(corpus: Path) -> None:
    stages = {event.stage for event in events(plan(corpus)) if isinstance(event, Preparing)}
    assert "indexing the text" in stages
    index = index_of("small")
    assert index.longest_copy(CORPUS) == len(CORPUS)
    assert index.longest_copy(OTHER) == 0
    assert index.remarks() == []


def test_what_is_held_out_is_not_learnt_from(corpus: Path, tmp_path: Path) -> None:
    finish(plan(corpus, val_file=str(write(tmp_path / "other.csv", OTHER))))
    assert index_of("small").longest_copy(OTHER) == 0


def test_a_resumed_run_keeps_its_index(corpus: Path) -> None:
    finish(plan(corpus), 5)
    path = model_folder("small") / NOVELTY
    before = path.stat().st_ino
    assert not any(isinstance(e, Preparing) and "index" in e.stage for e in events(plan(corpus, resume=True)))
    assert path.stat().st_ino == before


@pytest.mark.parametrize("damage", ["missing", "damaged", "of another text"])
@pytest.mark.parametrize("over", [True, False])
def test_a_resumed_run_makes_the_index_that_it_lacks(corpus: Path, tmp_path: Path, damage: str, over: bool) -> None:
    finish(plan(write(tmp_path / "other.csv", OTHER), name="other"))
    finish(plan(corpus), None if over else 5)
    path = model_folder("small") / NOVELTY
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"gru" if damage == "damaged" else (model_folder("other") / NOVELTY).read_bytes())
    assert finish(plan(corpus, resume=True)).reason == ("already finished" if over else "limit")
    assert index_of("small").longest_copy(CORPUS) == len(CORPUS)
    # What such a run began from is not known any more.
    assert not index_of("small").whole


def test_an_adapted_model_knows_both_texts(corpus: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.csv", OTHER)
    bare: dict[str, object] = {"start_from": "small", "hidden": None, "layers": None, "embed": None}
    summary(plan(corpus))
    summary(plan(other, name="both", **bare))
    index = index_of("both")
    assert index.whole
    # What the tokenizer of the first does not know ends a copy: "h", "w" and the rest of it are known.
    assert index.longest_copy(CORPUS) == len(CORPUS)
    assert len(index.filters) == 2
    (model_folder("small") / NOVELTY).unlink()
    summary(plan(other, name="half", **bare))
    assert not index_of("half").whole
    assert index_of("half").longest_copy(CORPUS) == 0


def test_a_run_that_begins_anew_has_a_new_index(corpus: Path, tmp_path: Path) -> None:
    summary(plan(corpus))
    summary(plan(write(tmp_path / "other.csv", CORPUS.upper()), force=True))
    assert index_of("small").longest_copy(CORPUS) == 0


def test_until_the_first_step_the_old_model_keeps_its_index(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise MemoryError

    summary(plan(corpus))
    monkeypatch.setattr(loop, "warm_up", failing)
    with pytest.raises(MemoryError):
        finish(plan(write(tmp_path / "other.csv", OTHER), force=True))
    assert index_of("small").longest_copy(CORPUS) == len(CORPUS)


def test_indexing_can_be_stopped_and_leaves_nothing(corpus: Path) -> None:
    stop = StopFlag()
    with pytest.raises(StoppedError):  # noqa: PT012 - it is stopped in the midst
        for event in train(plan(corpus), stop):
            assert not isinstance(event, Finished)
            if isinstance(event, Preparing) and "index" in event.stage:
                stop.reason = "interrupted"
    assert not model_folder("small").exists()


def test_a_full_disk_leaves_nothing(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, _: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(loop, "save_index", full)
    with pytest.raises(OSError, match="No space"):
        finish(plan(corpus))
    assert not model_folder("small").exists()


def test_it_lies_beside_the_weights(corpus: Path) -> None:
    summary(plan(corpus))
    assert {path.name for path in model_folder("small").iterdir()} >= {BEST, NOVELTY}
    assert load_index(model_folder("small") / NOVELTY).fingerprint
