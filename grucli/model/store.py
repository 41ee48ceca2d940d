"""The store of models: one directory per model, found by name, by path, or as the newest.

A model is `models/NAME/`: `best.safetensors` (for sample, chat and eval), `last.safetensors` and
`optimizer.safetensors` (to resume a run), `metrics.jsonl`, `novelty.index` (to detect copies), `purged.json`
(fingerprints of its corpus after each purge), and a lock; `.new/` has the files of a run that has saved nothing yet. A
weights file alone is a complete model, which can be anywhere and is used by its path.

The model of the package (`grucli.model.packaged`) is listed after those of the user and used like them, but it is not
in the store: it cannot be removed or renamed, and no model gets its name. A directory that has it all the same is found
first.
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
from grucli.files import PRIVATE, DirectoryLock, atomic_write, fsync_dir
from grucli.json_record import JsonRecord
from grucli.model import packaged
from grucli.model.figures import Figures
from grucli.model.weights import ModelInfo, SavedModel, read_model_info, save_weights
from grucli.paths import models_dir

SUFFIX = ".safetensors"
BEST = "best" + SUFFIX
LAST = "last" + SUFFIX
OPTIMIZER = "optimizer" + SUFFIX
METRICS = "metrics.jsonl"
NOVELTY = "novelty.index"
PURGED = "purged.json"
NOTHING = "nothing"
"""What `--from` takes to start from no model."""

MAX_NAME_CHARS = 64

_RESERVED = {NOTHING: f"'--from {NOTHING}'", packaged.NAME: "the model that comes with gru"}
"""Names that mean something else where a model is named, and what."""

_DEVICES = {"con", "prn", "aux", "nul"} | {f"{port}{digit}" for port in ("com", "lpt") for digit in range(10)}
_MAX_LINE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class ModelEntry(JsonRecord):
    """One model of the store, or of the package. `modified`: seconds since 1970. `bytes`: size of its directory.

    `path` is its directory, or a weights file that is alone. `info` is None if the weights cannot be read; `problem` is
    the reason.
    """

    name: str
    path: Path
    modified: float
    bytes: int
    info: ModelInfo | None
    problem: str | None
    is_packaged: bool = False

    @property
    def metrics(self) -> list["Metrics"]:
        """The evaluations of its training, the oldest first."""
        return read_metrics(self.path)

    def to_json(self) -> dict[str, object]:
        """Return one entry of the list of models; what a corrupt file does not contain is None."""
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
            "packaged": self.is_packaged,
        }


@dataclass(frozen=True, kw_only=True)
class Metrics(Figures):
    """One evaluation, one line of `metrics.jsonl`; `lr` is the learning rate of the next step."""

    step: int
    lr: float | None = None


def validate_name(name: str) -> str:
    """Return `name` if it is a valid directory name on every system and needs no quotes in a shell.

    Raises:
        UsageError: `name` is not a valid model name.
    """
    hint = f"use letters, digits, '.', '_' and '-', at most {MAX_NAME_CHARS} of them, a letter or digit first"
    if not name:
        raise UsageError("the name of a model is empty", hint)
    if len(name) > MAX_NAME_CHARS or len(name.encode(errors="replace")) > 2 * MAX_NAME_CHARS:
        raise UsageError(f"the name '{name[:MAX_NAME_CHARS]}...' is too long", hint)
    if not name[0].isalnum() or not all(char.isalnum() or char in "._-" for char in name) or name.endswith("."):
        raise UsageError(f"'{name}' cannot be the name of a model", hint)
    if name.split(".")[0].lower() in _DEVICES:
        raise UsageError(f"the name '{name}' belongs to a device on Windows", "choose another name")
    if name.lower().endswith(SUFFIX):
        raise UsageError(f"the name '{name}' looks like a file", f"remove '{SUFFIX}'")
    return name


def model_dir(name: str, hint: str = "choose another name") -> Path:
    """Return the directory of the model `name`, which need not exist; `hint` says what to do about a reserved one.

    Raises:
        UsageError: `name` is not a valid model name, or reserved.
    """
    if (meaning := _RESERVED.get(name.lower())) is not None:
        raise UsageError(f"the name '{name}' is reserved for {meaning}", hint)
    return models_dir() / validate_name(name)


def model_names() -> list[str]:
    """Return the names of all models, the newest first, that of the package last."""
    return [name for name, _ in _scan()]


def list_models() -> list[ModelEntry]:
    """Return all models, the newest first, that of the package last; one that cannot be read has a `problem`."""
    entries = []
    for name, weights in _scan():
        with suppress(FileNotFoundError):
            entries.append(_make_entry(name, weights))
    return entries


def models_trained_on(fingerprint: str) -> list[ModelEntry]:
    """Return the models trained on the corpus with this fingerprint, or on that corpus before it was purged."""
    return [
        entry
        for entry in list_models()
        if entry.info is not None and fingerprint in (entry.info.card.fingerprint, *_purged_corpora(entry.path))
    ]


def record_purge(models: Iterable[ModelEntry], fingerprint: str) -> None:
    """Record in the directories of models the fingerprint of their corpus after a purge, for the next purge.

    Errors are ignored: the comments are already removed from the corpus.
    """
    for model in models:
        if model.path.is_dir():
            corpora = [*_purged_corpora(model.path), fingerprint]
            with suppress(OSError):
                atomic_write(model.path / PURGED, msgspec.json.encode(corpora), follow_symlinks=False)


def _purged_corpora(directory: Path) -> list[str]:
    try:
        return msgspec.json.decode((directory / PURGED).read_bytes(), type=list[str])
    except (OSError, ValueError, RecursionError):
        return []


def find_entry(name: str | None) -> ModelEntry:
    """Return the model `name`, None for the newest of the user's, or that of the package if there is no other.

    Raises:
        UsageError: there is no such model; the hint has the closest name.
    """
    models = dict(_scan())
    if name is None:
        name = _newest_name(models)
    if name not in models:
        raise _not_found_error(name)
    try:
        return _make_entry(name, models[name])
    except FileNotFoundError:
        raise _not_found_error(name) from None


def find_own_directory(name: str) -> Path:
    """Return the directory of the user's model `name`.

    Raises:
        UsageError: there is no such model, or it is the one of the package.
    """
    entry = find_entry(name)
    if entry.is_packaged:
        raise UsageError(
            f"'{name}' is part of gru: it cannot be removed or renamed",
            "name a model of yours: {models}",
            ["models"],
        )
    return entry.path


def find_model(name_or_path: str | None) -> Path:
    """Return the weights file of a model given by name, directory or weights file.

    None is the newest of the user's, or that of the package if there is no other.

    Raises:
        UsageError: there is no such model; the hint has the closest name.
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
    path = Path(name_or_path)
    # A word without the suffix is a model name, even if there is a file of this name.
    if path.is_dir() and (weights := _find_weights(path)) is not None:
        return weights
    if path.is_file() and name_or_path.lower().endswith(SUFFIX):
        return path
    if path.is_file():
        raise UsageError(f"'{name_or_path}' is not a weights file", f"name a model, or a file *{SUFFIX}")
    raise _not_found_error(name_or_path)


def is_awaiting_first_checkpoint(name: str) -> bool:
    """Return True if a model of this name is being trained and has no weights yet."""
    try:
        directory = model_dir(name)
    except UsageError:
        return False
    return _find_weights(directory) is None and DirectoryLock(directory).is_locked()


def create_model(name: str, weights: SavedModel, source: Path | None) -> Path:
    """Add a model made from that of the weights file `source`, if it still exists, and return its directory.

    What is known of the training text is copied, so that copies are found and a purge finds the model. Only the owner
    can read the weights: they were learned from a chat.

    Raises:
        UsageError: the model exists, or `name` is not a valid name.
        OSError: a file cannot be read or written; there is no new model then.
    """
    target = model_dir(name)
    if os.path.lexists(target):
        raise UsageError(f"model '{name}' already exists", "choose another name")
    unfinished = target.with_name(f".created-{secrets.token_hex(4)}")
    try:
        save_weights(unfinished / BEST, weights, mode=PRIVATE)
        if source is not None and source.name in (BEST, LAST):
            for file in (NOVELTY, PURGED):
                with suppress(FileNotFoundError):
                    shutil.copyfile(source.with_name(file), unfinished / file)
        unfinished.rename(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    fsync_dir(target.parent)
    return target


def rename_model(old: str, new: str) -> Path:
    """Rename a model and return its new directory.

    Raises:
        UsageError: there is no model `old` of the user, or `new` exists or is not a valid name.
        LockedError: the model is being trained.
        OSError: the directory cannot be renamed.
    """
    source, target = find_own_directory(old), model_dir(new)
    same_directory = target.exists() and source.samefile(target) and old.lower() == new.lower() != old
    if _is_dangling(target):
        raise _dangling_error(target)
    if os.path.lexists(target) and not same_directory:
        raise UsageError(f"model '{new}' already exists", f"choose another name, or: gru models remove {new}")
    _rename_locked(source, target)
    return target


def remove_model(name: str) -> None:
    """Delete a model.

    Raises:
        UsageError: there is no such model of the user.
        LockedError: the model is being trained.
        OSError: a file cannot be deleted.
    """
    remove_directory(find_own_directory(name))


def remove_directory(directory: Path) -> None:
    """Delete a directory that has a lock, or a link to one.

    Raises:
        LockedError: another process is at work on it.
        OSError: a file cannot be deleted.
    """
    # Renamed first, so that an interrupted removal does not leave a part of a model in the store.
    hidden = directory.with_name(f".removed-{secrets.token_hex(4)}")
    _rename_locked(directory, hidden)
    if hidden.is_symlink():
        hidden.unlink()
    else:
        shutil.rmtree(hidden)
    fsync_dir(directory.parent)


def read_metrics(directory: Path) -> list[Metrics]:
    """Return the evaluations recorded in a model's directory, the oldest first; malformed lines are skipped.

    Raises:
        OSError: the file exists and cannot be read.
    """
    path = directory / METRICS
    metrics: list[Metrics] = []
    with suppress(FileNotFoundError, NotADirectoryError), path.open("rb") as file:
        while line := file.readline(_MAX_LINE_BYTES):
            try:
                metrics.append(msgspec.json.decode(line, type=Metrics))
            except (msgspec.MsgspecError, RecursionError, ValueError):
                continue
    return metrics


def _scan() -> list[tuple[str, Path]]:
    """Return the name and weights file of each model, the newest first, and that of the package last."""
    directory = models_dir()
    entries = []
    if directory.is_dir():
        for child in directory.iterdir():
            # Another process may remove a model during the scan.
            with suppress(FileNotFoundError):
                weights = None if child.name.startswith(".") else _find_weights(child)
                if weights is not None:
                    entries.append((_modified(child), child.name, weights))
    models = [(name, weights) for _, name, weights in sorted(entries, reverse=True)]
    packaged_weights = packaged.path()
    if packaged_weights is not None and all(name != packaged.NAME for name, _ in models):
        models.append((packaged.NAME, packaged_weights))
    return models


def _newest_name(models: Mapping[str, Path]) -> str:
    if not models:
        raise UsageError("there is no model yet", "make one: gru demo, or gru train CORPUS")
    return next(iter(models))


def _find_weights(directory: Path) -> Path | None:
    return next((path for path in (directory / BEST, directory / LAST) if path.is_file()), None)


def _modified(path: Path) -> float:
    return max((file.stat().st_mtime for file in (path, path / BEST, path / LAST) if file.is_file()), default=0.0)


def _make_entry(name: str, weights: Path) -> ModelEntry:
    """Describe a model of the store, or a weights file that is alone.

    Raises:
        FileNotFoundError: another process has removed it.
    """
    path = weights.parent if weights.name in (BEST, LAST) else weights
    size = 0
    for file in path.iterdir() if path.is_dir() else [path]:
        with suppress(FileNotFoundError):  # a temporary file
            size += file.stat().st_size if file.is_file() else 0
    try:
        info, problem = read_model_info(weights), None
    except (ModelFileError, OSError, UsageError) as error:
        if not weights.exists():
            raise FileNotFoundError(weights) from None
        info, problem = None, str(error)
    return ModelEntry(name, path, _modified(path), size, info, problem, weights == packaged.path())


def _is_dangling(directory: Path) -> bool:
    with suppress(OSError):  # a name that is too long
        return directory.is_symlink() and not directory.exists()
    return False


def _dangling_error(directory: Path) -> UsageError:
    return UsageError(
        f"model '{directory.name}' is a dangling symbolic link: '{directory}'",
        "remove the link, or restore the directory that it leads to",
    )


def _not_found_error(name: str) -> UsageError:
    if _is_dangling(models_dir() / name):
        return _dangling_error(models_dir() / name)
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
    with DirectoryLock(source) as lock:
        if sys.platform == "win32":
            lock.release()
        source.rename(target)
    fsync_dir(target.parent)
