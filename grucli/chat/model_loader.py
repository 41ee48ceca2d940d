"""The models of the store, and weights files from anywhere, as a session takes them."""

from collections.abc import Sequence
from pathlib import Path

from grucli.chat.turns import ChatModel
from grucli.errors import GruError
from grucli.generation.sampler import Sampler
from grucli.model.store import find_model, is_awaiting_first_checkpoint, model_name, model_names
from grucli.model.weights import ModelCard, load_weights, read_model_info

_FileSignature = tuple[int, int, int]


class ModelLoader:
    """See the module. `threads` is how many a model may use, None for all there are."""

    def __init__(self, threads: int | None) -> None:
        self._threads = threads
        self._loaded_signatures: dict[Path, _FileSignature] = {}

    def names(self) -> Sequence[str]:
        """Name the models of the store, the newest first."""
        return model_names()

    def open(self, name: str | None) -> tuple[str, ChatModel]:
        """Load a model by its name or path, None for the newest; it stays in memory, whatever becomes of its file.

        Raises:
            UsageError: there is no such model. ModelFileError: its file is damaged.
        """
        path = find_model(name)
        signature = _file_signature(path)  # before it is read: what is written meanwhile is newer
        sampler, _ = self._load(path)
        self._loaded_signatures[path.resolve()] = signature
        return model_name(path), sampler

    def is_pending(self, name: str) -> bool:
        """Whether a model is being trained that has no checkpoint yet."""
        return is_awaiting_first_checkpoint(name)

    def reload_if_changed(self, name: str) -> tuple[ChatModel, str] | None:
        """Load a model once more if its file is another one now, and tell how far it has come.

        A file that is gone, or cannot be read, is nothing new: whoever is talking goes on with what they have.
        """
        try:
            path = find_model(name)
            signature = _file_signature(path)
            if signature == self._loaded_signatures.get(path.resolve()):
                return None
            self._loaded_signatures[path.resolve()] = signature
            sampler, card = self._load(path)
        except (GruError, OSError):
            return None
        return sampler, _training_progress(card)

    def sha256(self, name: str) -> str:
        """Give what the parameters of a model are known by now; nothing where there is none that can be read."""
        try:
            return read_model_info(find_model(name)).parameters_sha256
        except (GruError, OSError):
            return ""

    def _load(self, path: Path) -> tuple[Sampler, ModelCard]:
        weights = load_weights(path)
        sampler = Sampler(weights, self._threads)
        sampler.warm_up()
        return sampler, weights.card


def _file_signature(path: Path) -> _FileSignature:
    """What a file is known by: with the same stamp it has the same content."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _training_progress(card: ModelCard) -> str:
    val_loss = "" if card.val_bits_per_char is None else f", {card.val_bits_per_char:.3f} bits/char held out"
    return f"step {card.steps:,}{val_loss}"
