"""The summary of a training run, read back from the model that it saved."""

from grucli.model.store import BEST, LAST, ModelEntry, find_entry, find_model, model_names
from grucli.model.weights import read_model_info
from grucli.training.events import TrainSummary


def resolve_entry(name_or_path: str | None) -> ModelEntry:
    """Return a model by name or path, None for the newest; a weights file outside the store is named after itself.

    Raises:
        UsageError: no such model.
        ModelFileError: a weights file outside the store cannot be read.
    """
    if name_or_path is None or name_or_path in model_names():
        return find_entry(name_or_path)
    weights_path = find_model(name_or_path)
    path, name = (
        (weights_path.parent, weights_path.resolve().parent.name)
        if weights_path.name in (BEST, LAST)
        else (weights_path, "")
    )
    stat = weights_path.stat()
    return ModelEntry(name or weights_path.stem, path, stat.st_mtime, stat.st_size, read_model_info(weights_path), None)


def summarize(entry: ModelEntry) -> TrainSummary:
    """Return the summary of the run that made a model: of its last weights, or of its best without those.

    Raises:
        ModelFileError: the weights cannot be read.
    """
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
    )
