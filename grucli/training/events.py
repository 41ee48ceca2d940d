"""Events of a training run: plain values, yielded by the loop and rendered elsewhere.

Losses are in nats per token and times in seconds; `seconds` counts training alone, without compiling and preparing.
"""

from dataclasses import dataclass
from pathlib import Path

from grucli.errors import DivergedError
from grucli.json_record import JsonRecord
from grucli.model.figures import Figures, TextFigures
from grucli.model.weights import ModelOrigin
from grucli.read.schema import Schema


@dataclass(frozen=True, slots=True)
class SetupProgress:
    """Work before the first step: `stage` is a phrase such as "reading the corpus"; `done` and `total` are bytes."""

    stage: str
    done: int = 0
    total: int | None = None


@dataclass(frozen=True, slots=True)
class TrainStarted:
    """The first step follows. `description` is one sentence: what is trained on what, and until when.

    `inputs`: what was decided about the sources. `decisions`: what was decided about the network, a line each.

    `previous_evaluations` are those of the run that is resumed, in order, without samples.
    """

    name: str
    path: Path
    description: str
    parameters: int
    vocab: int
    train_tokens: int
    val_tokens: int
    step: int
    decisions: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    inputs: tuple[Schema, ...] = ()
    previous_evaluations: tuple["Evaluated", ...] = ()


@dataclass(frozen=True, slots=True)
class Compiling:
    """Kernels that are not in the cache are being compiled."""

    cached_for_next_run: bool


@dataclass(frozen=True, slots=True)
class Compiled:
    """The kernels are ready; `cached` is True if they were loaded instead of compiled."""

    seconds: float
    cached: bool


@dataclass(frozen=True, slots=True)
class StepCompleted:
    """The steps since the last such event. `total_steps` is None until the length of the run is fixed."""

    step: int
    total_steps: int | None
    tokens: int
    seconds: float
    train_nats: float
    tokens_per_second: float
    learning_rate: float
    gradient_norm: float


@dataclass(frozen=True, kw_only=True)
class Evaluated(Figures):
    """An evaluation after `step` steps, and a sample of what the network generates then."""

    step: int
    total_steps: int | None
    is_best: bool
    sample: str = ""


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """A checkpoint was written."""

    path: Path
    step: int


@dataclass(frozen=True, slots=True)
class TrainFinished(JsonRecord):
    """The last event of a run.

    `reason`: "limit" (of steps or time), "early_stopping" (the validation loss stopped improving), "interrupted"
    (Ctrl-C), "terminated" (SIGTERM), "hung up" (SIGHUP), "already finished" (resumed without anything left to do) or
    "diverged" (finished, and described by `error`). `best_step`: the step of the best weights, None if the last one.
    """

    reason: str
    summary: "TrainSummary"
    inputs: tuple[Schema, ...] = ()
    error: DivergedError | None = None
    best_step: int | None = None

    def to_json(self) -> dict[str, object]:
        """Return the summary, and what was decided about the sources."""
        return self.summary.to_json() | {"inputs": [schema.to_json() for schema in self.inputs]}


@dataclass(frozen=True, kw_only=True)
class _ModelSummary(JsonRecord):
    model: str
    path: str
    cell: str
    parameters: int
    vocab: int
    steps: int


# Dataclasses list the fields of the last base first, so this is the order of the JSON contract.
@dataclass(frozen=True, kw_only=True)
class _RunSummary(Figures, _ModelSummary):
    parameters_sha256: str


@dataclass(frozen=True, kw_only=True)
class TrainSummary(TextFigures, _RunSummary):
    """The result of a run: the JSON document of `gru train` and `gru models show`.

    `diverged`: the network predicts worse than an untrained one, or than it once did by far. `origin`: the model that
    it was adapted from.
    """

    diverged: bool = False
    origin: ModelOrigin | None = None


TrainEvent = (
    SetupProgress | TrainStarted | Compiling | Compiled | StepCompleted | Evaluated | CheckpointSaved | TrainFinished
)
