"""What is known about a text that a model has read, as values with their own JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from grucli.errors import UsageError
from grucli.inspection.connectivity import connectivity
from grucli.inspection.labels import SECOND_SPEAKER, Mask, labels, matches
from grucli.inspection.saturation import Saturation, measure_saturation
from grucli.inspection.similar_places import SimilarPlace
from grucli.inspection.trace import Likely, Trace
from grucli.inspection.units import UnitScore, rank_units
from grucli.json_record import JsonRecord, to_json
from grucli.model.cell import Float64

MAX_INFLUENCES = 200
"""Tokens back to which a prediction is explained: there the gradient of most networks is below one thousandth."""

_UNITS_PER_LABEL, _UNITS_PER_PATTERN = 3, 10


@dataclass(frozen=True, slots=True)
class InspectedToken(JsonRecord):
    """A token as it is shown, its surprisal in bits, the likeliest tokens in its place, and the mean of each gate.

    end: it ends a document or a turn, and has no text. unknown: it stands for a symbol that the model does not know.
    gates: by name, the mean over the units of each layer, the first layer first.
    """

    text: str
    end: bool
    unknown: bool
    bits: float
    likeliest: tuple[Likely, ...]
    gates: dict[str, tuple[float, ...]]

    @property
    def shown(self) -> str:
        """The text, a newline for an end."""
        return "\n" if self.end else self.text


@dataclass(frozen=True, slots=True)
class Influence(JsonRecord):
    """A token, and the norm of the gradient of a later logit with respect to its embedding."""

    text: str
    norm: float


@dataclass(frozen=True, slots=True)
class Why(JsonRecord):
    """The token whose logit is explained, the number of its first character, and the tokens before it in order."""

    text: str
    position: int
    influences: tuple[Influence, ...]


@dataclass(frozen=True, slots=True)
class UnitTrace(JsonRecord):
    """The values of a unit after each token, in [-1, 1]; layers count from 1, units from 0."""

    layer: int
    unit: int
    values: tuple[float, ...]


@dataclass(frozen=True)
class Inspection(JsonRecord):
    """What a model does while it reads a text; layers and characters count from 1, units from 0.

    tokens: in order. gate_labels: the gates of the cell, and what their values mean. units: the most telling ones by
    label. rare: labels that occur too rarely. All below them is empty or None unless it was asked for: found: units by
    a pattern, unit, why, similar.
    """

    model: str
    cell: str
    layers: int
    hidden: int
    bits_per_char: float
    unknown: int
    gate_labels: dict[str, str]
    tokens: tuple[InspectedToken, ...]
    units: tuple[UnitScore, ...]
    rare: tuple[str, ...]
    saturation: tuple[Saturation, ...]
    found: tuple[UnitScore, ...] | None
    unit: UnitTrace | None
    why: Why | None
    similar: tuple[SimilarPlace, ...] | None
    trace: Trace

    def to_json(self) -> dict[str, object]:
        """Return everything but the states."""
        return {field.name: to_json(getattr(self, field.name)) for field in fields(self) if field.name != "trace"}

    def gate_values(self, layer: int, gate: str) -> list[tuple[str, float]]:
        """Return each shown token with the mean of a gate of a layer.

        Raises:
            UsageError: there is no such layer or gate.
        """
        check_layer(self.trace, layer)
        if gate not in self.gate_labels:
            known = f"it has {', '.join(self.gate_labels)}" if self.gate_labels else "its cell has no gates"
            raise UsageError(f"gate not found: '{gate}'", f"use another gate of '{self.model}': {known}")
        return [(token.shown, token.gates[gate][layer - 1]) for token in self.tokens if token.shown]


def inspect_trace(
    name: str,
    trace: Trace,
    *,
    pattern: str | None = None,
    unit: tuple[int, int] | None = None,
    why: int | None = None,
    similar: tuple[SimilarPlace, ...] | None = None,
) -> Inspection:
    """Return everything about a text that was read.

    Args:
        name: of the model.
        trace: the text.
        pattern: a regular expression to rank units by.
        unit: a layer and a unit of it, whose values are given.
        why: the number of the character whose token is explained.
        similar: similar places that were found.

    Raises:
        UsageError: there is no such character or unit, or the pattern is not a regular expression or takes too long.
    """
    sizes = trace.weights.sizes
    if unit is not None:
        check_unit(trace, *unit)
    explained = None if why is None else explain(trace, why)
    found = None if pattern is None else rank_units(trace, {pattern: matches(trace, pattern)}, _UNITS_PER_PATTERN)
    gates = [trace.gates(layer) for layer in range(sizes.L)]
    tokens = _tokens(trace, gates)
    ranking = rank_units(trace, _labels(trace), _UNITS_PER_LABEL)
    return Inspection(
        model=name,
        cell=sizes.cell,
        layers=sizes.L,
        hidden=sizes.H,
        bits_per_char=sum(token.bits for token in tokens) / max(sum(map(len, trace.texts)), 1),
        unknown=int(trace.is_unknown.sum()),
        gate_labels=dict(trace.cell.gate_labels),
        tokens=tokens,
        units=ranking.scores,
        rare=ranking.rare,
        saturation=tuple(each for layer, of in enumerate(gates, 1) for each in measure_saturation(layer, of)),
        found=None if found is None else found.scores,
        unit=None if unit is None else _unit_trace(trace, *unit),
        why=explained,
        similar=similar,
        trace=trace,
    )


def _tokens(trace: Trace, gates: list[Mapping[str, Float64]]) -> tuple[InspectedToken, ...]:
    bits, likeliest = trace.predictions()
    means = {name: np.stack([each[name].mean(axis=1) for each in gates], axis=1).tolist() for name in gates[0]}
    parts = zip(trace.texts, trace.is_end.tolist(), trace.is_unknown.tolist(), bits.tolist(), likeliest, strict=True)
    return tuple(
        InspectedToken(*part, {name: tuple(mean[index]) for name, mean in means.items()})
        for index, part in enumerate(parts)
    )


def _labels(trace: Trace) -> dict[str, Mask]:
    found = labels(trace)
    if not trace.weights.card.conversations:
        del found[SECOND_SPEAKER]
    return found


def _unit_trace(trace: Trace, layer: int, unit: int) -> UnitTrace:
    return UnitTrace(layer, unit, tuple(trace.outputs(layer - 1)[:, unit].tolist()))


def explain(trace: Trace, character: int) -> Why:
    """Return on which earlier tokens the token at a character depends; characters count from 1.

    Raises:
        UsageError: there is no such character.
    """
    position = trace.token_at(character)
    lags = min(position, MAX_INFLUENCES)
    norms = connectivity(trace, np.array([position]), lags)[0][::-1].tolist() if lags else []
    texts = trace.texts[position - lags : position]
    influences = tuple(Influence(text, norm) for text, norm in zip(texts, norms, strict=True))
    return Why(trace.texts[position], trace.first_character(position), influences)


def check_layer(trace: Trace, layer: int) -> None:
    """Check that a model has a layer; layers count from 1.

    Raises:
        UsageError: it has not.
    """
    layers = trace.weights.sizes.L
    if not 1 <= layer <= layers:
        has = f"layers 1 to {layers}" if layers > 1 else "layer 1 only"
        raise UsageError(f"layer not found: {layer}", f"use another one: this model has {has}")


def check_unit(trace: Trace, layer: int, unit: int) -> None:
    """Check that a model has a unit; layers count from 1, units from 0.

    Raises:
        UsageError: it has not.
    """
    check_layer(trace, layer)
    H = trace.weights.sizes.H
    if not 0 <= unit < H:
        raise UsageError(f"unit not found: {layer}:{unit}", f"use another one: each layer has units 0 to {H - 1}")
