"""A run that ends worse than an untrained network says so, and keeps its best weights."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from grucli.__main__ import main
from grucli.api.store import describe_model
from grucli.errors import DivergedError, ExitStatus
from grucli.generation import evaluation
from grucli.generation.evaluation import EvalResult
from grucli.model.store import find_model, model_dir, read_metrics
from grucli.model.weights import load_weights
from grucli.training import trainer
from grucli.training.checkpoint import TrainState
from grucli.training.options import Budget, Hyperparameters
from grucli.training.trainer import Trainer
from tests.training.small_runs import run_events, run_summary, run_to_finish, small_options, write_small_corpus

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_small_corpus(tmp_path / "small.csv")


def test_a_finite_divergence_is_the_end_of_a_run(corpus: Path) -> None:
    diverging = small_options(corpus, lr=100.0, eval_every=10)
    finished = run_to_finish(diverging)
    assert (finished.reason, finished.summary.diverged) == ("diverged", True)
    assert isinstance(finished.error, DivergedError)
    assert finished.error.message.startswith("training diverged: ")
    best = min(read_metrics(model_dir("small")), key=lambda line: line.val_nats or math.inf)
    assert load_weights(find_model("small")).card.steps == best.step
    assert f"--lr below 100; the best weights, of step {best.step}, are kept" in finished.error.hint
    assert describe_model("small").summary == finished.summary

    again = run_to_finish(small_options(corpus, resume=True))
    assert (again.reason, again.summary) == ("diverged", finished.summary)
    longer = run_to_finish(small_options(corpus, resume=True, steps=40))
    assert (longer.reason, longer.summary.steps) == ("diverged", 40)
    assert not run_summary(small_options(corpus, force=True)).diverged


def test_the_exit_status_of_a_divergence_and_its_document(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = "--hidden 12 --embed 6 --batch 4 --seq 8 --threads 1 --steps 20"
    words = f"train {corpus} --name small {sizes} --lr 100 --json".split()
    assert main(words) == ExitStatus.FAILED
    out, err = capsys.readouterr()
    assert '"diverged": true' in out
    assert err.splitlines()[-2].startswith("gru: training diverged: ")
    assert "is ready" not in err
    assert main(["models", "show", "small"]) == ExitStatus.OK
    assert "diverged    worse than an untrained network" in capsys.readouterr().out


HPARAMS = Hyperparameters(hidden=8, embed=4, tokenizer="char", tied=False, batch=2, seq=8, lr=4e-3, weight_decay=0.01)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
@pytest.mark.parametrize("lr", [1e-9, 4e-3])
def test_a_run_of_few_steps_has_not_diverged(corpus: Path, steps: int, lr: float) -> None:
    assert run_to_finish(small_options(corpus, steps=steps, lr=lr)).reason == "limit"


@pytest.mark.parametrize(
    ("first", "last", "best_train", "val", "best_val", "diverged"),
    [
        (4.7, 573.0, 300.0, 573.0, 300.0, True),
        (4.7, 5.3, None, None, None, True),
        (4.7, 5.0, None, None, None, False),
        (4.7, 1.2, 1.2, 1.3, 1.3, False),
        (4.7, 0.1, 0.1, 9.0, 1.5, False),  # overfitting
        (4.7, 6.0, 2.0, 2.1, 2.0, False),  # one unusual batch
        (4.7, 3.5, 1.2, 3.6, 1.3, True),  # worse than it was by far
        (4.7, 0.6, 0.01, 0.7, 0.02, False),
        (9.0, 8.5, 8.4, 8.6, 8.5, False),  # a base model that does not know the text
        (None, 8.5, None, 8.6, None, True),
        (None, None, None, None, None, False),
    ],
)
def test_what_a_divergence_is(
    first: float | None,
    last: float | None,
    best_train: float | None,
    val: float | None,
    best_val: float | None,
    diverged: bool,
) -> None:
    state = TrainState(
        hparams=HPARAMS,
        budget=Budget(),
        dataset_id=("", 0, 0),
        tokenizer={},
        first_nats=first,
        last_nats=last,
        best_train_nats=best_train,
        val_nats=val,
        best_val_nats=best_val,
    )
    run = object.__new__(Trainer)
    run.train_state, run.engine = state, SimpleNamespace(sizes=SimpleNamespace(V=100))
    assert (run.divergence() is not None) == diverged


@pytest.mark.parametrize("nats", [math.nan, math.inf])
def test_a_validation_loss_that_is_not_finite_ends_the_run(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, nats: float
) -> None:
    real, calls = evaluation.evaluate_tokens, []

    def evaluate(*arguments: object) -> EvalResult:
        calls.append(arguments)
        return real(*arguments) if len(calls) < 2 else EvalResult(nats, nats, nats, nats, 1, 1)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer, "evaluate_tokens", evaluate)
    with pytest.raises(DivergedError, match="at step 20: validation loss"):
        list(run_events(small_options(corpus, eval_every=10)))
    assert load_weights(find_model("small")).card.steps == 10
    assert [line.step for line in read_metrics(model_dir("small"))] == [10]
