"""All parameters of a network in one flat float32 buffer, with named views into it.

An optimizer step and gradient clipping are one loop each. Views are aligned to cache lines; the gaps are zero.
"""

import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from grucli.kernels.arrays import Float32, zeros
from grucli.model.cells import CELLS
from grucli.model.config import ModelConfig, parameter_shapes

TIED_EMBEDDING_STD = 0.05
"""Initial standard deviation of an embedding that is also the output.

As an output, a row must change in each step by more of its size than as an input: at 1.0 training is far slower
(`docs/recipes.md`).
"""

_ALIGN_FLOATS = 16  # float32 in a cache line


class Parameters:
    """`flat` float32 [N], and `views` of it by name in the shapes of `parameter_shapes`.

    `groups` are the slices of `flat` in the order of `backward`: the output, each layer from the top, the embedding.
    """

    def __init__(self, sizes: ModelConfig) -> None:
        self.sizes = sizes
        shapes = parameter_shapes(sizes)
        starts, group_starts, end = {}, dict[str, int](), 0
        for name, shape in shapes.items():
            starts[name] = end
            group_starts.setdefault(name.rpartition(".")[0], end)
            end += -(-math.prod(shape) // _ALIGN_FLOATS) * _ALIGN_FLOATS
        self.groups = [slice(*edges) for edges in pairwise([*group_starts.values(), end])][::-1]
        self.flat: Float32 = zeros(end)
        self.views: dict[str, Float32] = {
            name: self.flat[starts[name] : starts[name] + math.prod(shape)].reshape(shape)
            for name, shape in shapes.items()
        }

    def layer(self, index: int) -> dict[str, Float32]:
        """Return the parameters of one recurrent layer, by the names of its cell."""
        return layer_parameters(self.views, index)

    def load(self, arrays: Mapping[str, Float32]) -> None:
        """Copy arrays of the same names and shapes."""
        for name, view in self.views.items():
            view[...] = arrays[name]


def layer_parameters(parameters: Mapping[str, Float32], index: int) -> dict[str, Float32]:
    """Return the parameters of recurrent layer `index` of a network, by the names of its cell."""
    prefix = f"layers.{index}."
    return {name.removeprefix(prefix): array for name, array in parameters.items() if name.startswith(prefix)}


def output_weights(parameters: Mapping[str, Float32]) -> Float32:
    """Return the matrix [H, V] that a state is multiplied with; of tied parameters, the product of both factors."""
    if "out.W" in parameters:
        return parameters["out.W"]
    with np.errstate(over="ignore", invalid="ignore"):  # the weights of a network that diverged
        return np.ascontiguousarray(parameters["out.P"] @ parameters["embedding"].T)


def init_parameters(sizes: ModelConfig, seed: int) -> Parameters:
    """Return the initial parameters, a function of `sizes` and `seed` alone."""
    rng = np.random.default_rng(seed)
    cell = CELLS[sizes.cell]
    parameters = Parameters(sizes)
    std = TIED_EMBEDDING_STD if sizes.tied else 1.0
    parameters.views["embedding"][...] = std * rng.standard_normal((sizes.V, sizes.E))
    for index in range(sizes.L):
        input_size = sizes.E if index == 0 else sizes.H
        for name, value in cell.initialize(rng, input_size, sizes.H).items():
            parameters.layer(index)[name][...] = value
    parameters.layer(0)["U"][...] /= std  # the gates see the same variance as with an embedding of unit variance
    view = parameters.views["out.P" if sizes.tied else "out.W"]
    view[...] = rng.standard_normal(view.shape) / math.sqrt(sizes.H)
    return parameters
