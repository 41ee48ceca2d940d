"""Networks of different cells with about as many parameters."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace

from grucli.errors import UsageError
from grucli.model.config import ModelConfig, num_parameters

MAX_DIFFERENCE = 0.01
"""The largest difference between the numbers of parameters of two networks, relative to the smaller one."""

_MAX_HIDDEN = 1 << 16
_MAX_SEARCH = 100


def match_parameters(cell: str, reference: ModelConfig, parameters: int) -> ModelConfig:
    """Return the network of `cell` whose number of parameters is the closest to `parameters`.

    Everything but the cell and its hidden size is that of `reference`.
    """

    def count(hidden: int) -> int:
        return num_parameters(replace(reference, cell=cell, H=hidden))

    above = max(bisect_left(range(_MAX_HIDDEN), parameters, lo=1, key=count), 2)
    hidden = min((above - 1, above), key=lambda size: abs(count(size) - parameters))
    return replace(reference, cell=cell, H=hidden)


def can_match(cells: Sequence[str], reference: ModelConfig) -> bool:
    """Return True if `match_cells` finds networks of the same size."""
    return _are_equal(_closest(cells, reference))


def match_cells(cells: Sequence[str], reference: ModelConfig) -> dict[str, ModelConfig]:
    """Return a network of each cell, all with about the number of parameters of `reference`.

    Raises:
        UsageError: two of them differ by more than `MAX_DIFFERENCE`, as small networks may; the hint has the next
            hidden size of `reference` that suits.
    """
    sizes = _closest(cells, reference)
    if _are_equal(sizes):
        return sizes
    larger = range(reference.H + 1, 2 * reference.H + _MAX_SEARCH)
    suitable = next((size for size in larger if can_match(cells, replace(reference, H=size))), None)
    counts = ", ".join(f"{cell} {num_parameters(config):,}" for cell, config in sizes.items())
    raise UsageError(
        f"no hidden sizes give the cells as many parameters as a {reference.cell} of {reference.H}: {counts}",
        "use a larger --hidden" if suitable is None else f"use --hidden {suitable}",
    )


def _closest(cells: Sequence[str], reference: ModelConfig) -> dict[str, ModelConfig]:
    return {cell: match_parameters(cell, reference, num_parameters(reference)) for cell in cells}


def _are_equal(sizes: Mapping[str, ModelConfig]) -> bool:
    counts = [num_parameters(config) for config in sizes.values()]
    return max(counts) <= (1 + MAX_DIFFERENCE) * min(counts)
