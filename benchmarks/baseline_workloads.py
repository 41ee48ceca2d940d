"""The peers, each as its own users would write it: PyTorch's `nn.GRU`, and an ONNX Runtime session."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.configs import SAMPLING, TRAINING, Shape


def _torch() -> Any:
    import torch

    torch.set_num_threads(2)
    torch.manual_seed(0)
    return torch


def _torch_model(torch: Any, shape: Shape) -> Any:
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


def pytorch_training(name: str) -> Callable[[], int]:
    """Forward, backward, clipping and Adam on a window, the state carried."""
    torch, shape = _torch(), TRAINING[name]
    model = _torch_model(torch, shape)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    ids = torch.randint(0, shape.V, (2, shape.T, shape.B))
    state = torch.zeros(shape.L, shape.B, shape.H)

    def step() -> int:
        nonlocal state
        logits, state = model(ids[0], state.detach())
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, shape.V), ids[1].reshape(-1))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        return shape.B * shape.T

    return step


def _pytorch_stream(name: str, streams: int) -> Callable[[], int]:
    torch, shape = _torch(), SAMPLING[name]
    model = _torch_model(torch, shape).eval()
    ids = torch.zeros(1, streams, dtype=torch.long)
    state = torch.zeros(shape.L, streams, shape.H)

    def write() -> int:
        nonlocal ids, state
        with torch.inference_mode():
            for _ in range(32):
                logits, state = model(ids, state)
                ids = torch.multinomial(torch.softmax(logits[0] / 0.8, -1), 1).T
        return 32 * streams

    return write


def pytorch_sampling(name: str) -> Callable[[], int]:
    """One stream at temperature 0.8."""
    return _pytorch_stream(name, 1)


def pytorch_batch_sampling(name: str) -> Callable[[], int]:
    """256 streams at temperature 0.8."""
    return _pytorch_stream(name, 256)


def _onnx_model(shape: Shape) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)

    def weights(name: str, *sides: int) -> Any:
        return numpy_helper.from_array((0.1 * rng.standard_normal(sides)).astype(np.float32), name)

    V, E, H, L = shape[:4]
    initial = [weights("embedding", V, E), weights("W_out", H, V), weights("b_out", V)]
    nodes = [helper.make_node("Gather", ["embedding", "ids"], ["x0"])]
    for layer in range(L):
        initial += [weights(f"W{layer}", 1, 3 * H, E if layer == 0 else H), weights(f"R{layer}", 1, 3 * H, H)]
        initial += [weights(f"B{layer}", 1, 6 * H)]
        names = [f"x{layer}", f"W{layer}", f"R{layer}", f"B{layer}", "", f"s{layer}"]
        nodes.append(helper.make_node("GRU", names, [f"y{layer}", f"t{layer}"], hidden_size=H))
        nodes.append(helper.make_node("Squeeze", [f"y{layer}", "axis"], [f"x{layer + 1}"]))
    nodes.append(helper.make_node("MatMul", [f"x{L}", "W_out"], ["product"]))
    nodes.append(helper.make_node("Add", ["product", "b_out"], ["logits"]))
    nodes.append(helper.make_node("ArgMax", ["logits"], ["next"], axis=2, keepdims=0))
    initial.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
    states = [helper.make_tensor_value_info(f"s{layer}", TensorProto.FLOAT, [1, 1, H]) for layer in range(L)]
    after = [helper.make_tensor_value_info(f"t{layer}", TensorProto.FLOAT, [1, 1, H]) for layer in range(L)]
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [1, 1])
    chosen = helper.make_tensor_value_info("next", TensorProto.INT64, [1, 1])
    graph = helper.make_graph(nodes, "gru", [ids, *states], [chosen, *after], initial)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def onnx_sampling(name: str, threads: int) -> Callable[[], int]:
    """One stream, the likeliest token taken inside the graph: less work than drawing one."""
    import onnxruntime

    shape = SAMPLING[name]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        _onnx_model(shape).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feed = {f"s{layer}": np.zeros((1, 1, shape.H), np.float32) for layer in range(shape.L)}
    feed["ids"] = np.zeros((1, 1), np.int64)

    def write() -> int:
        for _ in range(64):
            chosen, *states = session.run(None, feed)
            feed["ids"] = chosen
            for layer, state in enumerate(states):
                feed[f"s{layer}"] = state
        return 64

    return write
