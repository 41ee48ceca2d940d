"""The file a run goes on from: parameters, both moments, the carried state, and where in the run they belong.

`optimizer.safetensors` is whole in itself. It holds the parameters too, so that it never has to agree with another
file: a save that is killed half-way leaves this one old or new, and a resumed run takes everything from it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import safetensors
import safetensors.numpy

from grucli.errors import ModelFileError
from grucli.files import atomic_write
from grucli.kernels.arrays import Float32
from grucli.training.options import Budget, Hyperparameters

FORMAT = 2
_METADATA_KEY = "gru-checkpoint"
_HINT = "begin the run again with --force"


class TrainState(msgspec.Struct, kw_only=True):
    """Where a run stands. Times in seconds, losses in nats a token.

    `corpus` is its fingerprint, and the tokens to train on and held out, so that another split is found out too.
    `summed_nats` are those of the `summed_steps` steps since the last evaluation; `settling` counts evaluations since
    the best one; `finished` is the reason why there is nothing left to do.
    """

    format: int = FORMAT
    hparams: Hyperparameters
    budget: Budget
    dataset_id: tuple[str, int, int]
    tokenizer: dict[str, object]
    eval_every_given: bool = False
    eval_every: int | None = None
    total_steps: int | None = None
    dropout: float = 0.0
    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_steps: int = 0
    train_nats: float | None = None
    val_nats: float | None = None
    val_nats_per_char: float | None = None
    best_val_nats: float | None = None
    best_step: int = 0
    num_bad_evals: int = 0
    finish_reason: str | None = None
    threads: int = 1


@dataclass(frozen=True)
class Checkpoint:
    """A position and its arrays: flat float32 [N] each, and the carried state [L, B, S·H]."""

    train_state: TrainState
    parameters: Float32
    m: Float32
    v: Float32
    state: Float32


class _CheckpointEnvelope(msgspec.Struct):
    sha256: str
    train_state: TrainState


def _arrays(checkpoint: Checkpoint) -> dict[str, Float32]:
    return {name: getattr(checkpoint, name) for name in ("parameters", "m", "v", "state")}


def _digest(arrays: dict[str, Float32]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write it atomically.

    Raises:
        OSError: the disk refused; what was there before is still there.
    """
    arrays = _arrays(checkpoint)
    envelope = msgspec.json.encode(_CheckpointEnvelope(_digest(arrays), checkpoint.train_state)).decode()
    atomic_write(path, safetensors.numpy.save(arrays, {_METADATA_KEY: envelope}))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one back.

    Raises:
        ModelFileError: it is damaged, of another version, or no checkpoint.
        OSError: it is not there, or the disk failed.
    """
    with path.open("rb"):
        pass  # an unreadable file is the disk's error, not a damaged checkpoint
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        envelope = msgspec.json.decode(metadata.get(_METADATA_KEY, ""), type=_CheckpointEnvelope)
        if envelope.train_state.format != FORMAT:
            raise ModelFileError(f"'{path}' is of format {envelope.train_state.format}", "update grucli, or " + _HINT)
        if _digest(arrays) != envelope.sha256:
            raise ValueError("its numbers are not those that were saved")
        return Checkpoint(envelope.train_state, **arrays)
    except (safetensors.SafetensorError, msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        raise ModelFileError(f"the checkpoint '{path}' is damaged: {error}", _HINT) from error
