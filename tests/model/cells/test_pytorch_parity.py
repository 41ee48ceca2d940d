"""Where PyTorch is installed: the cells that it has too are equal to it in a whole network, loss and every gradient."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from grucli.engine.network import Network
from grucli.engine.thread_pool import ThreadPool
from grucli.kernels.arrays import Float32
from grucli.model.cells import CELLS
from grucli.model.config import ModelConfig
from grucli.model.parameters import Parameters, init_parameters

torch = pytest.importorskip("torch")

GATE_ORDER = {"gru-after": (1, 0, 2), "lstm": (0, 1, 2, 3), "rnn": (0,)}
"""PyTorch's gates, by their places in ours."""
PYTORCH_NAMES = {"U": "weight_ih", "W": "weight_hh", "b": "bias_ih"}


def make_module(config: ModelConfig) -> Any:
    module = {"gru-after": torch.nn.GRU, "lstm": torch.nn.LSTM, "rnn": torch.nn.RNN}[config.cell]
    return module(config.E, config.H, config.L)


def to_torch(ours: Float32, cell: str) -> Float32:
    """[..., G·H] → [G·H, ...] in PyTorch's order."""
    blocks = np.split(ours.T, len(GATE_ORDER[cell]))
    return np.concatenate([blocks[place] for place in GATE_ORDER[cell]])


def from_torch(theirs: Float32, cell: str) -> Float32:
    blocks = np.split(theirs, len(GATE_ORDER[cell]))
    return np.concatenate([blocks[place] for place in np.argsort(GATE_ORDER[cell])]).T


def run_pytorch(
    parameters: Parameters, inputs: NDArray[np.int32], targets: NDArray[np.int32], state: Float32
) -> tuple[float, Float32, dict[str, Float32]]:
    """Mean nats per token, the state afterwards, and the gradients by our names."""
    config, views = parameters.sizes, parameters.views
    cell, H = config.cell, config.H
    module = make_module(config)
    tensors = {name: torch.tensor(views[name], requires_grad=True) for name in ("embedding", "out.W", "out.b")}
    with torch.no_grad():
        for index in range(config.L):
            layer, hidden_bias = parameters.layer(index), getattr(module, f"bias_hh_l{index}")
            for name, torch_parameter in PYTORCH_NAMES.items():
                getattr(module, f"{torch_parameter}_l{index}").copy_(torch.from_numpy(to_torch(layer[name], cell)))
            hidden_bias.zero_()
            if "c" in layer:
                hidden_bias[2 * H :] = torch.from_numpy(layer["c"])
    parts = [torch.from_numpy(np.ascontiguousarray(part)) for part in np.split(state, state.shape[2] // H, axis=2)]
    x = tensors["embedding"][torch.from_numpy(inputs).long()]
    s, last = module(x, tuple(parts) if len(parts) > 1 else parts[0])
    logits = s @ tensors["out.W"] + tensors["out.b"]
    nats = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(targets).long().flatten())
    nats.backward()
    gradients = {name: tensor.grad.numpy() for name, tensor in tensors.items()}
    for index in range(config.L):
        for name, torch_parameter in PYTORCH_NAMES.items():
            gradient = getattr(module, f"{torch_parameter}_l{index}").grad.numpy()
            gradients[f"layers.{index}.{name}"] = from_torch(gradient, cell)
        if "c" in parameters.layer(index):
            gradients[f"layers.{index}.c"] = getattr(module, f"bias_hh_l{index}").grad.numpy()[2 * H :]
    final = torch.cat(last, dim=2) if isinstance(last, tuple) else last
    return nats.item(), final.detach().numpy(), gradients


@pytest.mark.parametrize(("V", "E", "H", "L"), [(11, 5, 7, 1), (40, 24, 48, 3)])
@pytest.mark.parametrize("cell", GATE_ORDER)
def test_a_network_equals_that_of_pytorch(cell: str, V: int, E: int, H: int, L: int) -> None:
    config = ModelConfig(cell, V, E, H, L)
    T, B, rng = 9, 6, np.random.default_rng(0)
    parameters, gradients = init_parameters(config, 3), Parameters(config)
    for name, view in parameters.views.items():
        if name.endswith((".b", ".c")):
            view += rng.standard_normal(view.shape).astype(np.float32)
    inputs, targets = rng.integers(0, V, (2, T, B)).astype(np.int32)
    state = rng.standard_normal((L, B, CELLS[cell].width(H))).astype(np.float32)
    nats, last, expected = run_pytorch(parameters, inputs, targets, state.copy())

    network, reset_mask = Network(parameters, T, B, ThreadPool(1)), np.zeros((T, B), np.bool_)
    network.forward(inputs, reset_mask, state)
    assert network.backward(inputs, targets, reset_mask, gradients) == pytest.approx(nats, rel=1e-6)
    np.testing.assert_allclose(state, last, rtol=1e-5, atol=1e-6)
    assert expected.keys() == gradients.views.keys()
    for name, gradient in expected.items():
        scale = float(np.abs(gradient).max())
        np.testing.assert_allclose(gradients.views[name], gradient, rtol=1e-4, atol=1e-5 * scale, err_msg=name)
