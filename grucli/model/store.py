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
from grucli.files import DirectoryLock, atomic_write, fsync_dir
from grucli.json_record import JsonRecord
from grucli.model.figures import Figures
from grucli.model.weights import ModelInfo, read_model_info
from grucli.paths import models_dir

SUFFIX = ".safetensors"
BEST = "best" + SUFFIX
LAST = "last" + SUFFIX
OPTIMIZER = "optimizer" + SUFFIX
METRICS = "metrics.jsonl"
NOVELTY = "novelty.index"
PURGED = "purged.json"
MAX_NAME_CHARS = 64

_RESERVED = {"con", "prn", "aux", "nul"} | {f"{port}{digit}" for port in ("com", "lpt") for digit in range(10)}
_MAX_LINE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class ModelEntry(JsonRecord):
    """One model of the store. `modified` is in seconds since 1970, `bytes` those of its whole folder.

    `description` is None where its weights cannot be read, and `problem` then says why.
    """

    name: str
    path: Path
    modified: float
    bytes: int
    info: ModelInfo | None
    problem: str | None

    @property
    def metrics(self) -> list["Metrics"]:
        """The evaluations of its training, in order."""
        return read_metrics(self.path)

    def to_json(self) -> dict[str, object]:
        """Return one entry of the list of models; what a corrupt file does not tell is None."""
        info = self.info
        return {
            "model": self.name,
            "path": str(self.path),
            "modified": self.modified,
            "bytes": self.bytes,
            "cell": info.sizes.cell if info else None,
            "parameters": info.parameters if info else None,
            "tokenizer": info.tokenizer if info else None,
            "val_bits_per_char": info.card.val_bits_per_char if info else None,
            "problem": self.problem,
        }


@dataclass(frozen=True, kw_only=True)
class Metrics(Figures):
    """One evaluation, a line of `metrics.jsonl`; `lr` is the learning rate of the next step."""

    step: int
    lr: float | None = None


def validate_name(name: str) -> str:
    """Give `name` back if every system can have a folder of this name and no shell needs quotes around it.

    Raises:
        UsageError: it cannot be the name of a model.
    """
    hint = f"use letters, digits, '.', '_' and '-', at most {MAX_NAME_CHARS} of them, a letter or digit first"
    if not name:
        raise UsageError("the name of a model is empty", hint)
    if len(name) > MAX_NAME_CHARS or len(name.encode(errors="replace")) > 2 * MAX_NAME_CHARS:
        raise UsageError(f"the name '{name[:MAX_NAME_CHARS]}...' is too long", hint)
    if not name[0].isalnum() or not all(sign.isalnum() or sign in "._-" for sign in name) or name.endswith("."):
        raise UsageError(f"'{name}' cannot be the name of a model", hint)
    if name.split(".")[0].lower() in _RESERVED:
        raise UsageError(f"the name '{name}' belongs to a device on Windows", "choose another name")
    if name.lower().endswith(SUFFIX):
        raise UsageError(f"the name '{name}' looks like a file", f"leave '{SUFFIX}' away")
    return name


def model_dir(name: str) -> Path:
    """The folder of the model `name`, whether it exists or not.

    Raises:
        UsageError: it cannot be the name of a model.
    """
    return models_dir() / validate_name(name)


def model_names() -> list[str]:
    """The names of the models there are, the newest first."""
    return [name for name, _ in _scan()]


def list_models() -> list[ModelEntry]:
    """Every model there is, the newest first; one that cannot be read is listed with its problem."""
    return [_make_entry(name, weights) for name, weights in _scan()]


def models_trained_on(fingerprint: str) -> list[ModelEntry]:
    """The models that learnt from the corpus with this fingerprint, or from what it was before it was purged."""
    return [
        entry
        for entry in list_models()
        if entry.info is not None and fingerprint in (entry.info.card.fingerprint, *_purged_corpora(entry.path))
    ]


def record_purge(models: Iterable[ModelEntry], fingerprint: str) -> None:
    """Note beside models that the corpus they learnt from has this fingerprint, now that it was purged.

    A second purge finds them by that. One that cannot be noted is no failure: the comments are out of the corpus.
    """
    for model in models:
        if model.path.is_dir():
            corpora = [*_purged_corpora(model.path), fingerprint]
            with suppress(OSError):
                atomic_write(model.path / PURGED, msgspec.json.encode(corpora))


def _purged_corpora(directory: Path) -> list[str]:
    try:
        return msgspec.json.decode((directory / PURGED).read_bytes(), type=list[str])
    except (OSError, ValueError, RecursionError):
        return []


def find_entry(name: str | None) -> ModelEntry:
    """The model called `name`, or the newest.

    Raises:
        UsageError: there is none; the nearest name is given.
    """
    models = dict(_scan())
    if name is None:
        name = _newest_name(models)
    if name not in models:
        raise _not_found_error(name)
    return _make_entry(name, models[name])


def find_model(name_or_path: str | None) -> Path:
    """The weights file that is meant: by a model's name, a folder, a weights file, or None for the newest model.

    Raises:
        UsageError: there is no such model; the nearest name is given.
    """
    models = dict(_scan())
    if name_or_path is None:
        return models[_newest_name(models)]
    if name_or_path in models:
        return models[name_or_path]
    try:
        return _resolve_path(name_or_path)
    except OSError:
        raise _not_found_error(name_or_path) from None


def model_name(weights_path: Path) -> str:
    """Return the name of the model that a weights file belongs to; of a single file, its own name without suffix."""
    return weights_path.resolve().parent.name if weights_path.name in (BEST, LAST) else weights_path.stem


def _resolve_path(name_or_path: str) -> Path:
    """The weights file at a path, or in the folder there."""
    path = Path(name_or_path)
    # A bare word is a name: it names a file here only when it looks like one.
    if path.is_dir() and (weights := _find_weights(path)) is not None:
        return weights
    if path.is_file() and name_or_path.lower().endswith(SUFFIX):
        return path
    if path.is_file():
        raise UsageError(f"'{name_or_path}' is not a weights file", f"name a model, or a file *{SUFFIX}")
    raise _not_found_error(name_or_path)


def is_awaiting_first_checkpoint(name: str) -> bool:
    """Whether a training is at work on a model of this name that has no weights yet."""
    try:
        directory = model_dir(name)
    except UsageError:
        return False
    return _find_weights(directory) is None and DirectoryLock(directory).is_locked()


def rename_model(old: str, new: str) -> Path:
    """Give a model another name, and give its new folder.

    Raises:
        UsageError: there is no model `old`, there is already one called `new`, or `new` cannot be a name.
        BusyError: it is being trained.
        OSError: the file system refused.
    """
    source, target = find_entry(old).path, model_dir(new)
    same_directory = target.exists() and source.samefile(target) and old.lower() == new.lower() != old
    if os.path.lexists(target) and not same_directory:
        raise UsageError(f"there is already a model '{new}'", f"choose another name, or: gru models remove {new}")
    _rename_locked(source, target)
    return target


def remove_model(name: str) -> None:
    """Delete a model and everything it has learnt.

    Raises:
        UsageError: there is no such model.
        BusyError: it is being trained.
        OSError: the file system refused.
    """
    directory = find_entry(name).path
    # It leaves the list in one step, so that a removal which is cut short leaves no half of a model.
    hidden = directory.with_name(f".removed-{secrets.token_hex(4)}")
    _rename_locked(directory, hidden)
    if hidden.is_symlink():
        hidden.unlink()
    else:
        shutil.rmtree(hidden)
    fsync_dir(directory.parent)


def read_metrics(directory: Path) -> list[Metrics]:
    """The evaluations that a training run noted in `folder`, in order; a torn or odd line is left out.

    Raises:
        OSError: the file is there and cannot be read.
    """
    path = directory / METRICS
    if not path.is_file():
        return []
    metrics = []
    with path.open("rb") as file:
        while line := file.readline(_MAX_LINE_BYTES):
            try:
                metrics.append(msgspec.json.decode(line, type=Metrics))
            except (msgspec.MsgspecError, RecursionError, ValueError):
                continue
    return metrics


def _scan() -> list[tuple[str, Path]]:
    """Each model's name and the weights file that speaks for it, the newest first."""
    directory = models_dir()
    entries = []
    if directory.is_dir():
        for child in directory.iterdir():
            # A model that another process removes meanwhile is not there.
            with suppress(FileNotFoundError):
                weights = None if child.name.startswith(".") else _find_weights(child)
                if weights is not None:
                    entries.append((_modified(child), child.name, weights))
    return [(name, weights) for _, name, weights in sorted(entries, reverse=True)]


def _newest_name(models: Mapping[str, Path]) -> str:
    if not models:
        raise UsageError("there is no model yet", "make one: gru demo, or gru train CORPUS")
    return next(iter(models))


def _find_weights(directory: Path) -> Path | None:
    """The best weights of a model's folder, or the last ones where there are no best ones yet."""
    return next((path for path in (directory / BEST, directory / LAST) if path.is_file()), None)


def _modified(directory: Path) -> float:
    return max((path.stat().st_mtime for path in (directory / BEST, directory / LAST) if path.is_file()), default=0.0)


def _make_entry(name: str, weights: Path) -> ModelEntry:
    directory = weights.parent
    size = sum(path.stat().st_size for path in directory.iterdir() if path.is_file())
    try:
        info, problem = read_model_info(weights), None
    except (ModelFileError, OSError) as error:
        info, problem = None, str(error)
    return ModelEntry(name, directory, _modified(directory), size, info, problem)


def _not_found_error(name: str) -> UsageError:
    """An error that names the model which was perhaps meant."""
    names = model_names()
    matches = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if matches:
        return UsageError(
            f"there is no model '{name}'", f"did you mean '{matches[0]}'? See them all: {{models}}", ["models"]
        )
    if names:
        return UsageError(f"there is no model '{name}'", "see which there are: {models}", ["models"])
    return UsageError(f"there is no model '{name}', nor any other", "make one: gru demo, or gru train CORPUS")


def _rename_locked(source: Path, target: Path) -> None:
    """Rename a model's folder while nobody else can be writing in it."""
    with DirectoryLock(source) as lock:
        if sys.platform == "win32":
            lock.release()
        source.rename(target)
    fsync_dir(target.parent)
