"""The figures of a training run and of its text, inherited by every value that reports them."""

from dataclasses import dataclass, field, fields
from typing import Annotated, Any

import msgspec

# More than any run reaches: another user's file may claim a number of hundreds of digits.
Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
_NonNegativeFloat = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
_Counts = Annotated[dict[Annotated[str, msgspec.Meta(max_length=1000)], Count], msgspec.Meta(max_length=1000)]


@dataclass(frozen=True, kw_only=True)
class ContextGain:
    """How much the replies of conversations gain from the turns before them; all None where not measured.

    context_gain_bits: bits that a reply costs more after the turns of another conversation, on average.
    context_gain_interval: the 95 % confidence interval of that mean. right_context_share: the fraction of the replies
    that cost more. context_replies: number of replies measured.
    """

    context_gain_bits: float | None = None
    context_gain_interval: tuple[float, float] | None = None
    right_context_share: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    context_replies: Count | None = None

    def gain_figures(self) -> dict[str, Any]:
        """Return these figures alone, as `Figures.figures`."""
        return {each.name: getattr(self, each.name) for each in fields(ContextGain)}


@dataclass(frozen=True, kw_only=True)
class _LossFigures:
    tokens: Count = 0
    seconds: _NonNegativeFloat = 0.0
    tokens_per_second: _NonNegativeFloat = 0.0
    train_nats: float | None = None
    val_nats: float | None = None
    val_nats_per_char: float | None = None
    val_bits_per_char: float | None = None


# Dataclasses list the fields of the last base first, so the context gain follows the losses in JSON.
@dataclass(frozen=True, kw_only=True)
class Figures(ContextGain, _LossFigures):
    """What was trained and how well it predicts. The names and their order are those of the JSON documents.

    `train_nats` and `val_nats` are mean losses in nats per token, None where not measured; `seconds` counts training
    alone.
    """

    def figures(self) -> dict[str, Any]:
        """Return the figures alone, as keyword arguments for another value that reports them."""
        return {each.name: getattr(self, each.name) for each in fields(Figures)}


@dataclass(frozen=True, kw_only=True)
class TextFigures:
    """What was trained on.

    read: rows. dropped: rows by reason. placeholders: rows that say only that their text is missing or gone.
    unknown_share: the fraction of the characters that are unknown.
    """

    read: Count = 0
    dropped: _Counts = field(default_factory=dict)
    placeholders: Count = 0
    unknown_share: _NonNegativeFloat = 0.0

    def text_figures(self) -> dict[str, Any]:
        """Return these figures alone, as `Figures.figures`."""
        return {each.name: getattr(self, each.name) for each in fields(TextFigures)}
