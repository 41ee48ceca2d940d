"""Runs as a whole: what they yield and leave, exact resuming, limits, and everything that is refused."""

import dataclasses
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from grucli.errors import BusyError, DivergedError, ModelFileError, NothingToDoError, StoppedError, UsageError
from grucli.files import FolderLock
from grucli.kernels import gru
from grucli.kernels.jit import KernelCache
from grucli.model.store import METRICS, find_model, model_folder, read_metrics
from grucli.model.weights import load_weights, parameters_sha256
from grucli.training import loop, setup_run, trainer
from grucli.training.events import Compiled, Compiling, Evaluated, Finished, Preparing, Saved, Started, Stepped
from grucli.training.loop import train
from grucli.training.options import Plan
from grucli.training.signals import StopFlag
from tests.training.small_runs import SENTENCES, events, finish, plan, summary, write_corpus

pytestmark = pytest.mark.usefixtures("home", "every_step")


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is an event, so that a test can stop a run at any of them."""
    monkeypatch.setattr(loop, "_EVENT_EVERY", 0.0)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "small.csv")


def test_the_events_of_a_run_in_their_order(corpus: Path) -> None:
    seen = list(events(plan(corpus, eval_every=10)))
    kinds = [type(event) for event in seen if not isinstance(event, Preparing | Compiling | Stepped)]
    assert kinds == [Started, Compiled, *[Evaluated, Saved] * 3, Saved, Finished]
    assert isinstance(seen[0], Preparing)
    steps = [event.step for event in seen if isinstance(event, Stepped)]
    assert steps == sorted(set(steps))
    last = seen[-1]
    assert isinstance(last, Finished)
    assert last.reason == "limit"
    assert last.summary.steps == 30
    assert last.summary.tokens == 30 * 4 * 8


def test_it_learns(corpus: Path) -> None:
    seen = [e for e in events(plan(corpus, hidden=48, steps=400, seq=16, batch=8)) if isinstance(e, Evaluated)]
    first, last = seen[0].val_nats_per_char, seen[-1].val_nats_per_char
    assert first is not None
    assert last is not None
    assert last < 0.7 * first
    assert any(word in seen[-1].sample for word in " ".join(SENTENCES).split() if len(word) > 2)


def test_what_a_run_leaves(corpus: Path) -> None:
    told = summary(plan(corpus, eval_every=10))
    folder = model_folder("small")
    assert {file.name for file in folder.iterdir()} == {
        "best.safetensors",
        "last.safetensors",
        "optimizer.safetensors",
        "metrics.jsonl",
        "novelty.index",
        "lock",
    }
    last = load_weights(folder / "last.safetensors")
    assert parameters_sha256(last.arrays) == told.parameters_sha256
    assert (last.card.steps, last.card.val_nats) == (30, told.val_nats)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30]
    best = min(lines, key=lambda line: float(line["val_nats"]))
    assert load_weights(find_model("small")).card.steps == best["step"]


@pytest.mark.parametrize("stop_after", [1, 7, 13, 20, 29])
def test_a_run_that_was_stopped_and_resumed_is_the_run_that_was_not(corpus: Path, stop_after: int) -> None:
    straight = finish(plan(corpus, name="straight", eval_every=10))
    halved = finish(plan(corpus, name="halved", eval_every=10), stop_after)
    assert halved.reason == "interrupted"
    assert stop_after <= halved.summary.steps <= stop_after + 1
    resumed = finish(plan(corpus, name="halved", eval_every=10, resume=True))
    assert resumed.summary.steps == 30
    for field in ("parameters_sha256", "val_nats", "train_nats", "tokens"):
        assert getattr(resumed.summary, field) == getattr(straight.summary, field), field
    for name in ("straight", "halved"):
        lines = read_metrics(model_folder(name))
        assert [line.step for line in lines] == [10, 20, 30]
    assert [line.val_nats for line in read_metrics(model_folder("halved"))] == [
        line.val_nats for line in read_metrics(model_folder("straight"))
    ]


def test_stopping_many_times_is_as_exact(corpus: Path) -> None:
    straight = summary(plan(corpus, name="straight", dropout=0.3))
    finish(plan(corpus, name="often", dropout=0.3), 3)
    for at in (5, 11, 12, 26):
        assert finish(plan(corpus, name="often", resume=True), at).reason == "interrupted"
    assert summary(plan(corpus, name="often", resume=True)).parameters_sha256 == straight.parameters_sha256


@pytest.mark.parametrize("victim", ["save_checkpoint", "save_weights"])
def test_a_save_that_fails_leaves_a_run_that_goes_on_exactly(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    straight = summary(plan(corpus, name="straight", eval_every=10))
    real, calls = getattr(trainer, victim), []

    def full_disk(path: Path, *what: object) -> object:
        calls.append(path)
        if len(calls) == 2:
            raise OSError(28, os.strerror(28), str(path))
        return real(path, *what)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, victim, full_disk)
        with pytest.raises(OSError, match="No space"):
            finish(plan(corpus, name="full", eval_every=10))
    resumed = summary(plan(corpus, name="full", eval_every=10, resume=True))
    assert resumed.parameters_sha256 == straight.parameters_sha256
    assert [line.step for line in read_metrics(model_folder("full"))] == [10, 20, 30]


class KilledError(BaseException):
    """Stands for the end of the process: nothing behind it is done."""


@pytest.mark.parametrize("victim", ["save_checkpoint", "save_weights"])
@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_killed_save_never_leaves_weights_alone_and_is_gone_on_with(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, victim: str, call: int
) -> None:
    summary(plan(corpus, name="straight", eval_every=10))
    real, calls = getattr(trainer, victim), []

    def kill(path: Path, *what: object) -> object:
        calls.append(path)
        if len(calls) == call:
            raise KilledError
        return real(path, *what)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, victim, kill)
        patch.setattr(loop, "tidy", lambda folder: None)
        with pytest.raises(KilledError):
            finish(plan(corpus, name="killed", eval_every=10))
    folders = [model_folder(name) for name in ("straight", "killed")]
    left = {path.name for path in folders[1].glob("*.safetensors")}
    assert not left or "optimizer.safetensors" in left
    finish(plan(corpus, name="killed", eval_every=10, resume=True))
    for name in ("best", "last"):
        straight, killed = (load_weights(folder / f"{name}.safetensors") for folder in folders)
        assert killed.card.steps == straight.card.steps
        assert parameters_sha256(killed.arrays) == parameters_sha256(straight.arrays)
    assert [line.step for line in read_metrics(folders[1])] == [10, 20, 30]


def test_what_a_killed_first_save_left_is_no_model(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "save_checkpoint", kill)
        patch.setattr(loop, "tidy", lambda folder: None)
        with pytest.raises(KilledError):
            finish(plan(corpus, eval_every=10))
    assert read_metrics(model_folder("small"))
    assert summary(plan(corpus, eval_every=15)).steps == 30
    assert [line.step for line in read_metrics(model_folder("small"))] == [15, 30]


def test_a_full_disk_at_the_first_save_leaves_nothing(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: object) -> None:
        raise OSError(28, os.strerror(28), str(path))

    monkeypatch.setattr(trainer, "save_checkpoint", full)
    with pytest.raises(OSError, match="No space"):
        finish(plan(corpus, eval_every=10))
    assert not model_folder("small").exists()


@pytest.mark.parametrize(("kind", "step"), [(Stepped, 3), (Stepped, 10), (Evaluated, 10), (Saved, 10), (Stepped, 14)])
def test_a_run_whose_reader_goes_away_is_saved(corpus: Path, kind: type[Stepped], step: int) -> None:
    straight = summary(plan(corpus, name="straight", eval_every=10))
    running = train(plan(corpus, name="left", eval_every=10), StopFlag())
    assert next(event for event in running if isinstance(event, kind) and event.step == step)
    running.close()
    started = next(e for e in events(plan(corpus, name="left", resume=True)) if isinstance(e, Started))
    assert started.step == step
    resumed = summary(plan(corpus, name="left", resume=True))
    for field in ("parameters_sha256", "val_nats", "train_nats"):
        assert getattr(resumed, field) == getattr(straight, field), field
    assert [line.step for line in read_metrics(model_folder("left"))] == [10, 20, 30]


def test_a_reader_that_goes_away_before_the_first_step_leaves_nothing(corpus: Path) -> None:
    running = train(plan(corpus), StopFlag())
    assert any(isinstance(event, Compiled) for event in running)
    running.close()
    assert not model_folder("small").exists()


@pytest.mark.parametrize("problem", [None, "/cache cannot be written to"])
def test_compiling_is_told_when_it_is_done(corpus: Path, monkeypatch: pytest.MonkeyPatch, problem: str | None) -> None:
    summary(plan(corpus, name="warm"))  # whatever is to be compiled
    kinds = [type(event) for event in events(plan(corpus, name="cached")) if isinstance(event, Compiling | Compiled)]
    assert kinds == [Compiled]

    @contextmanager
    def compiles(notice: Callable[[], object]) -> Iterator[None]:
        notice()
        yield

    monkeypatch.setattr(setup_run, "on_compiling", compiles)
    monkeypatch.setattr(setup_run, "_use_every_kernel", lambda run: time.sleep(0.2))
    monkeypatch.setattr(setup_run, "CACHE", KernelCache(corpus.parent if problem is None else None, problem))
    told = [event for event in events(plan(corpus)) if isinstance(event, Compiling | Compiled)]
    assert [type(event) for event in told] == [Compiling, Compiled]
    assert told[0] == Compiling(kept=problem is None)


def test_weights_alone_are_adapted_under_another_name(corpus: Path) -> None:
    summary(plan(corpus))
    (model_folder("small") / "optimizer.safetensors").unlink()
    with pytest.raises(UsageError, match="no checkpoint") as caught:
        finish(plan(corpus, resume=True))
    assert "--from small --name small-2" in caught.value.todo


@pytest.mark.parametrize("limit", [{"steps": 10}, {"steps": 20}, {"epochs": 0.001}, {"minutes": 1e-9}])
def test_less_than_was_made_is_finished_already(corpus: Path, limit: dict[str, object]) -> None:
    before = summary(plan(corpus, steps=20))
    seen = list(events(plan(corpus, resume=True, **({"steps": None} | limit))))
    assert not any(isinstance(event, Started | Compiled | Saved) for event in seen)
    assert seen[-1] == Finished("already finished", before)
    assert summary(plan(corpus, resume=True, steps=25)).steps == 25


def test_a_run_that_was_killed_when_it_had_settled_does_not_go_on(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object) -> None:
        raise KilledError

    monkeypatch.setattr(loop, "MOST_MINUTES", 0.05)
    monkeypatch.setattr(loop, "PATIENCE", 1)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_finish", kill)
        with pytest.raises(KilledError):
            finish(plan(corpus, steps=None, lr=3.0, eval_every=5))
    assert finish(plan(corpus, steps=None, resume=True)).reason == "already finished"


def test_more_steps_can_be_asked_for_later(corpus: Path) -> None:
    summary(plan(corpus))
    done = finish(plan(corpus, resume=True))
    assert done.reason == "already finished"
    longer = finish(plan(corpus, resume=True, steps=45))
    assert (longer.reason, longer.summary.steps) == ("limit", 45)


def test_a_run_that_is_gone_on_with_tells_what_was_found_before(corpus: Path) -> None:
    before = [e for e in events(plan(corpus, eval_every=5), stop_after=17) if isinstance(e, Evaluated)]
    assert [e.step for e in before] == [5, 10, 15]
    notes = model_folder("small") / METRICS
    notes.write_bytes(b'{"step": 3}\nhello\n' + notes.read_bytes() + b'{"step": 4, "train_nats": 1.0}\n')
    (started,) = (e for e in events(plan(corpus, resume=True)) if isinstance(e, Started))
    assert started.plan.startswith("going on with 'small' from step 17: a gru with 2 layers of 12 units")
    kept = [dataclasses.replace(e, sample="") for e in before]
    assert [dataclasses.replace(e, steps=None) for e in started.earlier] == [
        dataclasses.replace(e, steps=None) for e in kept
    ]


def test_resume_with_nothing_saved_begins(corpus: Path) -> None:
    assert summary(plan(corpus, resume=True)).steps == 30


def test_epochs_and_minutes_are_limits_too(corpus: Path) -> None:
    epochs = summary(plan(corpus, steps=None, epochs=2, name="epochs"))
    started = next(e for e in events(plan(corpus, steps=None, epochs=2, name="again")) if isinstance(e, Started))
    assert epochs.steps == 2 * (started.train_tokens // 32)
    short = finish(plan(corpus, steps=None, minutes=0.01, name="minutes"))
    assert short.reason == "limit"
    assert short.summary.steps > 1


def test_without_a_limit_it_stops_when_it_has_settled(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "MOST_MINUTES", 0.05)
    monkeypatch.setattr(loop, "PATIENCE", 1)
    done = finish(plan(corpus, steps=None, lr=3.0, eval_every=5))
    assert done.reason == "settled"
    assert finish(plan(corpus, steps=None, resume=True)).reason == "already finished"


def test_with_nothing_held_out_there_is_no_validation(corpus: Path) -> None:
    seen = [event for event in events(plan(corpus, val=0.0, eval_every=15)) if isinstance(event, Evaluated)]
    assert [event.val_nats for event in seen] == [None, None]
    assert load_weights(find_model("small")).card.steps == 30


def started_with(asked: Plan) -> Started:
    running = train(asked, StopFlag())
    started = next(event for event in running if isinstance(event, Started))
    running.close()
    return started


def test_a_plan_without_a_limit_says_when_it_ends(corpus: Path) -> None:
    measured = started_with(plan(corpus, steps=None))
    assert "until the held-out loss has not improved" in measured.plan
    assert measured.notes == ()
    blind = started_with(plan(corpus, steps=None, val=0.0))
    assert blind.plan.endswith(", about 10 minutes of training")
    assert any("nothing is held out, as --val 0 asks" in note for note in blind.notes)


def test_it_says_why_nothing_could_be_held_out(tmp_path: Path) -> None:
    alike = tmp_path / "alike.csv"
    alike.write_text("body\n" + "the same\n" * 50)
    started = started_with(plan(alike, steps=None))
    assert started.plan.endswith(", about 10 minutes of training")
    assert any("only one text" in note for note in started.notes)


def test_what_became_of_the_rows_is_noted(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "odd.csv")
    with source.open("a") as file:
        file.write('"cut')
    assert started_with(plan(source)).notes == ("1 row skipped: unfinished row",)


def test_a_model_is_adapted_to_other_text(corpus: Path, tmp_path: Path) -> None:
    first = summary(plan(corpus, steps=200))
    other = tmp_path / "other.csv"
    other.write_text("body\n" + "".join(f"a bird in the hand {i % 7}\n" for i in range(200)))
    cold = next(e for e in events(plan(other, name="cold", eval_every=5)) if isinstance(e, Evaluated))
    asked = plan(
        other, name="warm", eval_every=5, start_from="small", hidden=None, layers=None, embed=None, tokenizer=None
    )
    warm = next(e for e in events(asked) if isinstance(e, Evaluated))
    assert warm.val_nats_per_char is not None
    assert cold.val_nats_per_char is not None
    assert warm.val_nats_per_char < cold.val_nats_per_char
    assert load_weights(find_model("warm")).tokenizer.size == first.vocab
    halved = plan(other, name="halved", start_from="small", hidden=None, layers=None, embed=None)
    finish(halved, 7)
    resumed = finish(plan(other, name="halved", resume=True, hidden=None, layers=None, embed=None))
    assert resumed.summary.parameters_sha256 == summary(dataclasses.replace(halved, name="straight")).parameters_sha256
    with pytest.raises(UsageError, match="--hidden 99"):
        finish(plan(other, name="odd", start_from="small", hidden=99, layers=None, embed=None))


def test_a_model_that_exists_is_not_overwritten_unasked(corpus: Path) -> None:
    before = summary(plan(corpus))
    with pytest.raises(UsageError, match="exists"):
        finish(plan(corpus, seed=5))
    assert summary(plan(corpus, seed=5, force=True)).parameters_sha256 != before.parameters_sha256
    assert len(read_metrics(model_folder("small"))) > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden": 13}, "--hidden 13"),
        ({"seed": 1, "lr": 0.5}, "--lr 0.5"),
        ({"tokenizer": "word"}, "--tokenizer word"),
    ],
)
def test_a_resumed_run_names_what_differs(corpus: Path, changes: dict[str, object], words: str) -> None:
    finish(plan(corpus), 5)
    with pytest.raises(UsageError, match=words):
        finish(plan(corpus, resume=True, **changes))


def test_another_corpus_is_refused(corpus: Path, tmp_path: Path) -> None:
    finish(plan(corpus), 5)
    with pytest.raises(UsageError, match="another corpus"):
        finish(plan(write_corpus(tmp_path / "other.csv", rows=401), resume=True))
    with pytest.raises(UsageError, match="another part"):
        finish(plan(corpus, resume=True, val_file=str(corpus)))


def test_divergence_stops_with_the_step_named_and_the_last_good_weights(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    with pytest.raises(DivergedError, match=r"at step 1[2-9]"):  # noqa: PT012 - the events before it are wanted
        for event in events(plan(corpus, eval_every=10)):
            seen.append(event)
            if isinstance(event, Saved):
                poison(monkeypatch)
    weights = load_weights(find_model("small"))
    assert weights.card.steps == 10
    assert all(np.isfinite(array).all() for array in weights.arrays.values())


def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the next step but one on, what the layers hand up is not finite."""
    real, left = gru.Gru.forward, [2]

    def forward(self: gru.Gru, *arguments: object) -> None:
        real(self, *arguments)  # type: ignore[arg-type]
        left[0] -= 1
        if left[0] < 0:
            self.s[0, 0, 0] = math.inf

    monkeypatch.setattr(gru.Gru, "forward", forward)


def test_an_end_before_the_first_step_leaves_nothing(corpus: Path) -> None:
    stop = StopFlag()
    stop.reason = "terminated"
    with pytest.raises(StoppedError) as caught:
        list(train(plan(corpus), stop))
    assert caught.value.status == 143
    assert not model_folder("small").exists()


def test_two_runs_do_not_share_a_model(corpus: Path) -> None:
    with FolderLock(model_folder("small")), pytest.raises(BusyError, match=str(os.getpid())):
        finish(plan(corpus))


def test_a_damaged_checkpoint_is_told(corpus: Path) -> None:
    finish(plan(corpus), 5)
    path = model_folder("small") / "optimizer.safetensors"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for data in (b"", whole[:100], whole[:-1], bytes(flipped), b"\xff" * 200):
        path.write_bytes(data)
        with pytest.raises(ModelFileError, match="damaged"):
            finish(plan(corpus, resume=True))


def test_a_corpus_shorter_than_a_window_leaves_no_model(tmp_path: Path) -> None:
    tiny = tmp_path / "tiny.csv"
    tiny.write_text("body\nhi\n")
    with pytest.raises(NothingToDoError) as caught:
        finish(plan(tiny, seq=64))
    assert "--seq" in caught.value.todo
    assert not model_folder("small").exists()


def test_a_corpus_that_lost_its_rows_says_so(tmp_path: Path) -> None:
    torn = tmp_path / "torn.csv"
    torn.write_text("id,body\n1,hi\n" + "2,a,b\n" * 40)
    with pytest.raises(NothingToDoError, match=r"3 tokens to train on, .* \(40 rows skipped: too many fields\)"):
        finish(plan(torn, seq=64))


def test_a_corpus_that_is_nearly_all_held_out_says_so(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("some text " * 100)
    with pytest.raises(NothingToDoError, match="more are held out") as caught:
        finish(plan(text, seq=64, val=0.999))
    assert "--val 0.999" in caught.value.todo
    assert "--seq" not in caught.value.todo


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden": 0}, "--hidden is 0"),
        ({"batch": -1}, "--batch is -1"),
        ({"hidden": 8192, "batch": 16384, "seq": 16384}, "of memory"),
        ({"lr": 0.0}, "--lr is 0"),
        ({"dropout": 1.0}, "--dropout is 1"),
        ({"val": 1.0}, "--val is 1"),
        ({"cell": "gruu"}, "--cell is gruu"),
        ({"tokenizer": "bytes"}, "--tokenizer is bytes"),
        ({"minutes": 1.0}, "--steps and --minutes"),
        ({"resume": True, "force": True}, "--resume and --force"),
        ({"threads": 0}, "--threads is 0"),
        ({"name": "a/b"}, "cannot be the name"),
    ],
)
def test_options_that_cannot_be_meant(corpus: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        finish(plan(corpus, **changes))


def test_a_name_is_made_of_the_corpus(corpus: Path) -> None:
    assert plan(corpus, name=None).model_name() == "small"
    assert plan(Path("/x/my comments (2).jsonl.zst"), name=None).model_name() == "my-comments--2"
    assert plan(Path("-"), name=None).model_name() == "stdin"
