"""Where PyTorch is installed: `gru-after` is its nn.GRU, in a whole network, for the loss and every gradient."""

import numpy as np
import pytest
from numpy.typing import NDArray

from grucli.engine.network import Network
from grucli.engine.thread_pool import ThreadPool
from grucli.kernels.arrays import Float32
from grucli.model.config import ModelConfig
from grucli.model.parameters import Parameters, init_parameters

torch = pytest.importorskip("torch")

PYTORCH_NAMES = {"U": "weight_ih", "W": "weight_hh", "b": "bias_ih"}


def to_torch(ours: Float32) -> Float32:
    """[..., 3H] in the order z, r, h → [3H, ...] in PyTorch's, r, z, n."""
    z, r, h = np.split(ours.T, 3)
    return np.concatenate([r, z, h])


def from_torch(theirs: Float32) -> Float32:
    r, z, h = np.split(theirs, 3)
    return np.concatenate([z, r, h]).T


def run_pytorch(
    parameters: Parameters, inputs: NDArray[np.int32], targets: NDArray[np.int32], state: Float32
) -> tuple[float, Float32, dict[str, Float32]]:
    """Mean nats a token, the state afterwards, and the gradients by our names."""
    config, views = parameters.sizes, parameters.views
    gru = torch.nn.GRU(config.E, config.H, config.L)
    tensors = {name: torch.tensor(views[name], requires_grad=True) for name in ("embedding", "out.W", "out.b")}
    with torch.no_grad():
        for index in range(config.L):
            layer, hidden_bias = parameters.layer(index), getattr(gru, f"bias_hh_l{index}")
            for name, torch_parameter in PYTORCH_NAMES.items():
                getattr(gru, f"{torch_parameter}_l{index}").copy_(torch.from_numpy(to_torch(layer[name])))
            hidden_bias.zero_()[2 * config.H :] = torch.from_numpy(layer["c"])
    s, last = gru(tensors["embedding"][torch.from_numpy(inputs).long()], torch.from_numpy(state))
    logits = s @ tensors["out.W"] + tensors["out.b"]
    nats = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(targets).long().flatten())
    nats.backward()
    gradients = {name: tensor.grad.numpy() for name, tensor in tensors.items()}
    for index in range(config.L):
        for name, torch_parameter in PYTORCH_NAMES.items():
            gradients[f"layers.{index}.{name}"] = from_torch(getattr(gru, f"{torch_parameter}_l{index}").grad.numpy())
        gradients[f"layers.{index}.c"] = getattr(gru, f"bias_hh_l{index}").grad.numpy()[2 * config.H :]
    return nats.item(), last.detach().numpy(), gradients


@pytest.mark.parametrize(
    "sizes", [ModelConfig("gru-after", 11, 5, 7, 1), ModelConfig("gru-after", 40, 24, 48, 3)], ids=str
)
def test_the_network_is_the_one_of_pytorch(sizes: ModelConfig) -> None:
    T, B, rng = 9, 6, np.random.default_rng(0)
    parameters, gradients = init_parameters(sizes, 3), Parameters(sizes)
    for name, view in parameters.views.items():
        if name.endswith((".b", ".c")):
            view += rng.standard_normal(view.shape).astype(np.float32)
    inputs, targets = rng.integers(0, sizes.V, (2, T, B)).astype(np.int32)
    state = rng.standard_normal((sizes.L, B, sizes.H)).astype(np.float32)
    nats, last, expected = run_pytorch(parameters, inputs, targets, state.copy())

    network, reset_mask = Network(parameters, T, B, ThreadPool(1)), np.zeros((T, B), np.bool_)
    network.forward(inputs, reset_mask, state)
    assert network.backward(inputs, targets, reset_mask, gradients) == pytest.approx(nats, rel=1e-6)
    np.testing.assert_allclose(state, last, rtol=1e-5, atol=1e-6)
    assert expected.keys() == gradients.views.keys()
    for name, gradient in expected.items():
        scale = float(np.abs(gradient).max())
        np.testing.assert_allclose(gradients.views[name], gradient, rtol=1e-4, atol=1e-5 * scale, err_msg=name)
