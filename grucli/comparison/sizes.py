"""Networks of different cells with about as many parameters."""

from bisect import bisect_left
from dataclasses import replace

from grucli.errors import UsageError
from grucli.model.config import ModelConfig, num_parameters

MAX_DIFFERENCE = 0.01
"""The largest difference between the numbers of parameters of two networks, relative to the smaller one."""

_MAX_HIDDEN = 1 << 16


def match_parameters(cell: str, reference: ModelConfig, parameters: int) -> ModelConfig:
    """Return the network of `cell` whose number of parameters is the closest to `parameters`.

    Everything but the cell and its hidden size is that of `reference`.
    """

    def count(hidden: int) -> int:
        return num_parameters(replace(reference, cell=cell, H=hidden))

    above = max(bisect_left(range(_MAX_HIDDEN), parameters, lo=1, key=count), 2)
    hidden = min((above - 1, above), key=lambda size: abs(count(size) - parameters))
    return replace(reference, cell=cell, H=hidden)


def match_cells(cells: tuple[str, ...], reference: ModelConfig) -> dict[str, ModelConfig]:
    """Return a network of each cell, all with about the number of parameters of `reference`.

    Raises:
        UsageError: two of them differ by more than `MAX_DIFFERENCE`, as small networks do.
    """
    parameters = num_parameters(reference)
    sizes = {cell: match_parameters(cell, reference, parameters) for cell in cells}
    counts = {cell: num_parameters(config) for cell, config in sizes.items()}
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[most] > (1 + MAX_DIFFERENCE) * counts[least]:
        raise UsageError(
            f"no hidden sizes give {most} and {least} as many parameters: {counts[most]:,} and {counts[least]:,}",
            "use a larger --hidden",
        )
    return sizes
