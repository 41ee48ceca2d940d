"""Loads models for a session: those of the store by name, other weights files by path."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from grucli import __version__
from grucli.chat.turns import ChatModel
from grucli.errors import GruError
from grucli.generation.sampler import Sampler
from grucli.model.store import create_model, find_model, is_awaiting_first_checkpoint, model_name, model_names
from grucli.model.weights import ModelCard, load_weights, make_origin, read_model_info

_FileSignature = tuple[int, int, int]
_LEARNED_IN_A_CHAT = {
    "data": "the turns of a chat",
    "limits": "it may repeat what was said in that chat",
}


class ModelLoader:
    """A `ModelProvider`. `threads` is the number of threads of each model, None for all cores."""

    def __init__(self, threads: int | None) -> None:
        self._threads = threads
        self._loaded_signatures: dict[Path, _FileSignature] = {}

    def names(self) -> Sequence[str]:
        """Return the names of the models, the newest first."""
        return model_names()

    def open(self, name: str | None) -> tuple[str, ChatModel]:
        """Load a model by its name or path, the newest for None.

        Raises:
            UsageError: there is no such model.
            ModelFileError: the file is corrupt.
        """
        path = find_model(name)
        signature = _file_signature(path)  # before reading: a file that is replaced meanwhile is newer
        sampler, _ = self._load(path)
        self._loaded_signatures[path.resolve()] = signature
        return model_name(path), sampler

    def is_pending(self, name: str) -> bool:
        """Return True if the model is in training and has no checkpoint yet."""
        return is_awaiting_first_checkpoint(name)

    def reload_if_changed(self, name: str) -> tuple[ChatModel, str] | None:
        """Load a model again if its file has changed, and return it with its training progress.

        A file that is missing or unreadable counts as unchanged.
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
        val_loss = "" if card.val_bits_per_char is None else f", {card.val_bits_per_char:.3f} validation bits/char"
        return sampler, f"step {card.steps:,}{val_loss}"

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of the parameters in the file, empty if it cannot be read."""
        try:
            return read_model_info(find_model(name)).parameters_sha256
        except (GruError, OSError):
            return ""

    def save_as(self, name: str, model: ChatModel, source: str) -> None:
        """Implement `ModelProvider.save_as`.

        The card has nothing of what the source was trained on and measured: the new model has learned more since. The
        source may have been trained again, or be gone: what is known of its text is copied only if it is the same.
        """
        weights, path = model.weights, find_model(source) if self.sha256(source) == model.sha256 else None
        origin = make_origin(model_name(Path(source) if path is None else path), model.sha256, weights.card)
        card = ModelCard(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            program=f"gru {__version__}",
            fingerprint=weights.card.fingerprint,
            running_text=weights.card.running_text,
            conversations=weights.card.conversations,
            origin=origin,
            description=_LEARNED_IN_A_CHAT,
        )
        create_model(name, dataclasses.replace(weights, card=card), path)

    def _load(self, path: Path) -> tuple[Sampler, ModelCard]:
        weights = load_weights(path)
        sampler = Sampler(weights, self._threads)
        sampler.warm_up()
        return sampler, weights.card


def _file_signature(path: Path) -> _FileSignature:
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino
