"""The models and comparisons on this computer: list, describe, rename, remove, quantize."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grucli.comparison.store import StoredComparison, find_comparison, list_comparisons, remove_comparison
from grucli.errors import ModelFileError, UsageError
from grucli.json_record import JsonRecord
from grucli.model import store
from grucli.model.store import BEST, LAST, SUFFIX, Metrics, ModelEntry, list_models, remove_model
from grucli.model.weights import load_weights, read_model_info, save_weights
from grucli.training.events import TrainSummary

__all__ = [
    "ModelDetails",
    "QuantizedModel",
    "RemovedModels",
    "RenamedModel",
    "StoredComparison",
    "WeightsPath",
    "describe_model",
    "find_comparisons",
    "find_directories",
    "find_weights",
    "list_comparisons",
    "list_models",
    "quantize_model",
    "remove_comparison",
    "remove_model",
    "rename_model",
]


@dataclass(frozen=True, slots=True)
class ModelDetails(JsonRecord):
    """A model with the summary of its training, None if its file is corrupt, and its evaluations, the oldest first."""

    entry: ModelEntry
    summary: TrainSummary | None
    metrics: list[Metrics]

    def to_json(self) -> dict[str, object]:
        """Return the object of the summary, and what the maker of the model says about it."""
        description = self.entry.info.card.description if self.entry.info else {}
        summary = self.summary.to_json() if self.summary else {}
        return summary | ({"description": dict(description)} if description else {})

    def check(self) -> None:
        """Check that the model can be read.

        Raises:
            ModelFileError: its file is corrupt.
        """
        if self.entry.problem is not None:
            raise ModelFileError(
                self.entry.problem, f"train it again, or remove it: gru models remove {self.entry.name}"
            )


@dataclass(frozen=True, slots=True)
class RenamedModel(JsonRecord):
    """A model's new name and directory, and its old name."""

    model: str
    path: Path
    was: str


@dataclass(frozen=True, slots=True)
class RemovedModels(JsonRecord):
    """Names of removed models, or of comparisons that were removed with their models."""

    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuantizedModel(JsonRecord):
    """A weights file in int8: its path, its size, and that of the file that it was made of."""

    path: Path
    bytes: int
    was_bytes: int


@dataclass(frozen=True, slots=True)
class WeightsPath(JsonRecord):
    """The weights file of a model."""

    path: Path


def describe_model(name_or_path: str | None = None) -> ModelDetails:
    """Return the details of a model, None for the newest.

    Raises:
        UsageError: there is no such model.
        ModelFileError: a weights file outside the store is corrupt.
    """
    entry = _resolve_entry(name_or_path)
    return ModelDetails(entry, _summarize(entry) if entry.problem is None else None, entry.metrics)


def rename_model(old: str, new: str) -> RenamedModel:
    """Rename a model.

    Raises:
        UsageError: there is no model `old` of the user, or `new` exists or is not a valid name.
        LockedError: the model is being trained.
        OSError: the directory cannot be renamed.
    """
    return RenamedModel(new, store.rename_model(old, new), old)


def quantize_model(
    name_or_path: str | None = None, output: str | None = None, *, force: bool = False
) -> QuantizedModel:
    """Write the weights of a model, None for the newest, into a file with matrices in int8: a quarter of the size.

    `output` is by default the name of the model with the suffix of weights files; `force` replaces an existing file. A
    new file is readable only by those who can read the model: one that learned from a chat is private.

    Raises:
        UsageError: there is no such model, or the file exists or has another suffix.
        ModelFileError: the model's file is corrupt.
        OSError: the file cannot be written.
    """
    source = store.find_model(name_or_path)
    path = Path(output or f"{store.model_name(source)}{SUFFIX}")
    if path.suffix.lower() != SUFFIX:
        raise UsageError(f"'{path}' is not the name of a weights file", f"name a file *{SUFFIX}")
    if os.path.lexists(path) and not force:
        raise UsageError(f"'{path}' already exists", "choose another name with -o, or use --force")
    was = source.stat()  # before: the output may be the source
    save_weights(path, load_weights(source), quantized=True, mode=0o666 & was.st_mode)
    return QuantizedModel(path, path.stat().st_size, was.st_size)


def find_directories(names: Sequence[str]) -> list[Path]:
    """Return the directory of each model, once.

    Raises:
        UsageError: one of the models does not exist, or is the one of the package.
    """
    return [store.find_own_directory(name) for name in dict.fromkeys(names)]


def find_comparisons(names: Sequence[str]) -> list[StoredComparison]:
    """Return each comparison, once.

    Raises:
        UsageError: one of the comparisons does not exist.
        OSError: the directory of the comparisons cannot be read.
    """
    return [find_comparison(name) for name in dict.fromkeys(names)]


def find_weights(name_or_path: str | None = None) -> WeightsPath:
    """Return the weights file of a model, None for the newest; it alone is the whole model.

    Raises:
        UsageError: there is no such model.
    """
    return WeightsPath(store.find_model(name_or_path))


def _resolve_entry(name_or_path: str | None) -> ModelEntry:
    # A weights file outside the store is named after itself.
    if name_or_path is None or name_or_path in store.model_names():
        return store.find_entry(name_or_path)
    weights_path = store.find_model(name_or_path)
    path = weights_path.parent if weights_path.name in (BEST, LAST) else weights_path
    stat = weights_path.stat()
    return ModelEntry(
        store.model_name(weights_path) or weights_path.stem,
        path,
        stat.st_mtime,
        stat.st_size,
        read_model_info(weights_path),
        None,
    )


def _summarize(entry: ModelEntry) -> TrainSummary:
    # Of the last weights, or of the best ones if there are no last ones.
    last = entry.path / LAST
    path = entry.path if entry.path.is_file() else last if last.is_file() else entry.path / BEST
    info = read_model_info(path)
    card = info.card
    return TrainSummary(
        model=entry.name,
        path=str(entry.path),
        cell=info.sizes.cell,
        parameters=info.parameters,
        vocab=info.sizes.V,
        steps=card.steps,
        **card.figures(),
        parameters_sha256=info.parameters_sha256,
        **card.text_figures(),
        diverged=card.diverged,
        origin=card.origin,
    )
