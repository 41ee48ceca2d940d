"""All parameters of a network in one flat float32 buffer, with named views into it.

So the optimiser, clipping and a sum across processes are one loop each. Every view begins at a cache line; the gaps
are zero and stay zero.
"""

import math
from collections.abc import Mapping

import numpy as np

from grucli.kernels.arrays import Float32, zeros
from grucli.model.cells import CELLS
from grucli.model.config import ModelConfig, parameter_shapes

_ALIGN_FLOATS = 16  # float32 in a cache line


class Parameters:
    """`flat` [N] and `views`, name → array of the shape that `parameter_shapes` gives."""

    def __init__(self, sizes: ModelConfig) -> None:
        self.sizes = sizes
        shapes = parameter_shapes(sizes)
        starts, end = {}, 0
        for name, shape in shapes.items():
            starts[name] = end
            end += -(-math.prod(shape) // _ALIGN_FLOATS) * _ALIGN_FLOATS
        self.flat: Float32 = zeros(end)
        self.views: dict[str, Float32] = {
            name: self.flat[starts[name] : starts[name] + math.prod(shape)].reshape(shape)
            for name, shape in shapes.items()
        }

    def layer(self, index: int) -> dict[str, Float32]:
        """The parameters of one recurrent layer, under the names its cell gives them."""
        prefix = f"layers.{index}."
        return {name.removeprefix(prefix): view for name, view in self.views.items() if name.startswith(prefix)}

    def load(self, arrays: Mapping[str, Float32]) -> None:
        """Copy arrays of the same names and shapes in."""
        for name, view in self.views.items():
            view[...] = arrays[name]


def init_parameters(sizes: ModelConfig, seed: int) -> Parameters:
    """Parameters to begin training with, a function of `sizes` and `seed` alone."""
    rng = np.random.default_rng(seed)
    cell = CELLS[sizes.cell]
    parameters = Parameters(sizes)
    parameters.views["embedding"][...] = rng.standard_normal((sizes.V, sizes.E))
    for index in range(sizes.L):
        input_size = sizes.E if index == 0 else sizes.H
        for name, value in cell.initialize(rng, input_size, sizes.H).items():
            parameters.layer(index)[name][...] = value
    parameters.views["out.W"][...] = rng.standard_normal((sizes.H, sizes.V)) / math.sqrt(sizes.H)
    return parameters
