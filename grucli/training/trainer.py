"""One run: its network, optimiser and place in the corpus, and what can be done with them: step, evaluate, save."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import msgspec

from grucli import __version__
from grucli.engine.network import Dropout, Network
from grucli.engine.thread_pool import Crew
from grucli.errors import DivergedError, ModelFileError, UsageError
from grucli.files import atomic_write, named
from grucli.generation.evaluation import Scorer
from grucli.generation.sampler import Draw, Sampler
from grucli.model.config import parameter_count
from grucli.model.parameters import Parameters
from grucli.model.store import BEST, LAST, METRICS, OPTIMIZER, Metrics, read_metrics
from grucli.model.weights import Card, Weights, describe_weights, parameters_sha256, save_weights
from grucli.text.dataset import Corpus
from grucli.text.loader import Batches
from grucli.training.checkpoint import Checkpoint, Position, save_checkpoint
from grucli.training.events import Evaluated, Stepped, Summary
from grucli.training.optimizers import AdamW
from grucli.training.schedule import rate

_SAMPLE = Draw(temp=0.8, max_chars=240)


@dataclass(frozen=True, slots=True)
class Step:
    """What one step was: its mean nats a token, the gradient's norm before clipping, and its seconds."""

    nats: float
    gradient_norm: float
    seconds: float


class _Figures(TypedDict):
    """What is known of a run so far, by the names that notes, cards, events and summaries have for it."""

    tokens: int
    seconds: float
    tokens_per_second: float
    train_nats: float
    val_nats: float | None
    val_nats_per_char: float | None
    val_bits_per_char: float | None


class Run:
    """See the module. `position` says where it stands and is all, besides the arrays, that a checkpoint keeps; `notes`
    are what the user should know before it goes on."""

    def __init__(self, folder: Path, corpus: Corpus, parameters: Parameters, position: Position, crew: Crew) -> None:
        recipe = position.recipe
        self.folder, self.corpus, self.parameters, self.position = folder, corpus, parameters, position
        self.notes: list[str] = []
        self.batches = Batches(corpus.train, recipe.batch, recipe.seq, recipe.seed)
        self._network = Network(parameters, recipe.seq, recipe.batch, crew)
        self._gradients = Parameters(parameters.sizes)
        self._optimiser = AdamW(parameters, crew)
        self._state = self._network.zero_state()
        self._scorer = Scorer(parameters, crew)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on exactly where `checkpoint` was taken."""
        self.parameters.flat[...] = checkpoint.parameters
        self._optimiser.m[...] = checkpoint.m
        self._optimiser.v[...] = checkpoint.v
        self._state[...] = checkpoint.state
        noted = [line for line in read_metrics(self.folder) if line.step <= self.position.step]
        atomic_write(self.folder / METRICS, b"".join(msgspec.json.encode(line) + b"\n" for line in noted))
        # Killed between the checkpoint and the best weights, which are those of the checkpoint then.
        if 0 < self.position.step == self.position.best_step != self._best_step_saved():
            self._save_weights(BEST)

    def _best_step_saved(self) -> int | None:
        try:
            return describe_weights(self.folder / BEST).card.steps
        except (UsageError, ModelFileError):
            return None

    @property
    def tokens(self) -> int:
        """Tokens trained on so far."""
        return self.position.step * self.position.recipe.batch * self.position.recipe.seq

    @property
    def learning_rate(self) -> float:
        """That of the next step."""
        return rate(self.position.step, self.position.horizon, self.position.recipe.lr)

    def step(self) -> Step:
        """Train on the next window.

        Raises:
            DivergedError: the loss or the gradient is not a finite number; nothing was changed by this step.
        """
        began, at = time.perf_counter(), self.position
        batch = self.batches.at(at.step)
        if batch.fresh:
            self._state.fill(0)
        dropout = Dropout(at.dropout, at.recipe.seed * 1_000_003 + at.step)
        self._network.forward(batch.inputs, batch.resets, self._state, dropout)
        nats = self._network.backward(batch.inputs, batch.targets, batch.resets, self._gradients, dropout)
        norm = self._optimiser.step(at.step, self._gradients, self.learning_rate)
        if not (math.isfinite(nats) and math.isfinite(norm)):
            raise DivergedError(
                f"training diverged at step {at.step + 1:,}: the loss is {nats:g}, the gradient's norm {norm:g}",
                f"begin again with --force and a smaller --lr than {at.recipe.lr:g}; the last good weights are kept",
            )
        seconds = time.perf_counter() - began
        at.step += 1
        at.seconds += seconds
        at.summed_nats += nats
        at.summed_steps += 1
        return Step(nats, norm, seconds)

    def evaluate(self) -> Evaluated:
        """Score the held-out text, note it, and save the run, and its weights as the best if they are so far.

        Raises:
            OSError: the disk refused; the last whole checkpoint is still there.
        """
        at = self.position
        at.train_nats = at.summed_nats / max(at.summed_steps, 1)
        at.summed_nats, at.summed_steps = 0.0, 0
        scores = self._scorer.score(self.corpus.held_out) if self.corpus.held_out is not None else None
        at.val_nats = scores.nats_per_token if scores else None
        at.val_nats_per_char = scores.nats_per_char if scores else None
        best = scores is None or at.best_nats is None or scores.nats_per_token < at.best_nats
        at.settling = 0 if best else at.settling + 1
        if best:
            at.best_nats, at.best_step = at.val_nats, at.step
        self._note()
        self.save(best=best)
        return Evaluated(
            step=at.step,
            steps=at.horizon,
            best=best,
            sample=self._sample(),
            **self._figures(),
        )

    def _figures(self) -> _Figures:
        at = self.position
        nats = at.val_nats_per_char
        return _Figures(
            tokens=self.tokens,
            seconds=at.seconds,
            tokens_per_second=self.tokens / at.seconds if at.seconds > 0 else 0.0,
            train_nats=at.train_nats if at.train_nats is not None else at.summed_nats / max(at.summed_steps, 1),
            val_nats=at.val_nats,
            val_nats_per_char=nats,
            val_bits_per_char=None if nats is None else nats / math.log(2),
        )

    def _sample(self) -> str:
        sampler = Sampler(self._weights(), threads=1)
        stream = sampler.stream(sampler.begin(), replace(_SAMPLE, seed=self.position.step))
        return "".join(piece.text for piece in stream)

    def _note(self) -> None:
        line = Metrics(step=self.position.step, lr=self.learning_rate, **self._figures())
        path = self.folder / METRICS
        with named(path), path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")

    def evaluations(self) -> Iterator[Evaluated]:
        """Those that were noted so far, without what the network wrote then; an odd line is left out."""
        least, last = math.inf, -1
        for line in read_metrics(self.folder):
            if line.train_nats is None or not last < line.step <= self.position.step:
                continue
            best, last = line.val_nats is None or line.val_nats < least, line.step
            least = line.val_nats if best and line.val_nats is not None else least
            figures = {name: getattr(line, name) for name in _Figures.__annotations__}
            yield Evaluated(step=line.step, steps=self.position.horizon, best=best, sample="", **figures)

    def _weights(self) -> Weights:
        corpus = self.corpus
        card = Card(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            program=f"gru {__version__}",
            fingerprint=corpus.fingerprint,
            running_text=corpus.running_text,
            conversations=corpus.conversations,
            steps=self.position.step,
            **self._figures(),
        )
        return Weights(self.parameters.sizes, corpus.tokenizer, self.parameters.views, card)

    def _save_weights(self, name: str) -> None:
        save_weights(self.folder / name, self._weights())

    def save(self, best: bool = False) -> Path:
        """Write the checkpoint, then the last weights, and the `best`; before any evaluation they are that too.

        In this order, because a checkpoint alone is a run that can be gone on with, and weights alone are not.

        Raises:
            OSError: the disk refused; the last whole checkpoint is still there.
        """
        checkpoint = Checkpoint(self.position, self.parameters.flat, self._optimiser.m, self._optimiser.v, self._state)
        save_checkpoint(self.folder / OPTIMIZER, checkpoint)
        self._save_weights(LAST)
        if best or not (self.folder / BEST).exists():
            self._save_weights(BEST)
        return self.folder

    def stepped(self, steps: list[Step]) -> Stepped:
        """The last few steps as an event."""
        at = self.position
        window = sum(step.seconds for step in steps)
        return Stepped(
            step=at.step,
            steps=at.horizon,
            tokens=self.tokens,
            seconds=at.seconds,
            train_nats=sum(step.nats for step in steps) / len(steps),
            tokens_per_second=len(steps) * at.recipe.batch * at.recipe.seq / max(window, 1e-9),
            learning_rate=self.learning_rate,
            gradient_norm=steps[-1].gradient_norm,
        )

    def summary(self) -> Summary:
        """The run as `--json` prints it."""
        return Summary(
            model=self.folder.name,
            path=str(self.folder),
            cell=self.position.recipe.cell,
            parameters=parameter_count(self.parameters.sizes),
            vocab=self.parameters.sizes.V,
            steps=self.position.step,
            **self._figures(),
            parameters_sha256=parameters_sha256(self.parameters.views),
        )
