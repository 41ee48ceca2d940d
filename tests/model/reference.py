"""The whole network in float64 NumPy, slow and plain: the oracle that the compiled one is held to."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from grucli.model.cells import CELLS
from grucli.model.config import Sizes

Float64 = NDArray[np.float64]


def parameters_of_layer(parameters: Mapping[str, Float64], index: int) -> dict[str, Float64]:
    prefix = f"layers.{index}."
    return {name.removeprefix(prefix): array for name, array in parameters.items() if name.startswith(prefix)}


def log_softmax(logits: Float64) -> Float64:
    shifted = logits - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def loss_and_gradients(
    sizes: Sizes,
    parameters: Mapping[str, Float64],
    inputs: NDArray[np.int32],
    targets: NDArray[np.int32],
    resets: NDArray[np.bool_],
    state: Float64,
) -> tuple[float, dict[str, Float64]]:
    """Mean nats a token over [T, B], and its gradient by parameter name."""
    x = parameters["embedding"][inputs]
    backprops = []
    for index in range(sizes.L):
        x, backprop = CELLS[sizes.cell].forward(parameters_of_layer(parameters, index), x, state[index], resets)
        backprops.append(backprop)
    logs = log_softmax(x @ parameters["out.W"] + parameters["out.b"])
    nats = -np.take_along_axis(logs, targets[..., None], -1).mean()
    dlogits = (np.exp(logs) - np.eye(sizes.V)[targets]) / targets.size
    gradients = {"out.W": np.tensordot(x, dlogits, ([0, 1], [0, 1])), "out.b": dlogits.sum((0, 1))}
    ds = dlogits @ parameters["out.W"].T
    for index in reversed(range(sizes.L)):
        ds, _, of_layer = backprops[index](ds)
        gradients |= {f"layers.{index}.{name}": gradient for name, gradient in of_layer.items()}
    gradients["embedding"] = np.zeros_like(parameters["embedding"])
    np.add.at(gradients["embedding"], inputs, ds)
    return float(nats), gradients
