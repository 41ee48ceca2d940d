"""What a run will probably reach, from runs that were measured on English text (`docs/recipes.md`)."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from grucli.text.token_file import TextKind
from grucli.training.recipe import Conditions

_MORE_TIME = 5
_MAX_RATIO = 4.0  # of lengths, beyond which a measured text says little about another
_TIME_RATIO = 3.0  # beyond the longest measured time, likewise


class _Text(NamedTuple):
    """bits: held-out bits per character by core-minutes, in ascending order. is_adapted: from the packaged model."""

    kind: TextKind
    characters: int
    bits: Mapping[float, float]
    is_adapted: bool = False

    def is_near(self, characters: int) -> bool:
        """Return True if a text of this length is similar."""
        return self.characters / _MAX_RATIO <= characters <= self.characters * _MAX_RATIO

    def covers(self, core_minutes: float) -> bool:
        """Return True if this time was measured, or is not much longer."""
        return min(self.bits) <= core_minutes <= _TIME_RATIO * max(self.bits)


_MEASURED = (
    _Text("comments", 244_000, {2: 2.19, 10: 2.17}),
    _Text("comments", 2_900_000, {2: 1.99, 4: 1.95, 20: 1.90}),
    _Text("comments", 244_000, {2: 1.80}, is_adapted=True),
    _Text("comments", 2_900_000, {4: 1.87, 20: 1.84}, is_adapted=True),
    _Text("conversations", 11_400_000, {2: 1.81, 20: 1.60}),
    _Text("running text", 1_000_000, {6: 2.08, 40: 2.03}),
)


def describe_estimate(conditions: Conditions, *, is_adapted: bool = False) -> str | None:
    """Return in a line what the run will reach, and what more time would bring; None if no similar run was measured.

    is_adapted: it starts from the packaged model.
    """
    alike = [text for text in _MEASURED if (text.kind, text.is_adapted) == (conditions.kind, is_adapted)]
    similar = [text for text in alike if text.covers(conditions.core_minutes)]
    near = [text for text in similar if text.is_near(conditions.characters)]
    if not near:
        return None
    now = _interpolate_length(similar, conditions, conditions.core_minutes)
    times = min(_MORE_TIME, min(max(text.bits) for text in near) / conditions.core_minutes)
    later = _interpolate_length(similar, conditions, times * conditions.core_minutes)
    gain = f"; about {later:.2f} in {times:.2g} times the time" if now - later >= 0.01 else ""
    source = f"{'such runs' if is_adapted else 'runs'} on English {conditions.kind} of a similar length"
    return f"estimate: about {now:.2f} bits per character, from {source}{gain}"


def _interpolate_length(texts: Sequence[_Text], conditions: Conditions, core_minutes: float) -> float:
    """Linear in the logarithm of the length, between the longest text that is shorter and the next one."""
    points = {float(text.characters): _interpolate(text.bits, core_minutes) for text in texts}
    return _interpolate(points, conditions.characters)


def _interpolate(points: Mapping[float, float], x: float) -> float:
    # Linear in the logarithm of x; constant beyond the first and the last point, which are in ascending order.
    keys = list(points)
    for low, high in pairwise(keys):
        if x <= high:
            share = max(math.log(x / low) / math.log(high / low), 0.0)
            return points[low] + share * (points[high] - points[low])
    return points[keys[-1]]
