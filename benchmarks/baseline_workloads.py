"""The peers, each as its own users would write it: PyTorch's `nn.GRU`, and an ONNX Runtime session."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.configs import SAMPLING, TRAINING, BenchmarkConfig


def _import_torch() -> Any:
    import torch

    torch.set_num_threads(2)
    torch.manual_seed(0)
    return torch


def _torch_model(torch: Any, shape: BenchmarkConfig) -> Any:
    class Model(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(shape.V, shape.E)
            self.gru = torch.nn.GRU(shape.E, shape.H, shape.L)
            self.out = torch.nn.Linear(shape.H, shape.V)

        def forward(self, ids: Any, state: Any) -> Any:
            s, state = self.gru(self.embedding(ids), state)
            return self.out(s), state

    return Model()


def make_pytorch_training(name: str) -> Callable[[], int]:
    """Forward, backward, clipping and Adam on a window, the state carried."""
    torch, shape = _import_torch(), TRAINING[name]
    model = _torch_model(torch, shape)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ids = torch.randint(0, shape.V, (2, shape.T, shape.B))
    state = torch.zeros(shape.L, shape.B, shape.H)

    def step() -> int:
        nonlocal state
        logits, state = model(ids[0], state.detach())
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, shape.V), ids[1].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return shape.B * shape.T

    return step


def _make_pytorch_sampling(name: str, batch_size: int) -> Callable[[], int]:
    torch, shape = _import_torch(), SAMPLING[name]
    model = _torch_model(torch, shape).eval()
    ids = torch.zeros(1, batch_size, dtype=torch.long)
    state = torch.zeros(shape.L, batch_size, shape.H)

    def generate() -> int:
        nonlocal ids, state
        with torch.inference_mode():
            for _ in range(32):
                logits, state = model(ids, state)
                ids = torch.multinomial(torch.softmax(logits[0] / 0.8, -1), 1).T
        return 32 * batch_size

    return generate


def make_pytorch_sampling(name: str) -> Callable[[], int]:
    """One stream at temperature 0.8."""
    return _make_pytorch_sampling(name, 1)


def make_pytorch_batch_sampling(name: str) -> Callable[[], int]:
    """256 streams at temperature 0.8."""
    return _make_pytorch_sampling(name, 256)


def _make_onnx_model(shape: BenchmarkConfig) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)

    def initializer(name: str, *shape: int) -> Any:
        return numpy_helper.from_array((0.1 * rng.standard_normal(shape)).astype(np.float32), name)

    V, E, H, L = shape[:4]
    initializers = [initializer("embedding", V, E), initializer("W_out", H, V), initializer("b_out", V)]
    nodes = [helper.make_node("Gather", ["embedding", "ids"], ["x0"])]
    for layer in range(L):
        initializers += [
            initializer(f"W{layer}", 1, 3 * H, E if layer == 0 else H),
            initializer(f"R{layer}", 1, 3 * H, H),
        ]
        initializers += [initializer(f"B{layer}", 1, 6 * H)]
        input_names = [f"x{layer}", f"W{layer}", f"R{layer}", f"B{layer}", "", f"s{layer}"]
        nodes.append(helper.make_node("GRU", input_names, [f"y{layer}", f"t{layer}"], hidden_size=H))
        nodes.append(helper.make_node("Squeeze", [f"y{layer}", "axis"], [f"x{layer + 1}"]))
    nodes.append(helper.make_node("MatMul", [f"x{L}", "W_out"], ["product"]))
    nodes.append(helper.make_node("Add", ["product", "b_out"], ["logits"]))
    nodes.append(helper.make_node("ArgMax", ["logits"], ["next"], axis=2, keepdims=0))
    initializers.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
    state_inputs = [helper.make_tensor_value_info(f"s{layer}", TensorProto.FLOAT, [1, 1, H]) for layer in range(L)]
    state_outputs = [helper.make_tensor_value_info(f"t{layer}", TensorProto.FLOAT, [1, 1, H]) for layer in range(L)]
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [1, 1])
    next_token = helper.make_tensor_value_info("next", TensorProto.INT64, [1, 1])
    graph = helper.make_graph(nodes, "gru", [ids, *state_inputs], [next_token, *state_outputs], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def make_onnx_sampling(name: str, threads: int) -> Callable[[], int]:
    """One stream, the likeliest token taken inside the graph: less work than drawing one."""
    import onnxruntime

    shape = SAMPLING[name]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        _make_onnx_model(shape).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feed = {f"s{layer}": np.zeros((1, 1, shape.H), np.float32) for layer in range(shape.L)}
    feed["ids"] = np.zeros((1, 1), np.int64)

    def generate() -> int:
        for _ in range(64):
            next_token, *states = session.run(None, feed)
            feed["ids"] = next_token
            for layer, state in enumerate(states):
                feed[f"s{layer}"] = state
        return 64

    return generate
