"""A run on an engine of the tests, which computes nothing: training depends on the protocol alone."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from grucli.engine.decoder import CpuDecoder
from grucli.engine.protocol import DropoutMask, Engine
from grucli.engine.thread_pool import ThreadPool
from grucli.errors import ModelFileError
from grucli.kernels.arrays import Float32
from grucli.model.parameters import Parameters
from grucli.model.store import model_dir
from grucli.text.loader import EvalBatch, TrainBatch
from grucli.training import checkpoint, loop, setup_run
from grucli.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from grucli.training.options import Hyperparameters
from tests.training.small_runs import run_to_finish, small_options, write_small_corpus


class CountingEngine:
    """Counts what it is asked for; each evaluation finds a lower loss."""

    def __init__(self, parameters: Parameters) -> None:
        self.sizes, self._views = parameters.sizes, parameters.views
        self._counts = np.zeros(2, np.float32)
        self.steps, self.loads, self.scored_epochs = list[int](), 0, 0

    def step(self, step: int, batch: TrainBatch, dropout: DropoutMask, learning_rate: float) -> tuple[float, float]:
        self.steps.append(step)
        self._counts += batch.inputs.size, learning_rate
        return 2.0, 1.0

    def score(self, batch: EvalBatch) -> Float32:
        self.scored_epochs += batch.is_epoch_start
        return batch.loss_mask / np.float32(1 + self.scored_epochs)

    def arrays(self) -> dict[str, Float32]:
        return {"counts": self._counts}

    def load(self, arrays: Mapping[str, Float32]) -> None:
        self.loads += 1
        if arrays.keys() != self.arrays().keys():
            raise ValueError(f"its arrays are {list(arrays)}")
        self._counts[...] = arrays["counts"]

    def named_parameters(self) -> Mapping[str, Float32]:
        return self._views

    def inference(self, *, quantized: bool) -> CpuDecoder:
        return CpuDecoder(self.sizes, self._views, quantized=quantized)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[CountingEngine]:
    """Every engine of the runs of a test; each run has one, and another to compile its kernels."""
    made: list[CountingEngine] = []

    def create_engine(parameters: Parameters, hparams: Hyperparameters, pool: ThreadPool) -> Engine:
        made.append(CountingEngine(parameters))
        return made[-1]

    monkeypatch.setattr(setup_run, "create_engine", create_engine)
    monkeypatch.setattr(loop, "_EVENT_EVERY_SECONDS", 0.0)
    return made


@pytest.mark.usefixtures("home")
def test_a_run_needs_nothing_but_the_protocol(tmp_path: Path, engines: list[CountingEngine]) -> None:
    corpus = write_small_corpus(tmp_path / "small.csv")
    stopped = run_to_finish(small_options(corpus, eval_every=5), stop_after=7).summary.steps
    assert (engines[0].steps, engines[0].scored_epochs) == (list(range(stopped)), 1)
    finished = run_to_finish(small_options(corpus, eval_every=5, resume=True))
    resumed = engines[2]
    assert (resumed.loads, resumed.steps, resumed.scored_epochs) == (1, list(range(stopped, 30)), 5)
    assert finished.summary.train_nats == 2.0
    assert finished.summary.val_nats == pytest.approx(1 / 6)
    saved = load_checkpoint(model_dir("small") / "optimizer.safetensors")
    assert set(saved.arrays) == {"counts"}
    assert saved.arrays["counts"][0] == finished.summary.tokens


@pytest.mark.usefixtures("home", "engines")
def test_a_checkpoint_of_another_engine_is_refused(tmp_path: Path) -> None:
    corpus = write_small_corpus(tmp_path / "small.csv")
    run_to_finish(small_options(corpus))
    path = model_dir("small") / "optimizer.safetensors"
    state = load_checkpoint(path).train_state
    for arrays in ({}, {"counts": np.zeros(3, np.float32)}):
        save_checkpoint(path, Checkpoint(state, arrays))
        with pytest.raises(ModelFileError, match="corrupt checkpoint"):
            run_to_finish(small_options(corpus, resume=True, steps=40))


@pytest.mark.usefixtures("home", "engines")
def test_a_checkpoint_of_a_later_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = write_small_corpus(tmp_path / "small.csv")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", checkpoint.FORMAT + 1)
        run_to_finish(small_options(corpus))
    with pytest.raises(ModelFileError, match=f"checkpoint format {checkpoint.FORMAT + 1}") as refused:
        run_to_finish(small_options(corpus, resume=True))
    assert refused.value.hint == "update grucli, or start again with --force"


@pytest.mark.usefixtures("home", "engines")
def test_a_checkpoint_of_an_earlier_format_leaves_its_model_to_adapt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_small_corpus(tmp_path / "small.csv")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", checkpoint.FORMAT - 1)
        run_to_finish(small_options(corpus))
    with pytest.raises(ModelFileError, match=rf"earlier gru \(checkpoint format {checkpoint.FORMAT - 1}\)") as refused:
        run_to_finish(small_options(corpus, resume=True))
    assert refused.value.hint == "adapt the model under another name: --from small --name small-2"
