"""Where a new run starts: from scratch, from the model that --from names, or from the one in the package."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grucli.errors import ModelFileError, UsageError, pluralize
from grucli.model import packaged
from grucli.model.store import NOTHING, find_model
from grucli.model.weights import ModelOrigin, SavedModel, load_weights, make_origin, read_model_info
from grucli.text.dataset import BaseFit, BaseTokenizer
from grucli.text.token_file import TextKind
from grucli.training.options import TrainOptions, contrast

MAX_CHARACTERS = 20_000_000
"""Length of a text to train on up to which a run starts from the packaged model.

It was better than training from scratch for 0.25 and for 2.7 million characters, after one, two and ten minutes
(`docs/recipes.md`); where that ends is not known.
"""

MIN_KNOWN_SHARE = 0.9
"""Fraction of the characters of a text that the packaged model must know: text in another script shares nothing."""

DEFAULTS: dict[str, Any] = {"lr": 1e-3, "batch": 16, "weight_decay": 0.1}
"""Of an adaptation, unless they are given: a lower rate keeps what the model knows (`docs/recipes.md`)."""


@dataclass(frozen=True)
class Base:
    """A model that a run may start from. `is_given`: --from names it, so it is used for any text."""

    name: str
    path: Path
    model: SavedModel
    is_given: bool

    @property
    def base_tokenizer(self) -> BaseTokenizer:
        """Its tokenizer, and which text it is used for."""
        tokenizer = self.model.tokenizer
        if self.is_given:
            return BaseTokenizer(tokenizer)
        return BaseTokenizer(tokenizer, MAX_CHARACTERS, MIN_KNOWN_SHARE, running_text=False)

    def origin(self) -> ModelOrigin:
        """Return what the card of an adapted model says about it."""
        return make_origin(self.name, read_model_info(self.path).parameters_sha256, self.model.card)

    def fixed(self) -> dict[str, Any]:
        """Return the hyperparameters that it decides."""
        sizes = self.model.sizes
        return {
            "cell": sizes.cell,
            "hidden": sizes.H,
            "layers": sizes.L,
            "embed": sizes.E,
            "tokenizer": self.model.tokenizer.kind,
            "vocab": sizes.V,
            "tied": sizes.tied,
        }

    def conflicts(self, options: TrainOptions) -> str:
        """Return the options that contradict it, in words; "" if there are none."""
        return ", ".join(
            contrast(name, given, "it has", value)
            for name, value in self.fixed().items()
            if (given := getattr(options, name)) not in (None, value)
        )

    def hparams(self) -> dict[str, Any]:
        """Return the hyperparameters of a run that starts from it, unless they are given."""
        return self.fixed() | DEFAULTS


def choose_base(options: TrainOptions) -> tuple[Base | None, str | None]:
    """Return the model that a new run may start from, and what was decided, if it can be said before the text is read.

    Raises:
        UsageError: there is no such model, or an option contradicts the one that --from names.
        ModelFileError: the model that --from names is corrupt.
    """
    if options.start_from == NOTHING:
        return None, None
    is_given = options.start_from is not None
    path = find_model(options.start_from) if is_given else packaged.path()
    if path is None:
        return None, None
    try:
        model = load_weights(path)
    except (ModelFileError, OSError):
        if is_given:
            raise
        return None, "training from scratch: the model that comes with gru is damaged; reinstall gru"
    base = Base(options.start_from or packaged.NAME, path, model, is_given)
    conflicts = base.conflicts(options)
    if conflicts and is_given:
        raise UsageError(f"model '{base.name}' does not match {conflicts}", "remove the option")
    if conflicts:
        return None, f"training from scratch, because '{base.name}' does not match {conflicts}"
    return base, None


def describe_choice(base: Base, fit: BaseFit, vocab: int, kind: TextKind) -> str:
    """Return in a line whether and why the run starts from `base`; vocab: the size of the vocabulary of the run."""
    new = vocab - base.model.sizes.V
    if fit.fits:
        tokens = f", with {pluralize(new, 'new token')}" if new else ""
        if base.is_given:
            return f"starting from '{base.name}'{tokens}"
        return (
            f"starting from '{base.name}'{tokens} (the corpus is small: {fit.characters:,} characters); "
            f"--from {NOTHING} trains from scratch"
        )
    if fit.known_share < MIN_KNOWN_SHARE:
        known = f"only {fit.known_share:.0%}" if fit.known_share >= 0.01 else "none"
        return f"training from scratch: '{base.name}' knows {known} of the characters"
    if kind == "running text":
        return f"training from scratch, as the text has no comments; --from {base.name} starts from that model"
    return f"training from scratch: {fit.characters:,} characters are enough; --from {base.name} starts from it"
