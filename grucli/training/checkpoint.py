"""Checkpoints: the arrays of an engine and the train state, in one file.

`optimizer.safetensors` includes the parameters, so that a resumed run needs no other file to agree with it: a save that
is killed leaves the old checkpoint or the new one.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import safetensors
import safetensors.numpy

from grucli.errors import ModelFileError, UsageError
from grucli.files import atomic_write
from grucli.kernels.arrays import Float32
from grucli.model.figures import ContextGain
from grucli.model.weights import MAX_HEADER_BYTES, ModelOrigin, parameters_sha256
from grucli.sealed import UnknownFormatError, seal, unseal
from grucli.training.optimizers import OPTIMIZERS
from grucli.training.options import Budget, Hyperparameters, check_options

FORMAT = 4
_METADATA_KEY = "gru-checkpoint"
_HINT = "start again with --force"
_NonNegativeInt = Annotated[int, msgspec.Meta(ge=0)]
_PositiveInt = Annotated[int, msgspec.Meta(ge=1)]
_NonNegativeFloat = Annotated[float, msgspec.Meta(ge=0)]
_Probability = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class TrainState(msgspec.Struct, kw_only=True):
    """The progress of a run. Times in seconds, losses in nats per token.

    `dataset_id` is the fingerprint of the corpus and its numbers of training and validation tokens, which differ for
    another split. `loss_sum` is the loss of the `loss_steps` steps since the last evaluation; `first_nats` and
    `last_nats` are the losses of the first and the last step, `best_train_nats` and `best_val_nats` the lowest of the
    evaluations; `num_bad_evals` counts evaluations since the best one; `finish_reason` is set when the run is complete;
    `origin` is the model that the run started from.
    """

    hparams: Hyperparameters
    budget: Budget
    dataset_id: tuple[str, int, int]
    tokenizer: dict[str, object]
    origin: ModelOrigin | None = None
    eval_every_given: bool = False
    eval_every: _PositiveInt | None = None
    total_steps: _NonNegativeInt | None = None
    dropout: _Probability = 0.0
    embed_dropout: _Probability = 0.0
    step: _NonNegativeInt = 0
    seconds: _NonNegativeFloat = 0.0
    loss_sum: float = 0.0
    loss_steps: _NonNegativeInt = 0
    first_nats: float | None = None
    last_nats: float | None = None
    train_nats: float | None = None
    val_nats: float | None = None
    val_nats_per_char: float | None = None
    context_gain: ContextGain = msgspec.field(default_factory=ContextGain)
    best_train_nats: float | None = None
    best_val_nats: float | None = None
    best_step: _NonNegativeInt = 0
    num_bad_evals: _NonNegativeInt = 0
    finish_reason: str | None = None
    threads: _PositiveInt = 1


@dataclass(frozen=True)
class Checkpoint:
    """A train state and the float32 arrays of its engine, by name; see `Engine.arrays`."""

    train_state: TrainState
    arrays: dict[str, Float32]


class _Content(msgspec.Struct):
    arrays_sha256: str
    train_state: TrainState


def save_checkpoint(path: Path, checkpoint: Checkpoint, mode: int = 0o666) -> None:
    """Write a checkpoint atomically; a new file gets `mode`, less the umask.

    Raises:
        OSError: the file cannot be written; the old one is intact.
    """
    content = _Content(parameters_sha256(checkpoint.arrays), checkpoint.train_state)
    data = safetensors.numpy.save(checkpoint.arrays, {_METADATA_KEY: seal(FORMAT, content).decode()})
    atomic_write(path, data, follow_symlinks=False, mode=mode)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        ModelFileError: it is corrupt, of another format version, or not a checkpoint.
        OSError: it cannot be read.
    """
    with path.open("rb") as raw:  # an unreadable file is an OSError, not a corrupt checkpoint
        header_bytes = int.from_bytes(raw.read(8), "little")
    try:
        if header_bytes > MAX_HEADER_BYTES:
            raise ValueError(f"its header of {header_bytes} bytes is too large")
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        content = unseal(metadata.get(_METADATA_KEY, "").encode(), FORMAT, _Content)
        if parameters_sha256(arrays) != content.arrays_sha256:
            raise ValueError("checksum mismatch")
        _check_settings(content.train_state)
        return Checkpoint(content.train_state, arrays)
    except UnknownFormatError as error:
        raise _unknown_format_error(path, *error.args) from None
    except (safetensors.SafetensorError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ModelFileError(f"corrupt checkpoint: '{path}': {error}", _HINT) from error


def _unknown_format_error(path: Path, found: int) -> ModelFileError:
    if found > FORMAT:
        return ModelFileError(f"'{path}' has checkpoint format {found}", "update grucli, or " + _HINT)
    # The weights beside it can still be read.
    return ModelFileError(
        f"'{path}' is of an earlier gru (checkpoint format {found})", adaptation_hint(path.parent.name)
    )


def adaptation_hint(name: str) -> str:
    """Return what to do with a model that has weights and cannot be resumed."""
    return f"adapt the model under another name: --from {name} --name {name[:60]}-2"


def _check_settings(state: TrainState) -> None:
    try:
        check_options(state.hparams)
        check_options(state.budget)
    except UsageError as error:
        raise ValueError(error.message) from None
    if state.hparams.optimizer not in OPTIMIZERS:
        raise ValueError(f"unknown optimizer '{state.hparams.optimizer}'")
