"""The models of the store, and weights files from anywhere, as a session takes them."""

from collections.abc import Sequence
from pathlib import Path

from grucli.chat.turns import Voice
from grucli.errors import GruError
from grucli.generation.sampler import Sampler
from grucli.model.store import BEST, LAST, find_model, is_to_come, model_names
from grucli.model.weights import Card, describe_weights, load_weights

_Stamp = tuple[int, int, int]


class StoredModels:
    """See the module. `threads` is how many a model may use, None for all there are."""

    def __init__(self, threads: int | None) -> None:
        self._threads = threads
        self._opened: dict[Path, _Stamp] = {}

    def names(self) -> Sequence[str]:
        """Name the models of the store, the newest first."""
        return model_names()

    def open(self, name: str | None) -> tuple[str, Voice]:
        """Load a model by its name or path, None for the newest; it stays in memory, whatever becomes of its file.

        Raises:
            UsageError: there is no such model. ModelFileError: its file is damaged.
        """
        path = find_model(name)
        stamp = _stamp(path)  # before it is read: what is written meanwhile is newer
        sampler, _ = self._load(path)
        self._opened[path.resolve()] = stamp
        return _title(path), sampler

    def to_come(self, name: str) -> bool:
        """Whether a model is being trained that has no checkpoint yet."""
        return is_to_come(name)

    def newer(self, name: str) -> tuple[Voice, str] | None:
        """Load a model once more if its file is another one now, and tell how far it has come.

        A file that is gone, or cannot be read, is nothing new: whoever is talking goes on with what they have.
        """
        try:
            path = find_model(name)
            stamp = _stamp(path)
            if stamp == self._opened.get(path.resolve()):
                return None
            self._opened[path.resolve()] = stamp
            sampler, card = self._load(path)
        except (GruError, OSError):
            return None
        return sampler, _progress(card)

    def sha256(self, name: str) -> str:
        """Give what the parameters of a model are known by now; nothing where there is none that can be read."""
        try:
            return describe_weights(find_model(name)).parameters_sha256
        except (GruError, OSError):
            return ""

    def _load(self, path: Path) -> tuple[Sampler, Card]:
        weights = load_weights(path)
        sampler = Sampler(weights, self._threads)
        sampler.wake()
        return sampler, weights.card


def _stamp(path: Path) -> _Stamp:
    """What a file is known by: with the same stamp it has the same content."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _progress(card: Card) -> str:
    held_out = "" if card.val_bits_per_char is None else f", {card.val_bits_per_char:.3f} bits/char held out"
    return f"step {card.steps:,}{held_out}"


def _title(weights: Path) -> str:
    """The name of a model's folder; of a weights file that stands alone, its own."""
    return weights.resolve().parent.name if weights.name in (BEST, LAST) else weights.stem
