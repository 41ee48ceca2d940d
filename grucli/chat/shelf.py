"""The models of the store, and weights files from anywhere, as a session takes them."""

from collections.abc import Sequence
from pathlib import Path

from grucli.chat.turns import Voice
from grucli.model.sampler import Draw, Sampler
from grucli.model.store import BEST, LAST, find_model, model_names
from grucli.model.weights import load_weights


class StoredModels:
    """See the module. `threads` is how many a model may use, None for all there are."""

    def __init__(self, threads: int | None) -> None:
        self._threads = threads

    def names(self) -> Sequence[str]:
        """Name the models of the store, the newest first."""
        return model_names()

    def open(self, name: str | None) -> tuple[str, Voice]:
        """Load a model by its name or path, None for the newest; it stays in memory, whatever becomes of its file.

        Raises:
            UsageError: there is no such model. ModelFileError: its file is damaged.
        """
        path = find_model(name)
        sampler = Sampler(load_weights(path), self._threads)
        _wake(sampler)
        return _title(path), sampler


def _wake(sampler: Sampler) -> None:
    """Have the kernels compiled, or loaded, before anybody waits for a reply."""
    for _ in sampler.stream(sampler.read(sampler.begin(), "a"), Draw(max_chars=1)):
        pass


def _title(weights: Path) -> str:
    """The name of a model's folder; of a weights file that stands alone, its own."""
    return weights.resolve().parent.name if weights.name in (BEST, LAST) else weights.stem
