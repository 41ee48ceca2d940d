"""The sizes of a network, and the name and shape of each parameter that follow from them.

No arrays and no kernels: an untrusted weights file is checked against this before anything is allocated for it.
"""

import math
from dataclasses import dataclass

from grucli.errors import UsageError, quote
from grucli.model.cells import CELLS


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The shape of a network; see the legend of `grucli.model`.

    tied: the output shares the embedding (Press and Wolf 2017, arXiv:1608.05859): logits = (s P) embeddingᵀ + b.
    Otherwise logits = s W + b.
    """

    cell: str
    V: int
    E: int
    H: int
    L: int
    tied: bool = False

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            UsageError: the cell is unknown, or a size is below 1.
        """
        if self.cell not in CELLS:
            raise UsageError(f"unknown cell {quote(self.cell)}", f"choose one of: {', '.join(CELLS)}")
        for flag, value in (("vocab", self.V), ("embed", self.E), ("hidden", self.H), ("layers", self.L)):
            if value < 1:
                raise UsageError(f"--{flag} is {value}", f"--{flag} takes a whole number from 1 up")


def parameter_shapes(sizes: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of each parameter, in the order of the flat buffer."""
    cell = CELLS[sizes.cell]
    shapes: dict[str, tuple[int, ...]] = {"embedding": (sizes.V, sizes.E)}
    for layer in range(sizes.L):
        input_size = sizes.E if layer == 0 else sizes.H
        shapes |= {f"layers.{layer}.{name}": shape for name, shape in cell.shapes(input_size, sizes.H).items()}
    output = {"out.P": (sizes.H, sizes.E)} if sizes.tied else {"out.W": (sizes.H, sizes.V)}
    return shapes | output | {"out.b": (sizes.V,)}


def num_parameters(sizes: ModelConfig) -> int:
    """Return the number of parameters of a network."""
    return sum(math.prod(shape) for shape in parameter_shapes(sizes).values())
