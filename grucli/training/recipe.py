"""Recipes: the hyperparameters that suit a text and a time, found by measurement (`docs/recipes.md`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grucli.limits import physical_cores
from grucli.text.dataset import Dataset
from grucli.text.token_file import TextKind
from grucli.training.options import Budget, Hyperparameters

_UNTIMED_CORE_MINUTES = 4.0
"""What a run limited by steps or epochs is taken to have, on any machine."""

_EPOCHS_TO_FORGET, _MIN_STEPS_TO_FORGET = 3.0, 1200
"""Epochs, and at least steps, in which the weight decay drops a weight to 1/e, with the learning rate at its peak."""


@dataclass(frozen=True)
class Conditions:
    """What a recipe depends on. characters, tokens: of the text to train on. core_minutes: minutes times cores.

    The cores are those of the machine, whatever the number of threads, on which no result may depend.
    """

    characters: int
    tokens: int
    kind: TextKind
    tokenizer: str
    core_minutes: float


def conditions_of(dataset: Dataset, budget: Budget) -> Conditions:
    """Return the conditions of a run."""
    core_minutes = budget.max_minutes * physical_cores() if budget.is_timed else _UNTIMED_CORE_MINUTES
    train = dataset.train
    return Conditions(train.characters, train.tokens, dataset.kind, dataset.tokenizer.kind, core_minutes)


def choose(conditions: Conditions, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return values for the fields of `Hyperparameters` that have no default, but the tokenizer, and those of `given`.

    The more time, the larger the network, since each step of a larger one learns more; the more text, the larger the
    network that does not overfit it.
    """
    is_char = conditions.tokenizer == "char"
    minutes = conditions.core_minutes / 2  # of two cores, on which this was measured
    by_time = 330 * minutes**0.4 if is_char else 256 * minutes**0.3
    by_text = conditions.characters / 1000 if is_char else 256 * (conditions.characters / 300_000) ** (1 / 3)
    hidden = min(max(64 * round(min(by_time, by_text) / 64), 128), 1024)
    chosen = {
        "hidden": hidden,
        "embed": 64 if is_char else max(128, 64 * round(hidden / 256)),
        "tied": not is_char,
        "batch": 32 if is_char else 16,
        "lr": 4e-3 if is_char else 5e-3,
        **given,
    }
    steps_per_epoch = conditions.tokens / (chosen["batch"] * given.get("seq", Hyperparameters.seq))
    return {"weight_decay": weight_decay(steps_per_epoch, chosen["lr"]), **chosen}


def weight_decay(steps_per_epoch: float, lr: float) -> float:
    """Return the weight decay for `_EPOCHS_TO_FORGET`, to two digits.

    What suits is a time in epochs, whatever the sizes of text and batch (Wang and Aitchison 2024, arXiv:2405.13698). If
    the epochs are short, a weight must last longer than three of them to be learned at all.
    """
    steps = max(_EPOCHS_TO_FORGET * steps_per_epoch, _MIN_STEPS_TO_FORGET)
    return float(f"{min(1 / (steps * lr), 1):.2g}")


def describe(hparams: Hyperparameters, conditions: Conditions | None, *, is_timed: bool) -> str:
    """Return in a line how a model is trained, and what that was chosen for, None if by the model it starts from.

    The time is named only of a run that `is_timed`.
    """
    tokens = {"char": "characters", "word": "words", "subword": "subwords"}[hparams.tokenizer]
    line = (
        f"recipe: {tokens}, embedding {hparams.embed}{' (tied)' if hparams.tied else ''}, batch {hparams.batch} x "
        f"{hparams.seq}, learning rate {hparams.lr:g}, weight decay {hparams.weight_decay:g}"
    )
    if conditions is None:
        return line
    time = f" and {conditions.core_minutes:g} core-minutes" if is_timed else ""
    return f"{line}, for {conditions.characters:,} characters of {conditions.kind}{time}"
