"""One side of a comparison, as a process: `python -m benchmarks.worker KIND SIDE SHAPE`.

It works in rounds, as `benchmarks.serve` describes, and prints tokens a second.
"""

import sys
from collections.abc import Callable

from benchmarks import baseline_workloads, gru_workloads
from benchmarks.serve import serve

WORKLOADS: dict[tuple[str, str], Callable[[str], Callable[[], int]]] = {
    ("train", "gru"): lambda shape: gru_workloads.make_training("gru", shape),
    ("train", "gru-after"): lambda shape: gru_workloads.make_training("gru-after", shape),
    ("train", "pytorch"): baseline_workloads.make_pytorch_training,
    ("sample", "gru"): lambda shape: gru_workloads.make_sampling(shape, "int8"),
    ("sample", "gru-float32"): lambda shape: gru_workloads.make_sampling(shape, "float32"),
    ("sample", "pytorch"): baseline_workloads.make_pytorch_sampling,
    ("sample", "onnx-1"): lambda shape: baseline_workloads.make_onnx_sampling(shape, 1),
    ("sample", "onnx-2"): lambda shape: baseline_workloads.make_onnx_sampling(shape, 2),
    ("batch", "gru"): gru_workloads.make_batch_sampling,
    ("batch", "pytorch"): baseline_workloads.make_pytorch_batch_sampling,
    ("train", "peak"): lambda shape: gru_workloads.make_peak_flops(),
}
"""Each gives a function that does a little work and returns how many tokens (FLOP, bytes) that was."""


def main(kind: str, side: str, shape: str) -> None:
    """Serve one of the workloads."""
    serve(WORKLOADS[kind, side](shape))


if __name__ == "__main__":
    main(*sys.argv[1:])
