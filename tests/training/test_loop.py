"""Whole runs: their events and files, exact resuming, budgets, and refused options."""

import dataclasses
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from grucli.cli.error_handling import to_gru_error
from grucli.engine.recurrent_layer import RecurrentLayer
from grucli.errors import (
    CancelledError,
    DivergedError,
    EmptyInputError,
    GruError,
    LockedError,
    ModelFileError,
    UsageError,
)
from grucli.files import DirectoryLock
from grucli.kernels.arrays import Float32
from grucli.kernels.jit import KernelCache
from grucli.model.store import BEST, LAST, METRICS, NOVELTY, OPTIMIZER, find_model, model_dir, read_metrics
from grucli.model.weights import load_weights, parameters_sha256
from grucli.training import loop, setup_run, trainer
from grucli.training import options as train_options
from grucli.training.checkpoint import TrainState, load_checkpoint, save_checkpoint
from grucli.training.events import (
    CheckpointSaved,
    Compiled,
    Compiling,
    Evaluated,
    SetupProgress,
    StepCompleted,
    TrainFinished,
    TrainStarted,
)
from grucli.training.loop import train
from grucli.training.options import Budget, TrainOptions
from grucli.training.signals import StopFlag
from tests.training.small_runs import (
    SENTENCES,
    run_events,
    run_summary,
    run_to_finish,
    small_options,
    write_small_corpus,
)

pytestmark = pytest.mark.usefixtures("home", "event_every_step")

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")


@pytest.fixture
def event_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Yield an event for each step, so that a test can stop a run at any of them."""
    monkeypatch.setattr(loop, "_EVENT_EVERY_SECONDS", 0.0)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_small_corpus(tmp_path / "small.csv")


def test_the_events_of_a_run_in_their_order(corpus: Path) -> None:
    seen = list(run_events(small_options(corpus, eval_every=10)))
    kinds = [type(event) for event in seen if not isinstance(event, SetupProgress | Compiling | StepCompleted)]
    assert kinds == [TrainStarted, Compiled, *[Evaluated, CheckpointSaved] * 3, CheckpointSaved, TrainFinished]
    assert isinstance(seen[0], SetupProgress)
    steps = [event.step for event in seen if isinstance(event, StepCompleted)]
    assert steps == sorted(set(steps))
    last = seen[-1]
    assert isinstance(last, TrainFinished)
    assert last.reason == "limit"
    assert last.summary.steps == 30
    assert last.summary.tokens == 30 * 4 * 8


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        (Budget(steps=1), "1 step"),
        (Budget(steps=1234), "1,234 steps"),
        (Budget(epochs=1), "1 epoch"),
        (Budget(minutes=1), "about a minute of training"),
    ],
)
def test_a_budget_in_words(budget: Budget, text: str) -> None:
    assert budget.describe(has_val=True) == text


def test_it_learns(corpus: Path) -> None:
    seen = [
        e for e in run_events(small_options(corpus, hidden=48, steps=400, seq=16, batch=8)) if isinstance(e, Evaluated)
    ]
    first, last = seen[0].val_nats_per_char, seen[-1].val_nats_per_char
    assert first is not None
    assert last is not None
    assert last < 0.7 * first
    assert any(word in seen[-1].sample for word in " ".join(SENTENCES).split() if len(word) > 2)


@pytest.mark.parametrize(
    ("max_fraction", "first"), [(0.0, [160]), (0.2, [80, 160]), (2.0, [4, 8, 16]), (1e9, [1, 2, 4, 8, 16])]
)
def test_the_evaluations_take_a_limited_part_of_a_run(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, max_fraction: float, first: list[int]
) -> None:
    monkeypatch.setattr(loop, "_MAX_EVAL_FRACTION", max_fraction)
    started, *events = [
        e for e in run_events(small_options(corpus, steps=160)) if isinstance(e, TrainStarted | Evaluated)
    ]
    steps = [event.step for event in events if isinstance(event, Evaluated)]
    assert steps[: len(first)] == first
    assert isinstance(started, TrainStarted)
    trained_tokens = 160 * 4 * 8
    assert len(steps) <= max(1, max_fraction * trained_tokens / (loop._EVAL_COST_RATIO * started.val_tokens))


def test_what_a_run_leaves(corpus: Path) -> None:
    reported = run_summary(small_options(corpus, eval_every=10))
    directory = model_dir("small")
    assert {file.name for file in directory.iterdir()} == {
        "best.safetensors",
        "last.safetensors",
        "optimizer.safetensors",
        "metrics.jsonl",
        "novelty.index",
        "lock",
    }
    last = load_weights(directory / "last.safetensors")
    assert parameters_sha256(last.arrays) == reported.parameters_sha256
    assert (last.card.steps, last.card.val_nats) == (30, reported.val_nats)
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30]
    best = min(lines, key=lambda line: float(line["val_nats"]))
    assert load_weights(find_model("small")).card.steps == best["step"]


@pytest.mark.parametrize("stop_after", [1, 7, 13, 20, 29])
def test_a_run_that_was_stopped_and_resumed_is_the_run_that_was_not(corpus: Path, stop_after: int) -> None:
    straight = run_to_finish(small_options(corpus, name="straight", eval_every=10))
    halved = run_to_finish(small_options(corpus, name="halved", eval_every=10), stop_after)
    assert halved.reason == "interrupted"
    assert stop_after <= halved.summary.steps <= stop_after + 1
    resumed = run_to_finish(small_options(corpus, name="halved", eval_every=10, resume=True))
    assert resumed.summary.steps == 30
    for field in ("parameters_sha256", "val_nats", "train_nats", "tokens"):
        assert getattr(resumed.summary, field) == getattr(straight.summary, field), field
    for name in ("straight", "halved"):
        lines = read_metrics(model_dir(name))
        assert [line.step for line in lines] == [10, 20, 30]
    assert [line.val_nats for line in read_metrics(model_dir("halved"))] == [
        line.val_nats for line in read_metrics(model_dir("straight"))
    ]


def test_stopping_many_times_is_as_exact(corpus: Path) -> None:
    straight = run_summary(small_options(corpus, name="straight", dropout=0.3))
    run_to_finish(small_options(corpus, name="often", dropout=0.3), 3)
    for at in (5, 11, 12, 26):
        assert run_to_finish(small_options(corpus, name="often", resume=True), at).reason == "interrupted"
    assert run_summary(small_options(corpus, name="often", resume=True)).parameters_sha256 == straight.parameters_sha256


@pytest.mark.parametrize("victim", ["save_checkpoint", "save_weights"])
def test_a_save_that_fails_leaves_a_run_that_goes_on_exactly(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    straight = run_summary(small_options(corpus, name="straight", eval_every=10))
    real, calls = getattr(trainer, victim), []

    def full_disk(path: Path, *what: object, **how: object) -> object:
        calls.append(path)
        if len(calls) == 2:
            raise OSError(28, os.strerror(28), str(path))
        return real(path, *what, **how)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, victim, full_disk)
        with pytest.raises(OSError, match="No space"):
            run_to_finish(small_options(corpus, name="full", eval_every=10))
    resumed = run_summary(small_options(corpus, name="full", eval_every=10, resume=True))
    assert resumed.parameters_sha256 == straight.parameters_sha256
    assert [line.step for line in read_metrics(model_dir("full"))] == [10, 20, 30]


class KilledError(BaseException):
    """Simulates the end of the process."""


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["save_checkpoint", "save_weights"])
@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_killed_save_never_leaves_weights_alone_and_is_gone_on_with(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, victim: str, call: int
) -> None:
    run_summary(small_options(corpus, name="straight", eval_every=10))
    real, calls = getattr(trainer, victim), []

    def kill(path: Path, *what: object, **how: object) -> object:
        calls.append(path)
        if len(calls) == call:
            raise KilledError
        return real(path, *what, **how)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, victim, kill)
        patch.setattr(loop, "clean_up", lambda folder: None)
        with pytest.raises(KilledError):
            run_to_finish(small_options(corpus, name="killed", eval_every=10))
    folders = [model_dir(name) for name in ("straight", "killed")]
    left = {path.name for path in folders[1].glob("*.safetensors")}
    assert not left or "optimizer.safetensors" in left
    run_to_finish(small_options(corpus, name="killed", eval_every=10, resume=True))
    for name in ("best", "last"):
        straight, killed = (load_weights(directory / f"{name}.safetensors") for directory in folders)
        assert killed.card.steps == straight.card.steps
        assert parameters_sha256(killed.arrays) == parameters_sha256(straight.arrays)
    assert [line.step for line in read_metrics(folders[1])] == [10, 20, 30]


def test_what_a_killed_first_save_left_is_no_model(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "save_checkpoint", kill)
        patch.setattr(loop, "clean_up", lambda folder: None)
        with pytest.raises(KilledError):
            run_to_finish(small_options(corpus, eval_every=10))
    assert {path.name for path in model_dir("small").iterdir()} == {"lock", ".new"}
    assert run_summary(small_options(corpus, eval_every=15)).steps == 30
    assert [line.step for line in read_metrics(model_dir("small"))] == [15, 30]


def test_a_full_disk_at_the_first_save_leaves_nothing(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: object) -> None:
        raise OSError(28, os.strerror(28), str(path))

    monkeypatch.setattr(trainer, "save_checkpoint", full)
    with pytest.raises(OSError, match="No space"):
        run_to_finish(small_options(corpus, eval_every=10))
    assert not model_dir("small").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "step"),
    [(StepCompleted, 3), (StepCompleted, 10), (Evaluated, 10), (CheckpointSaved, 10), (StepCompleted, 14)],
)
def test_a_run_whose_reader_goes_away_is_saved(corpus: Path, kind: type[StepCompleted], step: int) -> None:
    straight = run_summary(small_options(corpus, name="straight", eval_every=10))
    running = train(small_options(corpus, name="left", eval_every=10), StopFlag())
    assert next(event for event in running if isinstance(event, kind) and event.step == step)
    running.close()
    started = next(
        e for e in run_events(small_options(corpus, name="left", resume=True)) if isinstance(e, TrainStarted)
    )
    assert started.step == step
    resumed = run_summary(small_options(corpus, name="left", resume=True))
    for field in ("parameters_sha256", "val_nats", "train_nats"):
        assert getattr(resumed, field) == getattr(straight, field), field
    assert [line.step for line in read_metrics(model_dir("left"))] == [10, 20, 30]


def test_a_reader_that_goes_away_before_the_first_step_leaves_nothing(corpus: Path) -> None:
    running = train(small_options(corpus), StopFlag())
    assert any(isinstance(event, Compiled) for event in running)
    running.close()
    assert not model_dir("small").exists()


@pytest.mark.slow
@pytest.mark.parametrize("problem", [None, "/cache cannot be written to"])
def test_compiling_is_told_when_it_is_done(corpus: Path, monkeypatch: pytest.MonkeyPatch, problem: str | None) -> None:
    run_summary(small_options(corpus, name="warm"))  # whatever is to be compiled
    kinds = [
        type(event)
        for event in run_events(small_options(corpus, name="cached"))
        if isinstance(event, Compiling | Compiled)
    ]
    assert kinds == [Compiled]

    @contextmanager
    def compiles(notice: Callable[[], object]) -> Iterator[None]:
        notice()
        yield

    monkeypatch.setattr(setup_run, "notify_on_compile", compiles)
    monkeypatch.setattr(setup_run, "_run_all_kernels", lambda run: time.sleep(0.2))
    monkeypatch.setattr(setup_run, "CACHE", KernelCache(corpus.parent if problem is None else None, problem))
    reported = [event for event in run_events(small_options(corpus)) if isinstance(event, Compiling | Compiled)]
    assert [type(event) for event in reported] == [Compiling, Compiled]
    assert reported[0] == Compiling(cached_for_next_run=problem is None)


def test_weights_alone_are_adapted_under_another_name(corpus: Path) -> None:
    run_summary(small_options(corpus))
    (model_dir("small") / "optimizer.safetensors").unlink()
    with pytest.raises(UsageError, match="no checkpoint") as caught:
        run_to_finish(small_options(corpus, resume=True))
    assert "--from small --name small-2" in caught.value.hint


@pytest.mark.slow
@pytest.mark.parametrize("limit", [{"steps": 10}, {"steps": 20}, {"epochs": 0.001}, {"minutes": 1e-9}])
def test_less_than_was_made_is_finished_already(corpus: Path, limit: dict[str, object]) -> None:
    before = run_summary(small_options(corpus, steps=20))
    seen = list(run_events(small_options(corpus, resume=True, **({"steps": None} | limit))))
    assert not any(isinstance(event, TrainStarted | Compiled | CheckpointSaved) for event in seen)
    assert isinstance(seen[-1], TrainFinished)
    assert (seen[-1].reason, seen[-1].summary) == ("already finished", before)
    assert run_summary(small_options(corpus, resume=True, steps=25)).steps == 25


def test_a_run_that_was_killed_when_it_had_settled_does_not_go_on(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object, **__: object) -> None:
        raise KilledError

    monkeypatch.setattr(train_options, "MAX_MINUTES", 0.05)
    monkeypatch.setattr(loop, "PATIENCE", 1)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_finish", kill)
        with pytest.raises(KilledError):
            run_to_finish(small_options(corpus, steps=None, lr=3.0, eval_every=5))
    assert run_to_finish(small_options(corpus, steps=None, resume=True)).reason == "already finished"


def test_more_steps_can_be_asked_for_later(corpus: Path) -> None:
    run_summary(small_options(corpus))
    done = run_to_finish(small_options(corpus, resume=True))
    assert done.reason == "already finished"
    longer = run_to_finish(small_options(corpus, resume=True, steps=45))
    assert (longer.reason, longer.summary.steps) == ("limit", 45)


def test_a_run_that_is_gone_on_with_tells_what_was_found_before(corpus: Path) -> None:
    before = [e for e in run_events(small_options(corpus, eval_every=5), stop_after=17) if isinstance(e, Evaluated)]
    assert [e.step for e in before] == [5, 10, 15]
    notes = model_dir("small") / METRICS
    notes.write_bytes(b'{"step": 3}\nhello\n' + notes.read_bytes() + b'{"step": 4, "train_nats": 1.0}\n')
    (started,) = (e for e in run_events(small_options(corpus, resume=True)) if isinstance(e, TrainStarted))
    assert started.description.startswith("resuming 'small' from step 17: a gru with 2 layers of 12 units")
    kept = [dataclasses.replace(e, sample="") for e in before]
    assert [dataclasses.replace(e, total_steps=None) for e in started.previous_evaluations] == [
        dataclasses.replace(e, total_steps=None) for e in kept
    ]


def test_resume_with_nothing_saved_begins(corpus: Path) -> None:
    assert run_summary(small_options(corpus, resume=True)).steps == 30


@pytest.mark.slow
def test_epochs_and_minutes_are_limits_too(corpus: Path) -> None:
    epochs = run_summary(small_options(corpus, steps=None, epochs=2, name="epochs"))
    started = next(
        e for e in run_events(small_options(corpus, steps=None, epochs=2, name="again")) if isinstance(e, TrainStarted)
    )
    assert epochs.steps == 2 * (started.train_tokens // 32)
    short = run_to_finish(small_options(corpus, steps=None, minutes=0.01, name="minutes"))
    assert short.reason == "limit"
    assert short.summary.steps > 1


def test_without_a_limit_it_stops_when_it_has_settled(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_options, "MAX_MINUTES", 0.05)
    monkeypatch.setattr(loop, "PATIENCE", 1)
    done = run_to_finish(small_options(corpus, steps=None, lr=3.0, eval_every=5))
    assert done.reason == "early_stopping"
    assert run_to_finish(small_options(corpus, steps=None, resume=True)).reason == "already finished"


@pytest.mark.parametrize(("lr", "improves"), [(0.003, True), (1.0, False)])
def test_the_end_tells_which_step_was_the_best(corpus: Path, lr: float, improves: bool) -> None:
    *_, done = events = list(run_events(small_options(corpus, lr=lr, dropout=0.2, eval_every=5)))
    best = [event.step for event in events if isinstance(event, Evaluated) and event.is_best][-1]
    assert isinstance(done, TrainFinished)
    assert (best == 30) == improves
    assert done.best_step == (None if improves else best)


def test_with_nothing_held_out_there_is_no_validation(corpus: Path) -> None:
    seen = [
        event for event in run_events(small_options(corpus, val=0.0, eval_every=15)) if isinstance(event, Evaluated)
    ]
    assert [event.val_nats for event in seen] == [None, None]
    assert load_weights(find_model("small")).card.steps == 30


def first_started(options: TrainOptions) -> TrainStarted:
    training_events = train(options, StopFlag())
    start_event = next(event for event in training_events if isinstance(event, TrainStarted))
    training_events.close()
    return start_event


def test_a_plan_without_a_limit_says_when_it_ends(corpus: Path) -> None:
    measured = first_started(small_options(corpus, steps=None))
    assert "until the validation loss has not improved" in measured.description
    assert measured.notices == ()
    blind = first_started(small_options(corpus, steps=None, val=0.0))
    assert blind.description.endswith(", about 10 minutes of training")
    assert any("no validation data (--val 0)" in note for note in blind.notices)


def test_it_says_why_nothing_could_be_held_out(tmp_path: Path) -> None:
    alike = tmp_path / "alike.csv"
    alike.write_text("body\n" + "the same\n" * 50)
    started = first_started(small_options(alike, steps=None))
    assert started.description.endswith(", about 10 minutes of training")
    assert any("all comments are the same text" in note for note in started.notices)
    alike.write_text("body\nonly one comment\n")
    assert any("a single text" in note for note in first_started(small_options(alike, steps=None)).notices)


def test_what_became_of_the_rows_is_noted(tmp_path: Path) -> None:
    source = write_small_corpus(tmp_path / "odd.csv")
    with source.open("a") as file:
        file.write('"cut')
    assert first_started(small_options(source)).notices == ("1 row skipped: unfinished row",)


def test_a_model_is_adapted_to_other_text(corpus: Path, tmp_path: Path) -> None:
    first = run_summary(small_options(corpus, steps=200))
    other = tmp_path / "other.csv"
    other.write_text("body\n" + "".join(f"a bird in the hand {i % 7}\n" for i in range(200)))
    cold = next(e for e in run_events(small_options(other, name="cold", eval_every=5)) if isinstance(e, Evaluated))
    asked = small_options(
        other, name="warm", eval_every=5, start_from="small", hidden=None, layers=None, embed=None, tokenizer=None
    )
    warm = next(e for e in run_events(asked) if isinstance(e, Evaluated))
    assert warm.val_nats_per_char is not None
    assert cold.val_nats_per_char is not None
    assert warm.val_nats_per_char < cold.val_nats_per_char
    assert load_weights(find_model("warm")).tokenizer.vocab_size == first.vocab + 1  # "b"
    halved = small_options(other, name="halved", start_from="small", hidden=None, layers=None, embed=None)
    run_to_finish(halved, 7)
    resumed = run_to_finish(small_options(other, name="halved", resume=True, hidden=None, layers=None, embed=None))
    assert (
        resumed.summary.parameters_sha256 == run_summary(dataclasses.replace(halved, name="straight")).parameters_sha256
    )
    with pytest.raises(UsageError, match="--hidden 99"):
        run_to_finish(small_options(other, name="odd", start_from="small", hidden=99, layers=None, embed=None))


def test_a_model_that_exists_is_not_overwritten_unasked(corpus: Path) -> None:
    before = run_summary(small_options(corpus))
    with pytest.raises(UsageError, match="exists"):
        run_to_finish(small_options(corpus, seed=5))
    assert run_summary(small_options(corpus, seed=5, force=True)).parameters_sha256 != before.parameters_sha256
    assert len(read_metrics(model_dir("small"))) > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden": 13}, "--hidden 13"),
        ({"seed": 1, "lr": 0.5}, "--lr 0.5"),
        ({"tokenizer": "word"}, "--tokenizer word"),
    ],
)
def test_a_resumed_run_names_what_differs(corpus: Path, changes: dict[str, object], words: str) -> None:
    run_to_finish(small_options(corpus), 5)
    with pytest.raises(UsageError, match=words):
        run_to_finish(small_options(corpus, resume=True, **changes))


def test_another_corpus_is_refused(corpus: Path, tmp_path: Path) -> None:
    run_to_finish(small_options(corpus), 5)
    with pytest.raises(UsageError, match="another corpus"):
        run_to_finish(small_options(write_small_corpus(tmp_path / "other.csv", rows=401), resume=True))
    with pytest.raises(UsageError, match="another part"):
        run_to_finish(small_options(corpus, resume=True, val_file=str(corpus)))


def test_divergence_before_the_first_save_says_that_nothing_is_kept(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run_summary(small_options(corpus))
    with pytest.raises(DivergedError) as caught:  # noqa: PT012 - the events before it are wanted
        for event in run_events(small_options(corpus, seed=5, force=True)):
            if isinstance(event, Compiled):
                make_diverge(monkeypatch)
    assert caught.value.hint == "start again with --lr below 0.004; nothing was saved"
    assert parameters_sha256(load_weights(model_dir("small") / LAST).arrays) == before.parameters_sha256


def test_divergence_stops_with_the_step_named_and_the_last_good_weights(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    with pytest.raises(DivergedError, match=r"at step 1[2-9]"):  # noqa: PT012 - the events before it are wanted
        for event in run_events(small_options(corpus, eval_every=10)):
            seen.append(event)
            if isinstance(event, CheckpointSaved):
                make_diverge(monkeypatch)
    weights = load_weights(find_model("small"))
    assert weights.card.steps == 10
    assert all(np.isfinite(array).all() for array in weights.arrays.values())


def make_diverge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the output of the layers infinite from the second next step on."""
    original, calls_left = RecurrentLayer.forward, [2]

    def forward(self: RecurrentLayer, *arguments: object) -> None:
        original(self, *arguments)  # type: ignore[arg-type]
        calls_left[0] -= 1
        if calls_left[0] < 0:
            self.s[0, 0, 0] = math.inf

    monkeypatch.setattr(RecurrentLayer, "forward", forward)


def test_an_end_before_the_first_step_leaves_nothing(corpus: Path) -> None:
    stop = StopFlag()
    stop.reason = "terminated"
    with pytest.raises(CancelledError) as caught:
        list(train(small_options(corpus), stop))
    assert caught.value.status == 143
    assert not model_dir("small").exists()


def test_two_runs_do_not_share_a_model(corpus: Path) -> None:
    with DirectoryLock(model_dir("small")), pytest.raises(LockedError, match=str(os.getpid())):
        run_to_finish(small_options(corpus))


def test_a_damaged_checkpoint_is_told(corpus: Path) -> None:
    run_to_finish(small_options(corpus), 5)
    path = model_dir("small") / "optimizer.safetensors"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for data in (b"", whole[:100], whole[:-1], bytes(flipped), b"\xff" * 200):
        path.write_bytes(data)
        with pytest.raises(ModelFileError, match="corrupt checkpoint"):
            run_to_finish(small_options(corpus, resume=True))


@pytest.mark.parametrize("step", [1, 8, 20])
def test_a_directory_that_is_removed_meanwhile_is_named(corpus: Path, step: int) -> None:
    def train_and_remove() -> None:
        for event in run_events(small_options(corpus, eval_every=15)):
            if isinstance(event, StepCompleted) and event.step >= step:
                shutil.rmtree(model_dir("small"), ignore_errors=True)

    with pytest.raises(GruError, match="the directory of model 'small' was removed while it was training"):
        train_and_remove()
    assert not model_dir("small").exists()


@posix_only
def test_a_dangling_link_is_no_directory(corpus: Path, tmp_path: Path) -> None:
    model_dir("small").parent.mkdir(parents=True, exist_ok=True)
    model_dir("small").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError) as caught:
        run_to_finish(small_options(corpus))
    error = to_gru_error(caught.value)
    assert isinstance(error, UsageError)
    assert error.message == f"dangling symbolic link: '{model_dir('small')}'"
    assert not (tmp_path / "nowhere").exists()


@posix_only
def test_metrics_are_not_appended_to_another_file(corpus: Path, tmp_path: Path) -> None:
    run_to_finish(small_options(corpus, steps=15))
    precious = tmp_path / "precious"
    precious.write_bytes(b"kept")
    for path in model_dir("small").iterdir():
        if path.name in (METRICS, NOVELTY, LAST, BEST):
            path.unlink()
            path.symlink_to(precious)
    run_to_finish(small_options(corpus, resume=True))
    assert precious.read_bytes() == b"kept"
    assert not any(path.is_symlink() for path in model_dir("small").iterdir())


@pytest.mark.parametrize(
    "damage",
    [
        lambda state, arrays: setattr(state, "hparams", dataclasses.replace(state.hparams, batch=0)),
        lambda state, arrays: setattr(state, "hparams", dataclasses.replace(state.hparams, cell="hmm")),
        lambda state, arrays: setattr(state, "hparams", dataclasses.replace(state.hparams, optimizer="hmm")),
        lambda state, arrays: setattr(state, "budget", dataclasses.replace(state.budget, steps=-1)),
        lambda state, arrays: setattr(state, "eval_every", 0),
        lambda state, arrays: setattr(state, "step", -1),
        lambda state, arrays: setattr(state, "dropout", 1.0),
        lambda state, arrays: arrays.update(parameters=arrays["parameters"][:1]),
        lambda state, arrays: arrays.update(parameters=arrays["parameters"].astype(np.float64)),
        lambda state, arrays: arrays.update(parameters=np.full_like(arrays["parameters"], np.nan)),
        lambda state, arrays: arrays.update(state=arrays["state"][..., :1]),
        lambda state, arrays: arrays.update(more=arrays["state"]),
        lambda state, arrays: arrays.pop("state"),
    ],
)
def test_a_checkpoint_whose_values_do_not_fit_is_corrupt(
    corpus: Path, damage: Callable[[TrainState, dict[str, Float32]], object]
) -> None:
    run_to_finish(small_options(corpus), 5)
    path = model_dir("small") / OPTIMIZER
    checkpoint = load_checkpoint(path)
    damage(checkpoint.train_state, checkpoint.arrays)
    save_checkpoint(path, checkpoint)
    with pytest.raises(ModelFileError, match="corrupt checkpoint"):
        run_to_finish(small_options(corpus, resume=True))


def test_a_corpus_shorter_than_a_window_leaves_no_model(tmp_path: Path) -> None:
    tiny = tmp_path / "tiny.csv"
    tiny.write_text("body\nhi\n")
    with pytest.raises(EmptyInputError) as caught:
        run_to_finish(small_options(tiny, seq=64))
    assert "--seq" in caught.value.hint
    assert not model_dir("small").exists()


def test_a_corpus_that_lost_its_rows_says_so(tmp_path: Path) -> None:
    truncated = tmp_path / "torn.csv"
    truncated.write_text("id,body\n" + "1,hi\n" * 10 + "2,a,b\n" * 2)
    with pytest.raises(EmptyInputError, match=r"\d+ tokens to train on, .* \(2 rows skipped: too many fields\)"):
        run_to_finish(small_options(truncated, seq=64))


def test_a_corpus_that_is_nearly_all_held_out_says_so(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("some text " * 100)
    with pytest.raises(EmptyInputError, match="more are validation data") as caught:
        run_to_finish(small_options(text, seq=64, val=0.999))
    assert "--val 0.999" in caught.value.hint
    assert "--seq" not in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden": 0}, "--hidden is 0"),
        ({"batch": -1}, "--batch is -1"),
        ({"hidden": 8192, "batch": 16384, "seq": 16384}, "not enough memory"),
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
        run_to_finish(small_options(corpus, **changes))


def test_a_name_is_made_of_the_corpus(corpus: Path) -> None:
    assert small_options(corpus, name=None).model_name() == "small"
    assert small_options(Path("/x/my comments (2).jsonl.zst"), name=None).model_name() == "my-comments--2"
    assert small_options(Path("-"), name=None).model_name() == "stdin"
