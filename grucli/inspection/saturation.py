"""Saturation: how often each gate of a unit is closed or open (Karpathy and others 2015, arXiv:1506.02078)."""

from collections.abc import Mapping
from dataclasses import dataclass

from grucli.json_record import JsonRecord
from grucli.model.cell import Float64

CLOSED, OPEN = 0.1, 0.9
"""A gate below the first value is closed, one above the second open."""


@dataclass(frozen=True, slots=True)
class Saturation(JsonRecord):
    """The fraction of the tokens at which the gate of each unit was closed, and open; layers count from 1."""

    layer: int
    gate: str
    closed: tuple[float, ...]
    open: tuple[float, ...]


def measure_saturation(layer: int, gates: Mapping[str, Float64]) -> list[Saturation]:
    """Return the saturation of each gate [T, H] of a layer, which counts from 1; none for a cell without gates."""
    return [
        Saturation(layer, name, *(tuple(share.mean(axis=0).tolist()) for share in (gate < CLOSED, gate > OPEN)))
        for name, gate in gates.items()
    ]
