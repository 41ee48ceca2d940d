"""What a run came to, read back from the model that it left."""

from grucli.model.store import BEST, LAST, ModelEntry
from grucli.model.weights import describe_weights
from grucli.training.events import Summary


def summarise(entry: ModelEntry) -> Summary:
    """The summary of the run that made a model: that of its last weights, or of its best where it has no others.

    Raises:
        ModelFileError: the weights cannot be read.
    """
    last = entry.path / LAST
    path = last if last.is_file() else entry.path / BEST
    about = describe_weights(path)
    card = about.card
    return Summary(
        model=entry.name,
        path=str(entry.path),
        cell=about.sizes.cell,
        parameters=about.parameters,
        vocab=about.sizes.V,
        steps=card.steps,
        tokens=card.tokens,
        seconds=card.seconds,
        tokens_per_second=card.tokens_per_second,
        train_nats=card.train_nats,
        val_nats=card.val_nats,
        val_nats_per_char=card.val_nats_per_char,
        val_bits_per_char=card.val_bits_per_char,
        parameters_sha256=about.parameters_sha256,
    )
