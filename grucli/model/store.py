"""The store of models: one folder per model, found by name, by path, or as the newest.

A model is `models/NAME/`: `best.safetensors` (what sample, chat and eval use), `last.safetensors` and
`optimizer.safetensors` (what a resumed run uses), `metrics.jsonl`, `novelty.index` (what a copy is known by),
`purged.json` (what its corpus has become, where comments were taken out of it), and a lock. A weights file is whole in
itself, so a single one can stand anywhere and be named by its path.
"""

import difflib
import os
import secrets
import shutil
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from grucli.errors import ModelFileError, UsageError
from grucli.files import FolderLock, atomic_write, sync_folder
from grucli.model.weights import Description, describe_weights
from grucli.paths import models_dir

SUFFIX = ".safetensors"
BEST = "best" + SUFFIX
LAST = "last" + SUFFIX
OPTIMIZER = "optimizer" + SUFFIX
METRICS = "metrics.jsonl"
NOVELTY = "novelty.index"
PURGED = "purged.json"
MAX_NAME = 64

_RESERVED = {"con", "prn", "aux", "nul"} | {f"{port}{digit}" for port in ("com", "lpt") for digit in range(10)}
_LINE_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of the store. `modified` is in seconds since 1970, `bytes` those of its whole folder.

    `description` is None where its weights cannot be read, and `problem` then says why.
    """

    name: str
    path: Path
    modified: float
    bytes: int
    description: Description | None
    problem: str | None


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluation, a line of `metrics.jsonl`. Losses in nats a token, `seconds` of training alone."""

    step: int
    train_nats: float | None = None
    val_nats: float | None = None
    val_nats_per_char: float | None = None
    val_bits_per_char: float | None = None
    tokens: int = 0
    seconds: float = 0.0
    tokens_per_second: float = 0.0
    lr: float | None = None


def validate_name(name: str) -> str:
    """Give `name` back if every system can have a folder of this name and no shell needs quotes around it.

    Raises:
        UsageError: it cannot be the name of a model.
    """
    todo = f"use letters, digits, '.', '_' and '-', at most {MAX_NAME} of them, a letter or digit first"
    if not name:
        raise UsageError("the name of a model is empty", todo)
    if len(name) > MAX_NAME or len(name.encode(errors="replace")) > 2 * MAX_NAME:
        raise UsageError(f"the name '{name[:MAX_NAME]}...' is too long", todo)
    if not name[0].isalnum() or not all(sign.isalnum() or sign in "._-" for sign in name) or name.endswith("."):
        raise UsageError(f"'{name}' cannot be the name of a model", todo)
    if name.split(".")[0].lower() in _RESERVED:
        raise UsageError(f"the name '{name}' belongs to a device on Windows", "choose another name")
    if name.lower().endswith(SUFFIX):
        raise UsageError(f"the name '{name}' looks like a file", f"leave '{SUFFIX}' away")
    return name


def model_folder(name: str) -> Path:
    """The folder of the model `name`, whether it exists or not.

    Raises:
        UsageError: it cannot be the name of a model.
    """
    return models_dir() / validate_name(name)


def model_names() -> list[str]:
    """The names of the models there are, the newest first."""
    return [name for name, _ in _models()]


def list_models() -> list[ModelEntry]:
    """Every model there is, the newest first; one that cannot be read is listed with its problem."""
    return [_entry(name, weights) for name, weights in _models()]


def learners_of(fingerprint: str) -> list[ModelEntry]:
    """The models that learnt from the corpus with this fingerprint, or from what it was before it was purged."""
    return [
        entry
        for entry in list_models()
        if entry.description is not None
        and fingerprint in (entry.description.card.fingerprint, *_purged_corpora(entry.path))
    ]


def note_purge(models: Iterable[ModelEntry], fingerprint: str) -> None:
    """Note beside models that the corpus they learnt from has this fingerprint, now that it was purged.

    A second purge finds them by that. One that cannot be noted is no failure: the comments are out of the corpus.
    """
    for model in models:
        if model.path.is_dir():
            corpora = [*_purged_corpora(model.path), fingerprint]
            with suppress(OSError):
                atomic_write(model.path / PURGED, msgspec.json.encode(corpora))


def _purged_corpora(folder: Path) -> list[str]:
    try:
        return msgspec.json.decode((folder / PURGED).read_bytes(), type=list[str])
    except (OSError, ValueError, RecursionError):
        return []


def find_entry(name: str | None) -> ModelEntry:
    """The model called `name`, or the newest.

    Raises:
        UsageError: there is none; the nearest name is given.
    """
    models = dict(_models())
    if name is None:
        name = _newest(models)
    if name not in models:
        raise _unknown(name)
    return _entry(name, models[name])


def find_model(name_or_path: str | None) -> Path:
    """The weights file that is meant: by a model's name, a folder, a weights file, or None for the newest model.

    Raises:
        UsageError: there is no such model; the nearest name is given.
    """
    models = dict(_models())
    if name_or_path is None:
        return models[_newest(models)]
    if name_or_path in models:
        return models[name_or_path]
    try:
        return _at_path(name_or_path)
    except OSError:
        raise _unknown(name_or_path) from None


def _at_path(name_or_path: str) -> Path:
    """The weights file at a path, or in the folder there."""
    path = Path(name_or_path)
    # A bare word is a name: it names a file here only when it looks like one.
    if path.is_dir() and (weights := _weights_in(path)) is not None:
        return weights
    if path.is_file() and name_or_path.lower().endswith(SUFFIX):
        return path
    if path.is_file():
        raise UsageError(f"'{name_or_path}' is not a weights file", f"name a model, or a file *{SUFFIX}")
    raise _unknown(name_or_path)


def is_to_come(name: str) -> bool:
    """Whether a training is at work on a model of this name that has no weights yet."""
    try:
        folder = model_folder(name)
    except UsageError:
        return False
    return _weights_in(folder) is None and FolderLock(folder).is_held()


def rename_model(old: str, new: str) -> Path:
    """Give a model another name, and give its new folder.

    Raises:
        UsageError: there is no model `old`, there is already one called `new`, or `new` cannot be a name.
        BusyError: it is being trained.
        OSError: the file system refused.
    """
    source, target = find_entry(old).path, model_folder(new)
    same_folder = target.exists() and source.samefile(target) and old.lower() == new.lower() != old
    if os.path.lexists(target) and not same_folder:
        raise UsageError(f"there is already a model '{new}'", f"choose another name, or: gru models remove {new}")
    _move(source, target)
    return target


def remove_model(name: str) -> None:
    """Delete a model and everything it has learnt.

    Raises:
        UsageError: there is no such model.
        BusyError: it is being trained.
        OSError: the file system refused.
    """
    folder = find_entry(name).path
    # It leaves the list in one step, so that a removal which is cut short leaves no half of a model.
    hidden = folder.with_name(f".removed-{secrets.token_hex(4)}")
    _move(folder, hidden)
    if hidden.is_symlink():
        hidden.unlink()
    else:
        shutil.rmtree(hidden)
    sync_folder(folder.parent)


def read_metrics(folder: Path) -> list[Metrics]:
    """The evaluations that a training run noted in `folder`, in order; a torn or odd line is left out.

    Raises:
        OSError: the file is there and cannot be read.
    """
    path = folder / METRICS
    if not path.is_file():
        return []
    found = []
    with path.open("rb") as file:
        while line := file.readline(_LINE_LIMIT):
            try:
                found.append(msgspec.json.decode(line, type=Metrics))
            except (msgspec.MsgspecError, RecursionError, ValueError):
                continue
    return found


def _models() -> list[tuple[str, Path]]:
    """Each model's name and the weights file that speaks for it, the newest first."""
    folder = models_dir()
    found = []
    if folder.is_dir():
        for child in folder.iterdir():
            # A model that another process removes meanwhile is not there.
            with suppress(FileNotFoundError):
                weights = None if child.name.startswith(".") else _weights_in(child)
                if weights is not None:
                    found.append((_modified(child), child.name, weights))
    return [(name, weights) for _, name, weights in sorted(found, reverse=True)]


def _newest(models: Mapping[str, Path]) -> str:
    if not models:
        raise UsageError("there is no model yet", "make one: gru demo, or gru train CORPUS")
    return next(iter(models))


def _weights_in(folder: Path) -> Path | None:
    """The best weights of a model's folder, or the last ones where there are no best ones yet."""
    return next((path for path in (folder / BEST, folder / LAST) if path.is_file()), None)


def _modified(folder: Path) -> float:
    return max((path.stat().st_mtime for path in (folder / BEST, folder / LAST) if path.is_file()), default=0.0)


def _entry(name: str, weights: Path) -> ModelEntry:
    folder = weights.parent
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    try:
        description, problem = describe_weights(weights), None
    except (ModelFileError, OSError) as error:
        description, problem = None, str(error)
    return ModelEntry(name, folder, _modified(folder), size, description, problem)


def _unknown(name: str) -> UsageError:
    """An error that names the model which was perhaps meant."""
    names = model_names()
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return UsageError(f"there is no model '{name}'", f"did you mean '{near[0]}'? See them all: gru models")
    if names:
        return UsageError(f"there is no model '{name}'", "see which there are: gru models")
    return UsageError(f"there is no model '{name}', nor any other", "make one: gru demo, or gru train CORPUS")


def _move(source: Path, target: Path) -> None:
    """Rename a model's folder while nobody else can be writing in it."""
    with FolderLock(source) as lock:
        if sys.platform == "win32":
            lock.release()
        source.rename(target)
    sync_folder(target.parent)
