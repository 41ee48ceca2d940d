"""Whole comparisons: their runs and models, exact resuming, what is refused."""

import errno
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from grucli.comparison import runner
from grucli.comparison.events import ComparisonStarted, PhaseStarted, RateChosen, RunDiverged, RunEvent
from grucli.comparison.options import CompareOptions
from grucli.comparison.plan import PLAN, SWEEP, Plan, comparison_dir, load_plan, save_plan
from grucli.errors import CancelledError, DivergedError, EmptyInputError, LockedError, ModelFileError, UsageError
from grucli.files import DirectoryLock
from grucli.model.store import BEST, LAST, find_model, model_dir, model_names
from grucli.model.weights import load_weights, read_model_info
from grucli.paths import comparisons_dir
from grucli.training import loop, setup_run, trainer
from grucli.training.checkpoint import load_checkpoint
from grucli.training.events import Evaluated, SetupProgress, StepCompleted, TrainStarted
from grucli.training.loop import train
from grucli.training.options import TrainOptions
from grucli.training.signals import StopFlag
from tests.comparison.small_comparisons import at_step, compare_events, compare_to_end, small_options
from tests.fault_injection import failing_disk
from tests.training.small_runs import write_small_corpus

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home", "every_step")]

MODELS = {"small-gru-0", "small-gru-1", "small-lstm-0", "small-lstm-1"}


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each run one step per turn, and an event for each step."""
    monkeypatch.setattr(loop, "_EVENT_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(runner, "_TURN_SECONDS", 0.0)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_small_corpus(tmp_path / "small.csv", rows=100)


def checksums() -> dict[str, str]:
    return {name: read_model_info(model_dir(name) / LAST).parameters_sha256 for name in model_names()}


def test_every_run_is_a_model_and_the_cells_have_the_same_size(corpus: Path) -> None:
    finished = compare_to_end(small_options(corpus))
    assert finished.reason == "limit"
    assert set(model_names()) == MODELS
    gru, lstm = finished.comparison.cells
    assert (gru.cell, lstm.cell, gru.hidden) == ("gru", "lstm", 24)
    assert lstm.parameters == pytest.approx(gru.parameters, rel=0.01)
    for result in (gru, lstm):
        assert result.parameters == read_model_info(find_model(result.runs[0].model)).parameters
        assert result.seeds == 2
        assert result.memory > 0
        bits = [run.val_bits_per_char for run in result.runs]
        assert result.val_bits_per_char == pytest.approx(sum(bits) / 2)
        assert bits == [read_model_info(model_dir(run.model) / LAST).card.val_bits_per_char for run in result.runs]
    assert finished.comparison.steps == 12
    assert json.dumps(finished.to_json())


def test_a_run_is_the_one_that_gru_train_makes(corpus: Path) -> None:
    compare_to_end(small_options(corpus))
    state = load_checkpoint(model_dir("small-lstm-1") / "optimizer.safetensors").train_state
    names = ("cell", "hidden", "embed", "batch", "seq", "seed", "lr", "tied")
    options = {name: getattr(state.hparams, name) for name in names}
    alone = TrainOptions(sources=[str(corpus)], name="alone", steps=12, threads=1, start_from="nothing", **options)
    list(train(alone, StopFlag()))
    assert checksums()["alone"] == checksums()["small-lstm-1"]


def test_the_cells_take_turns_and_the_seeds_follow_each_other(corpus: Path) -> None:
    steps = [
        (event.run, event.event.step)
        for event in compare_events(small_options(corpus))
        if isinstance(event, RunEvent) and isinstance(event.event, StepCompleted)
    ]
    assert {run for run, _ in steps[:24]} <= {"small-gru-0", "small-lstm-0"}
    reached = Counter[str]()
    for run, step in steps:
        reached[run] = step
        seed = run[-1]
        assert abs(reached[f"small-gru-{seed}"] - reached[f"small-lstm-{seed}"]) <= 2


def test_a_comparison_that_was_interrupted_ends_as_if_it_had_not_been(corpus: Path) -> None:
    whole = compare_to_end(small_options(corpus))
    expected = checksums()
    options = small_options(corpus, name="again")
    for stop_when in (at_step("again-gru-0", 3), at_step("again-lstm-0", 9), at_step("again-gru-1", 5)):
        stopped = compare_to_end(replace(options, resume=True), stop_when)
        assert stopped.reason == "interrupted"
        assert stopped.comparison.verdict == "not finished: no verdict"
    resumed = compare_to_end(CompareOptions(sources=[str(corpus)], name="again", resume=True, threads=1))
    assert {
        name.replace("again", "small"): digest for name, digest in checksums().items() if "again" in name
    } == expected
    assert [cell.val_bits_per_char for cell in resumed.comparison.cells] == [
        cell.val_bits_per_char for cell in whole.comparison.cells
    ]


def test_finished_runs_are_not_repeated(corpus: Path) -> None:
    first = compare_to_end(small_options(corpus))
    events = list(compare_events(small_options(corpus, resume=True)))
    assert not any(
        isinstance(event, RunEvent) and isinstance(event.event, StepCompleted | Evaluated | TrainStarted)
        for event in events
    )
    assert events[-1].to_json() == first.to_json()  # type: ignore[union-attr]


def test_seeds_can_be_added(corpus: Path) -> None:
    compare_to_end(small_options(corpus))
    before = checksums()
    finished = compare_to_end(small_options(corpus, seeds=3, resume=True))
    assert [cell.seeds for cell in finished.comparison.cells] == [3, 3]
    after = checksums()
    assert after.keys() - before.keys() == {"small-gru-2", "small-lstm-2"}
    assert before.items() <= after.items()


def test_a_model_that_is_no_run_of_the_comparison_is_not_taken_for_one(corpus: Path) -> None:
    compare_to_end(small_options(corpus))
    list(train(TrainOptions(sources=[str(corpus)], name="small-gru-2", hidden=8, steps=1, threads=1), StopFlag()))
    with pytest.raises(UsageError, match="model 'small-gru-2' already exists"):
        compare_to_end(small_options(corpus, seeds=3, resume=True))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 13}, r"--steps 13 \(was 12\)"),
        ({"lr": 0.1}, r"--lr 0\.1 \(was 0\.004\)"),
        ({"cells": "lstm,gru"}, r"--cells lstm,gru \(was gru,lstm\)"),
        ({"seeds": 1}, r"--seeds 1 \(was 2\)"),
        ({"tune": True}, r"--tune \(was not given\)"),
        ({"seed": 5}, r"--seed 5 \(was not given\)"),
        ({"dropout": 0.2, "layers": 2}, r"--layers 2 \(was not given\), --dropout 0\.2 \(was not given\)"),
        ({"eval_every": 7}, r"--eval-every 7 \(was 6\)"),
    ],
)
def test_resuming_with_other_options_is_refused(corpus: Path, changes: dict[str, object], said: str) -> None:
    options = small_options(corpus)
    list(zip(compare_events(options), range(40), strict=False))
    with pytest.raises(UsageError, match=f"was not compared with {said}") as refused:
        compare_to_end(replace(options, resume=True, **changes))  # type: ignore[arg-type]
    assert "--force" in refused.value.hint


def test_another_corpus_is_refused(corpus: Path) -> None:
    compare_to_end(small_options(corpus))
    corpus.write_text(corpus.read_text("utf-8") + "one more\n", "utf-8")
    with pytest.raises(UsageError, match="on another corpus"):
        compare_to_end(small_options(corpus, resume=True))


def test_a_comparison_that_exists_is_refused_and_replaced_by_force(corpus: Path) -> None:
    compare_to_end(small_options(corpus))
    with pytest.raises(UsageError, match="comparison 'small' already exists"):
        compare_to_end(small_options(corpus))
    before = checksums()
    compare_to_end(small_options(corpus, force=True, steps=14))
    after = checksums()
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())


def test_a_comparison_that_is_replaced_by_itself_has_all_its_runs(corpus: Path) -> None:
    first = compare_to_end(small_options(corpus)).comparison
    second = compare_to_end(small_options(corpus, force=True)).comparison
    assert [cell.seeds for cell in second.cells] == [2, 2]
    assert [cell.val_bits_per_char for cell in second.cells] == [cell.val_bits_per_char for cell in first.cells]


def test_a_model_that_exists_is_refused(corpus: Path) -> None:
    list(train(TrainOptions(sources=[str(corpus)], name="small-lstm-1", hidden=8, steps=1, threads=1), StopFlag()))
    with pytest.raises(UsageError, match="model 'small-lstm-1' already exists"):
        compare_to_end(small_options(corpus))
    assert not comparison_dir("small").exists()


def test_replaced_models_are_trained_anew_although_the_replacement_was_interrupted(corpus: Path) -> None:
    compare_to_end(small_options(corpus))
    compare_to_end(small_options(corpus, name="other", steps=14))
    expected = {name.replace("other", "small"): sha for name, sha in checksums().items() if "other" in name}
    forced = small_options(corpus, force=True, steps=14)
    compare_to_end(forced, at_step("small-gru-0", 2))
    plan = load_plan(comparison_dir("small"))
    assert {model for model in MODELS if plan.is_earlier(model_dir(model))} == {"small-gru-1", "small-lstm-1"}
    compare_to_end(replace(forced, force=False, resume=True))
    assert {name: sha for name, sha in checksums().items() if name in MODELS} == expected


def test_the_learning_rates_are_searched_and_kept(corpus: Path) -> None:
    options = small_options(corpus, tune=True, seeds=1, steps=10)
    events = list(compare_events(options))
    phases = [event for event in events if isinstance(event, PhaseStarted)]
    assert [(phase.phase, phase.steps, phase.runs) for phase in phases] == [
        ("learning rates", 2, 5),
        ("comparison", 10, 1),
    ]
    chosen = [event for event in events if isinstance(event, RateChosen)]
    assert [event.cell for event in chosen] == ["gru", "lstm"]
    for event in chosen:
        assert [lr for lr, _ in event.sweep] == [0.001, 0.002, 0.004, 0.008, 0.016]
        assert event.lr == min(event.sweep, key=lambda each: each[1] or 99)[0]
        assert event.at_edge == (event.lr in (0.001, 0.016))
        state = load_checkpoint(model_dir(f"small-{event.cell}-0") / "optimizer.safetensors").train_state
        assert state.hparams.lr == event.lr
    assert {event.seed for event in events if isinstance(event, RunEvent)} == {0, 100}
    assert set(model_names()) == {"small-gru-0", "small-lstm-0"}
    assert not (comparison_dir("small") / SWEEP).exists()
    assert [len(cell.sweep) for cell in events[-1].comparison.cells] == [5, 5]  # type: ignore[union-attr]


def test_a_search_that_was_interrupted_is_resumed(corpus: Path) -> None:
    options = small_options(corpus, tune=True, seeds=1, steps=10)
    compare_to_end(options)
    expected = checksums()
    again = replace(options, name="again")
    stopped = compare_to_end(again, at_step("lstm-0.004", 1))
    assert stopped.reason == "interrupted"
    assert (comparison_dir("again") / SWEEP / "gru-0.002").exists()
    events = list(compare_events(replace(again, resume=True)))
    trained = {e.run for e in events if isinstance(e, RunEvent) and isinstance(e.event, StepCompleted)}
    assert "gru-0.002" not in trained
    assert "gru-0.008" in trained
    assert checksums()["again-lstm-0"] == expected["small-lstm-0"]


def test_a_search_that_always_diverges_says_so(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "learning_rate_at", lambda *_: float("nan"))
    with pytest.raises(DivergedError, match=r"gru diverged with every learning rate from 0\.001 to 0\.016"):
        compare_to_end(small_options(corpus, tune=True, steps=20))


def test_a_run_that_diverges_leaves_the_others(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = trainer.Trainer.step

    def step(self: trainer.Trainer) -> trainer.StepResult:
        if self.train_state.hparams.cell == "lstm" and self.train_state.hparams.seed == 1:
            raise DivergedError("training diverged at step 1: loss nan", "use a lower --lr")
        return original(self)

    monkeypatch.setattr(trainer.Trainer, "step", step)
    events = list(compare_events(small_options(corpus)))
    assert [event.run for event in events if isinstance(event, RunDiverged)] == ["small-lstm-1"]
    assert events[-1].reason == "diverged"  # type: ignore[union-attr]
    cells = events[-1].comparison.cells  # type: ignore[union-attr]
    assert [cell.seeds for cell in cells] == [2, 1]
    assert [cell.diverged_seeds for cell in cells] == [(), (1,)]
    assert events[-1].comparison.verdict.startswith("lstm diverged")  # type: ignore[union-attr]


def test_a_run_that_ends_worse_than_untrained_has_diverged(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = DivergedError("training diverged: 9.0 nats per token", "use a lower --lr")
    own = trainer.Trainer.divergence
    monkeypatch.setattr(
        trainer.Trainer, "divergence", lambda self: error if self.train_state.hparams.cell == "gru" else own(self)
    )
    finished = compare_to_end(small_options(corpus, seeds=1))
    assert (finished.reason, finished.comparison.cells[0].diverged_seeds) == ("diverged", (0,))
    assert compare_to_end(small_options(corpus, seeds=1, resume=True)).to_json() == finished.to_json()


def test_the_steps_follow_from_the_minutes_and_are_kept(corpus: Path) -> None:
    options = small_options(corpus, steps=None, minutes=0.002, seeds=1)
    compare_to_end(options, lambda event: isinstance(event, PhaseStarted))
    steps = load_plan(comparison_dir("small")).steps
    assert steps is not None
    finished = compare_to_end(replace(options, resume=True))
    assert finished.comparison.steps == steps
    assert {run.model for cell in finished.comparison.cells for run in cell.runs} == {"small-gru-0", "small-lstm-0"}
    assert load_weights(model_dir("small-gru-0") / LAST).card.steps == steps


def test_epochs_are_steps(corpus: Path) -> None:
    finished = compare_to_end(small_options(corpus, steps=None, epochs=0.5, seeds=1))
    train_tokens = load_plan(comparison_dir("small")).dataset_id[1]
    assert finished.comparison.steps == pytest.approx(0.5 * train_tokens / 32, abs=1)


def test_what_the_fastest_cell_needed_is_the_time_at_which_all_are_compared(corpus: Path) -> None:
    finished = compare_to_end(small_options(corpus, eval_every=2)).comparison
    seconds = [sum(run.seconds for run in cell.runs) / 2 for cell in finished.cells]
    assert finished.equal_seconds == min(seconds)
    fastest = finished.cells[seconds.index(min(seconds))]
    assert fastest.val_bits_per_char_at_equal_time == fastest.val_bits_per_char
    for cell in finished.cells:
        assert cell.val_bits_per_char_at_equal_time is None or cell.interval_at_equal_time is not None


def test_a_corpus_too_short_is_refused_before_anything_is_kept(tmp_path: Path) -> None:
    short = tmp_path / "short.csv"
    short.write_text("body\nhello\n", "utf-8")
    with pytest.raises(EmptyInputError):
        compare_to_end(small_options(short))
    one = tmp_path / "one.csv"
    one.write_text("body\n" + "hello there, this is all one text " * 30 + "\n", "utf-8")
    with pytest.raises(EmptyInputError, match="leaves no validation data"):
        compare_to_end(small_options(one))
    assert list(comparisons_dir().iterdir()) == []
    assert model_names() == []


def test_networks_that_do_not_fit_in_memory_together_are_refused(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compare_to_end(small_options(corpus, name="sizes", seeds=1))
    needed = [cell.memory for cell in load_plan(comparison_dir("sizes")).cells]
    monkeypatch.setattr(setup_run, "memory_bytes", lambda: sum(needed) - 1)
    with pytest.raises(UsageError, match="not enough memory"):
        compare_to_end(small_options(corpus))


def test_a_stop_before_it_began_keeps_nothing(corpus: Path) -> None:
    with pytest.raises(CancelledError):
        compare_to_end(small_options(corpus), lambda event: isinstance(event, SetupProgress))
    assert not comparison_dir("small").exists()


def test_a_stop_before_the_first_step_keeps_the_plan(corpus: Path) -> None:
    stopped = compare_to_end(small_options(corpus), lambda event: isinstance(event, ComparisonStarted))
    assert stopped.reason == "interrupted"
    assert compare_to_end(small_options(corpus, resume=True)).reason == "limit"


def test_closing_the_events_saves_every_run(corpus: Path) -> None:
    events = compare_events(small_options(corpus))
    is_far = at_step("small-lstm-0", 4)
    for event in events:
        if is_far(event):
            break
    events.close()  # type: ignore[attr-defined]
    assert set(model_names()) == {"small-gru-0", "small-lstm-0"}
    reached = {
        name: load_checkpoint(model_dir(name) / "optimizer.safetensors").train_state.step for name in model_names()
    }
    assert min(reached.values()) >= 3


def test_a_full_disk_is_an_error_and_the_comparison_can_be_resumed(corpus: Path) -> None:
    compare_to_end(small_options(corpus))
    expected = checksums()
    options, original = small_options(corpus, name="full"), trainer.Trainer.save

    def save(self: trainer.Trainer, best: bool = False) -> Path:
        with failing_disk(1, errno.ENOSPC):
            return original(self, best)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.Trainer, "save", save)
        with pytest.raises(OSError, match="No space"):
            compare_to_end(options)
    assert not any("full" in name for name in model_names())
    finished = compare_to_end(replace(options, resume=True))
    assert finished.reason == "limit"
    assert {n.replace("full", "small"): sha for n, sha in checksums().items() if "full" in n} == expected


def test_one_process_at_a_time(corpus: Path) -> None:
    with DirectoryLock(comparison_dir("small")), pytest.raises(LockedError):
        compare_to_end(small_options(corpus))


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[" * 100_000, b'{"format":1,"sha256":"","content":{}}', b'{"format":9}']
)
def test_a_corrupt_plan_is_named(corpus: Path, data: bytes) -> None:
    directory = comparison_dir("small")
    directory.mkdir(parents=True)
    (directory / PLAN).write_bytes(data)
    with pytest.raises(ModelFileError, match=r"plan\.json") as refused:
        compare_to_end(small_options(corpus, resume=True))
    assert "--force" in refused.value.hint
    assert compare_to_end(small_options(corpus, force=True, seeds=1)).reason == "limit"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda plan: plan.options.update(wings=2), "has an option that this gru does not have"),
        (lambda plan: setattr(plan.cells[0], "cell", "gsu"), "has the cell 'gsu'"),
        (lambda plan: plan.cells.pop(), "corrupt plan"),
    ],
)
def test_a_plan_of_another_gru_is_named(corpus: Path, change: Callable[[Plan], object], said: str) -> None:
    compare_to_end(small_options(corpus, seeds=1, steps=1))
    plan = load_plan(comparison_dir("small"))
    change(plan)
    save_plan(comparison_dir("small"), plan)
    with pytest.raises(ModelFileError, match=said):
        compare_to_end(small_options(corpus, resume=True))


def test_a_name_that_is_too_long_is_refused_at_once(corpus: Path) -> None:
    with pytest.raises(UsageError, match="too long"):
        compare_to_end(small_options(corpus, name="x" * 60))
    assert BEST not in {path.name for path in comparisons_dir().rglob("*")}
