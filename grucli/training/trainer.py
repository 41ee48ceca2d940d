"""One run: an engine and a position in the corpus; train a step, evaluate, save."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from grucli import __version__
from grucli.engine.protocol import DropoutMask, Engine
from grucli.errors import DivergedError, GruError, ModelFileError, UsageError
from grucli.files import atomic_write, open_no_follow, oserror_for
from grucli.generation.context_gain import measure_context_gain, training_sample
from grucli.generation.evaluation import evaluate_tokens
from grucli.generation.options import GenerationConfig
from grucli.generation.sampler import Sampler
from grucli.model.config import num_parameters
from grucli.model.figures import Figures
from grucli.model.store import BEST, LAST, METRICS, OPTIMIZER, Metrics, read_metrics
from grucli.model.weights import ModelCard, SavedModel, parameters_sha256, read_model_info, save_weights
from grucli.read.schema import Schema
from grucli.text.dataset import Dataset
from grucli.text.loader import BatchLoader
from grucli.training.checkpoint import Checkpoint, TrainState, save_checkpoint
from grucli.training.events import Evaluated, StepCompleted, TrainSummary
from grucli.training.schedule import learning_rate_at
from grucli.training.staging import publish

_DIVERGED_RATIO = 1.1  # of a loss to that of an untrained network
_SAMPLE_CONFIG = GenerationConfig(temp=0.8, max_chars=240)


@dataclass(frozen=True, slots=True)
class StepResult:
    """Mean loss in nats per token, norm of the gradient before clipping, and seconds of one step."""

    nats: float
    gradient_norm: float
    seconds: float


class Trainer:
    """Trains one model. `train_state` is, besides the arrays, all that a checkpoint keeps; `notices` are warnings,
    and `decisions` lines about what was chosen.

    `output_dir` is where files are written: the directory of the model, or until the first save the staging directory;
    new ones have `file_mode`, less the umask.
    """

    def __init__(self, model_dir: Path, dataset: Dataset, engine: Engine, train_state: TrainState) -> None:
        hparams = train_state.hparams
        self.model_dir, self.dataset, self.engine, self.train_state = model_dir, dataset, engine, train_state
        self.output_dir = model_dir
        self.file_mode = 0o666
        self.notices: list[str] = []
        self.decisions: list[str] = []
        self.loader = BatchLoader(dataset.train, hparams.batch, hparams.seq, hparams.seed)
        self._replies = None if dataset.val is None else training_sample(dataset.val)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restore the run from `checkpoint`.

        Raises:
            ModelFileError: its arrays are not those of the engine.
            OSError: the metrics or the best weights cannot be written.
        """
        try:
            self.engine.load(checkpoint.arrays)
        except ValueError as error:
            raise ModelFileError(
                f"corrupt checkpoint: '{self.model_dir}': {error}", "start again with --force"
            ) from error
        metrics = [line for line in read_metrics(self.model_dir) if line.step <= self.train_state.step]
        data = b"".join(msgspec.json.encode(line) + b"\n" for line in metrics)
        atomic_write(self.model_dir / METRICS, data, follow_symlinks=False)
        # Killed after the checkpoint and before the best weights: they are those of the checkpoint.
        if 0 < self.train_state.step == self.train_state.best_step != self._saved_best_step():
            self._save_weights(BEST)

    def _saved_best_step(self) -> int | None:
        try:
            return read_model_info(self.model_dir / BEST).card.steps
        except (UsageError, ModelFileError):
            return None

    @property
    def tokens(self) -> int:
        """Tokens trained on so far."""
        return self.train_state.step * self.train_state.hparams.batch * self.train_state.hparams.seq

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return learning_rate_at(self.train_state.step, self.train_state.total_steps, self.train_state.hparams.lr)

    def step(self) -> StepResult:
        """Train on the next window.

        Raises:
            DivergedError: the loss or the gradient is not finite; the parameters were not changed.
        """
        started_at, state = time.perf_counter(), self.train_state
        batch = self.loader.get_batch(state.step)
        dropout = DropoutMask(state.dropout, state.embed_dropout, state.hparams.seed * 1_000_003 + state.step)
        nats, norm = self.engine.step(state.step, batch, dropout, self.learning_rate)
        if not (math.isfinite(nats) and math.isfinite(norm)):
            raise DivergedError(
                f"training diverged at step {state.step + 1:,}: loss {nats:g}, gradient norm {norm:g}",
                self._restart_hint(),
            )
        seconds = time.perf_counter() - started_at
        state.step += 1
        state.seconds += seconds
        state.first_nats, state.last_nats = nats if state.first_nats is None else state.first_nats, nats
        state.loss_sum += nats
        state.loss_steps += 1
        return StepResult(nats, norm, seconds)

    def _restart_hint(self) -> str:
        lr = self.train_state.hparams.lr
        if self.output_dir != self.model_dir:
            return f"start again with --lr below {lr:g}; nothing was saved"
        return f"start again with --force and --lr below {lr:g}; the last good weights are kept"

    def evaluate(self) -> Evaluated:
        """Compute the validation loss, record it, and save the run, and the weights as the best if they are.

        Raises:
            DivergedError: the validation loss is not finite; the last checkpoint is intact.
            GruError: the directory of the model was removed.
            OSError: a file cannot be written; the last checkpoint is intact.
        """
        state = self.train_state
        scores = evaluate_tokens(self.engine, self.dataset.val) if self.dataset.val is not None else None
        if scores is not None and not math.isfinite(scores.nats_per_token):
            raise DivergedError(
                f"training diverged at step {state.step:,}: validation loss {scores.nats_per_token:g}",
                self._restart_hint(),
            )
        state.train_nats = state.loss_sum / max(state.loss_steps, 1)
        if state.best_train_nats is None or state.train_nats < state.best_train_nats:
            state.best_train_nats = state.train_nats
        state.loss_sum, state.loss_steps = 0.0, 0
        state.val_nats = scores.nats_per_token if scores else None
        state.val_nats_per_char = scores.nats_per_char if scores else None
        if self.dataset.val is not None and self._replies is not None:
            state.context_gain = measure_context_gain(self.engine, self.dataset.val, self._replies)
        best = scores is None or state.best_val_nats is None or scores.nats_per_token < state.best_val_nats
        state.num_bad_evals = 0 if best else state.num_bad_evals + 1
        if best:
            state.best_val_nats, state.best_step = state.val_nats, state.step
        self._record_metrics()
        self.save(best=best)
        return Evaluated(
            step=state.step,
            total_steps=state.total_steps,
            is_best=best,
            sample=self._generate_sample(),
            **self._figures(),
        )

    def divergence(self) -> DivergedError | None:
        """Return what to report if the network is worse than an untrained one, or far worse than it was; else None.

        Both the last step and the validation loss must say so: overfitting raises only the latter.
        """
        state = self.train_state
        untrained = max(math.log(self.engine.sizes.V), state.first_nats or 0.0)
        if state.last_nats is None or not _is_far_worse(state.last_nats, state.best_train_nats, untrained):
            return None
        if state.val_nats is not None and not _is_far_worse(state.val_nats, state.best_val_nats, untrained):
            return None
        nats = state.last_nats if state.val_nats is None else state.val_nats
        return DivergedError(
            f"training diverged: {nats:,.1f} nats per token; an untrained model has {untrained:.1f}",
            f"start again with --force and --lr below {state.hparams.lr:g}; the best weights, of step "
            f"{state.best_step:,}, are kept",
        )

    def _figures(self) -> dict[str, Any]:
        state = self.train_state
        nats = state.val_nats_per_char
        return Figures(
            tokens=self.tokens,
            seconds=state.seconds,
            tokens_per_second=self.tokens / state.seconds if state.seconds > 0 else 0.0,
            train_nats=state.train_nats if state.train_nats is not None else state.loss_sum / max(state.loss_steps, 1),
            val_nats=state.val_nats,
            val_nats_per_char=nats,
            val_bits_per_char=None if nats is None else nats / math.log(2),
            **state.context_gain.gain_figures(),
        ).figures()

    def _generate_sample(self) -> str:
        sampler = Sampler(self._weights(), threads=1, engine=self.engine.inference(quantized=True))
        stream = sampler.stream(sampler.initial_state(), replace(_SAMPLE_CONFIG, seed=self.train_state.step))
        return "".join(piece.text for piece in stream)

    def _record_metrics(self) -> None:
        metrics = Metrics(step=self.train_state.step, lr=self.learning_rate, **self._figures())
        path = self.output_dir / METRICS
        self._check_not_removed()
        with oserror_for(path), open(path, "ab", opener=open_no_follow) as file:
            file.write(msgspec.json.encode(metrics) + b"\n")

    def evaluations(self) -> Iterator[Evaluated]:
        """Yield the recorded evaluations, without samples; malformed lines are skipped."""
        min_val_nats, last_step = math.inf, -1
        for metrics in read_metrics(self.model_dir):
            if metrics.train_nats is None or not last_step < metrics.step <= self.train_state.step:
                continue
            best, last_step = metrics.val_nats is None or metrics.val_nats < min_val_nats, metrics.step
            min_val_nats = metrics.val_nats if best and metrics.val_nats is not None else min_val_nats
            yield Evaluated(
                step=metrics.step, total_steps=self.train_state.total_steps, is_best=best, **metrics.figures()
            )

    def _weights(self) -> SavedModel:
        dataset = self.dataset
        card = ModelCard(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            program=f"gru {__version__}",
            fingerprint=dataset.fingerprint,
            running_text=dataset.running_text,
            conversations=dataset.conversations,
            steps=self.train_state.step,
            diverged=self.divergence() is not None,
            origin=self.train_state.origin,
            **self._figures(),
            **dataset.text_figures(),
        )
        return SavedModel(self.engine.sizes, dataset.tokenizer, self.engine.named_parameters(), card)

    def _save_weights(self, name: str) -> None:
        save_weights(self.output_dir / name, self._weights(), mode=self.file_mode)

    def save(self, best: bool = False) -> Path:
        """Write the checkpoint, the last weights, and the best weights if `best` or if there are none yet.

        The checkpoint comes first: a run can be resumed from it alone, but not from weights alone. The first save of a
        new run replaces the earlier model.

        Raises:
            GruError: the directory of the model was removed.
            OSError: a file cannot be written; the last checkpoint is intact.
        """
        self._check_not_removed()
        save_checkpoint(self.output_dir / OPTIMIZER, Checkpoint(self.train_state, self.engine.arrays()), self.file_mode)
        self._save_weights(LAST)
        if best or not (self.output_dir / BEST).exists():
            self._save_weights(BEST)
        if self.output_dir != self.model_dir:
            publish(self.model_dir)
            self.output_dir = self.model_dir
        return self.model_dir

    def _check_not_removed(self) -> None:
        if not self.output_dir.is_dir():
            raise GruError(
                f"the directory of model '{self.model_dir.name}' was removed while it was training: '{self.model_dir}'",
                "train it again, or under another --name",
            )

    def step_event(self, steps: list[StepResult]) -> StepCompleted:
        """Return the event of the last few steps."""
        state = self.train_state
        window_seconds = sum(step.seconds for step in steps)
        return StepCompleted(
            step=state.step,
            total_steps=state.total_steps,
            tokens=self.tokens,
            seconds=state.seconds,
            train_nats=sum(step.nats for step in steps) / len(steps),
            tokens_per_second=len(steps) * state.hparams.batch * state.hparams.seq / max(window_seconds, 1e-9),
            learning_rate=self.learning_rate,
            gradient_norm=steps[-1].gradient_norm,
        )

    @property
    def inputs(self) -> tuple[Schema, ...]:
        """What was decided about the sources."""
        return tuple(self.dataset.report.schemas)

    def summary(self) -> TrainSummary:
        """Return the summary of the run so far."""
        return TrainSummary(
            model=self.model_dir.name,
            path=str(self.model_dir),
            cell=self.train_state.hparams.cell,
            parameters=num_parameters(self.engine.sizes),
            vocab=self.engine.sizes.V,
            steps=self.train_state.step,
            **self._figures(),
            parameters_sha256=parameters_sha256(self.engine.named_parameters()),
            diverged=self.divergence() is not None,
            origin=self.train_state.origin,
            **self.dataset.text_figures(),
        )


def _is_far_worse(nats: float, best_nats: float | None, untrained_nats: float) -> bool:
    # With some room: a network may get a little worse in its first steps, and a good one a little worse again.
    limit = _DIVERGED_RATIO * untrained_nats
    return nats > (limit if best_nats is None else min(limit, max(2 * best_nats, best_nats + 1)))
