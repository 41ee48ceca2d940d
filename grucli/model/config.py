"""The sizes of a network and, from them alone, the name and shape of each of its parameters.

No arrays and no kernels: a stranger's weights file is checked against this before anything is allocated for it.
"""

from dataclasses import dataclass

from grucli.errors import UsageError
from grucli.model.cells import CELLS


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The shape of a network; see the legend of `grucli.model`."""

    cell: str
    V: int
    E: int
    H: int
    L: int

    def __post_init__(self) -> None:
        """Refuse what no network can have.

        Raises:
            UsageError: an unknown cell, or a size below one.
        """
        if self.cell not in CELLS:
            raise UsageError(f"there is no cell called '{self.cell}'", f"choose one of: {', '.join(CELLS)}")
        for flag, value in (("vocab", self.V), ("embed", self.E), ("hidden", self.H), ("layers", self.L)):
            if value < 1:
                raise UsageError(f"--{flag} is {value}", f"--{flag} takes a whole number from 1 up")


def parameter_shapes(sizes: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Every parameter's name and shape, in the order in which they lie in the flat buffer."""
    cell = CELLS[sizes.cell]
    shapes: dict[str, tuple[int, ...]] = {"embedding": (sizes.V, sizes.E)}
    for layer in range(sizes.L):
        input_size = sizes.E if layer == 0 else sizes.H
        shapes |= {f"layers.{layer}.{name}": shape for name, shape in cell.shapes(input_size, sizes.H).items()}
    return shapes | {"out.W": (sizes.H, sizes.V), "out.b": (sizes.V,)}


def num_parameters(sizes: ModelConfig) -> int:
    """How many numbers the network learns."""
    total = 0
    for shape in parameter_shapes(sizes).values():
        count = 1
        for dim in shape:
            count *= dim
        total += count
    return total
