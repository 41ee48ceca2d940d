"""What a run will probably reach, from runs that were measured on English text (`docs/recipes.md`)."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from grucli.text.token_file import TextKind
from grucli.training.recipe import Conditions

_MORE_TIME = 5
_MAX_RATIO = 4.0  # of lengths, beyond which a measured text says little about another
_TIME_RATIO = 3.0  # beyond the longest and the shortest measured time, likewise


class _Text(NamedTuple):
    """bits: held-out bits per character by core-minutes, in ascending order."""

    kind: TextKind
    characters: int
    bits: Mapping[float, float]


_MEASURED = (
    _Text("comments", 244_000, {2: 2.18, 10: 2.16}),
    _Text("comments", 2_900_000, {2: 1.99, 4: 1.94, 20: 1.90}),
    _Text("conversations", 11_400_000, {2: 1.90, 20: 1.62}),
    _Text("running text", 1_000_000, {6: 2.09, 40: 2.04}),
)


def describe_estimate(conditions: Conditions) -> str | None:
    """Return in a line what the run will reach, and what more time would bring; None if no similar run was measured."""
    text = min(
        (text for text in _MEASURED if text.kind == conditions.kind),
        key=lambda text: _distance(text.characters, conditions.characters),
    )
    shortest, longest = min(text.bits), max(text.bits)
    is_similar = _distance(text.characters, conditions.characters) <= math.log(_MAX_RATIO)
    if not (is_similar and shortest / _TIME_RATIO <= conditions.core_minutes <= longest * _TIME_RATIO):
        return None
    now = _interpolate(text.bits, conditions.core_minutes)
    later = _interpolate(text.bits, min(_MORE_TIME * conditions.core_minutes, longest))
    gain = f"; about {later:.2f} in {_MORE_TIME} times the time" if now - later >= 0.01 else ""
    return f"estimate: about {now:.2f} bits per character, from runs on English {text.kind} of a similar length{gain}"


def _distance(first: float, second: float) -> float:
    return abs(math.log(first / max(second, 1)))


def _interpolate(bits: Mapping[float, float], core_minutes: float) -> float:
    # Linear in the logarithm of the time; constant beyond the measured times.
    times = list(bits)
    for low, high in pairwise(times):
        if core_minutes <= high:
            share = max(math.log(core_minutes / low) / math.log(high / low), 0.0)
            return bits[low] + share * (bits[high] - bits[low])
    return bits[times[-1]]
