"""Where a new run keeps its files until its first save is whole: a hidden directory inside that of the model.

So an earlier model of the same name stays as it was until there is another one. A whole save is recognized by its best
weights, which are written and moved last: a replacement that was killed halfway is completed by the next run.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from grucli.files import fsync_dir
from grucli.model.store import BEST, LAST, METRICS, NOVELTY, OPTIMIZER, PURGED

_STAGING = ".new"
_MODEL_FILES = (NOVELTY, METRICS, OPTIMIZER, LAST, BEST)  # in the order in which they are moved


def has_model(model_dir: Path) -> bool:
    """Return True if there are weights or a checkpoint; metrics alone are no model."""
    return any((model_dir / name).exists() for name in (BEST, LAST, OPTIMIZER))


def create_staging(model_dir: Path) -> Path:
    """Create the staging directory of a new run, with empty metrics, and return it.

    Raises:
        OSError: it cannot be written.
    """
    staging = model_dir / _STAGING
    staging.mkdir()
    (staging / METRICS).touch()
    return staging


def publish(model_dir: Path) -> None:
    """Replace the files of a model by those of a whole save in its staging directory.

    Raises:
        OSError: a file cannot be moved; the next run completes the replacement.
    """
    staging = model_dir / _STAGING
    (model_dir / PURGED).unlink(missing_ok=True)
    for name in _MODEL_FILES:
        with suppress(FileNotFoundError):  # moved by a run that was killed
            os.replace(staging / name, model_dir / name)  # noqa: PTH105 - a test makes this very call fail
    fsync_dir(model_dir)
    shutil.rmtree(staging)


def recover(model_dir: Path) -> None:
    """Complete the replacement that a killed run began, or discard what it had staged. The caller holds the lock.

    Raises:
        OSError: a file cannot be moved or removed.
    """
    staging = model_dir / _STAGING
    if staging.is_symlink():
        staging.unlink()
    elif (staging / BEST).exists():
        publish(model_dir)
    elif staging.exists():
        shutil.rmtree(staging)


def clean_up(model_dir: Path) -> None:
    """Discard what was staged and not saved whole, and the directory itself if there is no model in it."""
    staging = model_dir / _STAGING
    if not (staging / BEST).exists():
        shutil.rmtree(staging, ignore_errors=True)
    if not has_model(model_dir) and not staging.exists():
        for name in (METRICS, NOVELTY, PURGED, "lock"):
            (model_dir / name).unlink(missing_ok=True)
        with suppress(FileNotFoundError):  # removed by the user
            model_dir.rmdir()
