"""Dials: units of the state that are held at a value while a model writes (Radford 2017, arXiv:1704.01444).

This module loads neither NumPy nor Numba.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from grucli.errors import UsageError
from grucli.number_parsing import parse_float

_MAX_DIALS = 1000
_MAX_QUOTED_CHARS = 40
_UNIT = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")
_OFF = "off"


class Dial(NamedTuple):
    """Unit `unit`, from 0, of layer `layer`, from 1, and its value from -1 to 1."""

    layer: int
    unit: int
    value: float


def parse_dial(text: str) -> Dial:
    """Return the dial of a text such as 1:20=0.9.

    Raises:
        UsageError: the text is not a dial, or its value is out of range.
    """
    place, _, number = text.partition("=")
    layer, unit = _parse_unit(place, text)
    try:
        value = parse_float(number)
    except ValueError:
        raise _error(text) from None
    if not -1 <= value <= 1:
        raise UsageError(
            f"{{dial}} is {number.strip()[:_MAX_QUOTED_CHARS]}", "{dial} takes a value from -1 to 1", ["dial"]
        )
    return Dial(layer, unit, value)


def check_dials(texts: Sequence[str]) -> None:
    """Validate dials; of several for one unit the last counts.

    Raises:
        UsageError: a text is not a dial, or there are too many.
    """
    if len(texts) > _MAX_DIALS:
        raise UsageError(f"too many {{dial}} options ({len(texts)}, max {_MAX_DIALS})", "hold fewer units", ["dial"])
    for text in texts:
        parse_dial(text)


def change_dials(texts: Sequence[str], text: str) -> tuple[str, ...]:
    """Return the dials after `L:N VALUE`, `L:N=VALUE` or `L:N off` is typed.

    Raises:
        UsageError: the text is none of these.
    """
    place, _, value = text.strip().replace("=", " ").partition(" ")
    unit, value = _parse_unit(place, text), value.strip()
    others = (each for each in texts if parse_dial(each)[:2] != unit)
    if value == _OFF:
        return tuple(others)
    new = f"{unit[0]}:{unit[1]}={value}"
    parse_dial(new)
    return (*others, new)


def typed_removals(texts: Iterable[str]) -> tuple[str, ...]:
    """Return what `change_dials` takes to remove each dial."""
    return tuple(f"{layer}:{unit} {_OFF}" for layer, unit, _ in map(parse_dial, texts))


def held_units(texts: Iterable[str], layers: int, units: int) -> dict[tuple[int, int], float]:
    """Return the values of the dials by layer and unit, both from 0, for a model of some layers and units.

    Raises:
        UsageError: the model has no such unit.
    """
    held = {}
    for layer, unit, value in map(parse_dial, texts):
        if not (1 <= layer <= layers and unit < units):
            hint = f"this model has layers 1 to {layers}, with units 0 to {units - 1}; {{dial}} takes one of them"
            raise UsageError(f"unit not found: {layer}:{unit}", hint, ["dial"])
        held[layer - 1, unit] = value
    return held


def _parse_unit(place: str, text: str) -> tuple[int, int]:
    match = _UNIT.fullmatch(place.strip())
    if match is None:
        raise _error(text)
    return int(match[1]), int(match[2])


def _error(text: str) -> UsageError:
    hint = "{dial} takes a layer, a unit and a value, such as 1:20=0.9"
    return UsageError(f"'{text[:_MAX_QUOTED_CHARS]}' is not a dial", hint, ["dial"])
