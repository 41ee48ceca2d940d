"""One side of a comparison, as a process: `python -m benchmarks.worker KIND SIDE SHAPE`.

It prepares, prints "ready", and for each line it reads works for about a second and prints tokens a second.
"""

import sys
import time
from collections.abc import Callable

from benchmarks import baseline_workloads, gru_workloads

MIN_SECONDS = 1.0

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
    """Serve rounds until standard input ends."""
    run_workload = WORKLOADS[kind, side](shape)
    run_workload()
    run_workload()
    print("ready", flush=True)
    for _ in sys.stdin:
        units, started_at = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started_at) < MIN_SECONDS:
            units += run_workload()
        print(units / elapsed, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
