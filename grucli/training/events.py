"""What happens while a model is trained, as plain values.

The loop yields them and never prints; the terminal draws them and never trains. Losses are in nats a token, times in
seconds, and `seconds` counts training alone: neither compiling, preparing nor the pauses between runs.
"""

from dataclasses import dataclass
from pathlib import Path

from grucli.json_record import JsonRecord
from grucli.model.figures import Figures


@dataclass(frozen=True, slots=True)
class SetupProgress:
    """Work before the first step: `stage` is a phrase such as "reading the corpus"; bytes, where they are known."""

    stage: str
    done: int = 0
    total: int | None = None


@dataclass(frozen=True, slots=True)
class TrainStarted:
    """The run is about to make its first step. `plan` is one sentence that says what it will do and about how long.

    `earlier`: what was found before it was gone on with, in order; samples of that time are not kept.
    """

    name: str
    path: Path
    description: str
    parameters: int
    vocab: int
    train_tokens: int
    val_tokens: int
    step: int
    notices: tuple[str, ...] = ()
    previous_evaluations: tuple["Evaluated", ...] = ()


@dataclass(frozen=True, slots=True)
class Compiling:
    """Kernels that no earlier run has left are being compiled; `kept` says whether later runs will have them."""

    cached_for_next_run: bool


@dataclass(frozen=True, slots=True)
class Compiled:
    """The kernels are ready; `cached` says whether they were loaded instead of compiled."""

    seconds: float
    cached: bool


@dataclass(frozen=True, slots=True)
class StepCompleted:
    """A few steps were made. `steps` is the last step of the run, or None until it has been fixed."""

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
class TrainFinished:
    """The run is over. `reason`: "limit" (asked for), "settled" (held-out loss stopped improving), "interrupted"
    (Ctrl-C), "terminated" (SIGTERM), "hung up" (SIGHUP) or "already finished" (resumed, with nothing left to
    do)."""

    reason: str
    summary: "TrainSummary"


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
class TrainSummary(Figures, _ModelSummary):
    """The result of a run: the JSON document of `gru train` and `gru models show`."""

    parameters_sha256: str


TrainEvent = (
    SetupProgress | TrainStarted | Compiling | Compiled | StepCompleted | Evaluated | CheckpointSaved | TrainFinished
)
