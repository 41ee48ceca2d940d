"""The whole network in float64 NumPy, slow and plain: the oracle that the compiled one is held to."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from grucli.model.cells import CELLS
from grucli.model.config import ModelConfig

Float64 = NDArray[np.float64]


def layer_parameters(parameters: Mapping[str, Float64], index: int) -> dict[str, Float64]:
    prefix = f"layers.{index}."
    return {name.removeprefix(prefix): array for name, array in parameters.items() if name.startswith(prefix)}


def log_softmax(logits: Float64) -> Float64:
    shifted = logits - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def loss_and_gradients(
    config: ModelConfig,
    parameters: Mapping[str, Float64],
    inputs: NDArray[np.int32],
    targets: NDArray[np.int32],
    reset_mask: NDArray[np.bool_],
    state: Float64,
) -> tuple[float, dict[str, Float64]]:
    """Mean nats a token over [T, B], and its gradient by parameter name."""
    x = parameters["embedding"][inputs]
    backprops = []
    for index in range(config.L):
        states, backprop = CELLS[config.cell].forward(layer_parameters(parameters, index), x, state[index], reset_mask)
        x = states[..., : config.H]
        backprops.append(backprop)
    W = parameters["out.P"] @ parameters["embedding"].T if config.tied else parameters["out.W"]
    log_probs = log_softmax(x @ W + parameters["out.b"])
    loss = -np.take_along_axis(log_probs, targets[..., None], -1).mean()
    dlogits = (np.exp(log_probs) - np.eye(config.V)[targets]) / targets.size
    dW = np.tensordot(x, dlogits, ([0, 1], [0, 1]))
    gradients = {"out.b": dlogits.sum((0, 1)), "embedding": np.zeros_like(parameters["embedding"])}
    if config.tied:
        gradients |= {"out.P": dW @ parameters["embedding"], "embedding": dW.T @ parameters["out.P"]}
    else:
        gradients["out.W"] = dW
    ds = dlogits @ W.T
    for index in reversed(range(config.L)):
        dstates = np.zeros((*ds.shape[:2], state.shape[2]))
        dstates[..., : config.H] = ds
        ds, _, layer_gradients = backprops[index](dstates)
        gradients |= {f"layers.{index}.{name}": gradient for name, gradient in layer_gradients().items()}
    np.add.at(gradients["embedding"], inputs, ds)
    return float(loss), gradients
