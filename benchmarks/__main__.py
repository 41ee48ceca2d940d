"""`python -m benchmarks [KIND…] [--rounds N]`: measure, print, keep the figures. `KINDS` names all there are."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import clean as cleaning
from benchmarks.configs import SAMPLING, TRAINING
from benchmarks.machine import processor_name
from benchmarks.make_dump import write_dump
from benchmarks.markdown import markdown_row
from benchmarks.runner import Measurement, Ratio, compare, measure, peak_memory
from grucli.engine.system_info import measure_memory_gb_per_second

RESULTS = Path(__file__).parent / "results"


def print_row(*cells: object) -> None:
    """Print a row of a Markdown table."""
    print(markdown_row(*cells), flush=True)


def print_header(*names: str) -> None:
    """Print the head of one."""
    print()
    print_row(*names)
    print_row(*("---" for _ in names))


def format_ratio(value: Ratio) -> str:
    """A ratio and its spread."""
    return f"**{value.median:.1f}×** ({value.min:.1f}–{value.max:.1f})"


def train(rounds: int) -> dict[str, Any]:
    """Both cells against PyTorch, and the share of the peak measured beside them."""
    print_header(
        "training", "gru, tokens/s", "gru-after", "PyTorch", "gru / PyTorch", "gru-after / PyTorch", "share of peak"
    )
    results = {}
    for name, shape in TRAINING.items():
        measurements = measure("train", ["gru", "pytorch", "gru-after", "peak"], name, rounds)
        peak = measurements["peak"].median
        gru_ratio, gru_after_ratio = (
            compare(measurements["gru"], measurements["pytorch"]),
            compare(measurements["gru-after"], measurements["pytorch"]),
        )
        fraction_of_peak = measurements["gru"].median * shape.flop_per_token / peak
        cells = [f"{measurements[side].median:,.0f}" for side in ("gru", "gru-after", "pytorch")]
        print_row(
            name,
            *cells,
            format_ratio(gru_ratio),
            format_ratio(gru_after_ratio),
            f"{fraction_of_peak:.0%} of {peak / 1e9:.0f} GFLOP/s",
        )
        results[name] = {side: measurements[side].rates for side in measurements} | {
            "flop a token": shape.flop_per_token
        }
    return results


def sample(rounds: int) -> dict[str, Any]:
    """One stream, with weights of a byte and of four, against ONNX Runtime at its better thread count, and PyTorch."""
    print_header(
        "one stream", "gru, tokens/s", "gru in float32", "ONNX Runtime", "PyTorch", "gru / ONNX", "gru / PyTorch"
    )
    results = {}
    for name in SAMPLING:
        measurements = measure("sample", ["gru", "onnx-1", "gru-float32", "onnx-2", "pytorch"], name, rounds)
        onnx = max(measurements["onnx-1"], measurements["onnx-2"], key=lambda side: side.median)
        cells = [
            f"{side.median:,.0f}"
            for side in (measurements["gru"], measurements["gru-float32"], onnx, measurements["pytorch"])
        ]
        print_row(
            name,
            *cells,
            format_ratio(compare(measurements["gru"], onnx)),
            format_ratio(compare(measurements["gru"], measurements["pytorch"])),
        )
        results[name] = {side: measurements[side].rates for side in measurements}
    return results


def batch(rounds: int) -> dict[str, Any]:
    """256 streams side by side."""
    print_header("256 streams", "gru, tokens/s", "PyTorch", "gru / PyTorch")
    results = {}
    for name in SAMPLING:
        measurements = measure("batch", ["gru", "pytorch"], name, rounds)
        cells = [f"{measurements[side].median:,.0f}" for side in ("gru", "pytorch")]
        print_row(name, *cells, format_ratio(compare(measurements["gru"], measurements["pytorch"])))
        results[name] = {side: measurements[side].rates for side in measurements}
    return results


def _time_gru(home: str, *arguments: str) -> float:
    started_at = time.perf_counter()
    environment = os.environ | {"GRU_HOME": home}
    subprocess.run([sys.executable, "-m", "grucli", *arguments], env=environment, check=True, capture_output=True)
    return time.perf_counter() - started_at


def startup(rounds: int) -> dict[str, Any]:
    """A tiny training on a machine that never ran the program, then everything from the cache; and peak memory."""
    print_header("start", "seconds")
    with tempfile.TemporaryDirectory() as home:
        corpus = Path(home) / "corpus.csv"
        corpus.write_text("body\n" + "".join(f"the {n} quick brown foxes\n" for n in range(2000)))
        training = ["train", str(corpus), "--hidden", "64", "--steps", "20", "--force"]
        sampling = ["sample", "corpus", "--max-chars", "1", "--seed", "1"]
        seconds_by_case = {
            "train 20 steps, cold": _time_gru(home, *training),
            "sample one character, kernels of sampling compiled by training": _time_gru(home, *sampling),
        }
        for name, arguments in (("train 20 steps, warm", training), ("sample one character, warm", sampling)):
            seconds_by_case[name] = sorted(_time_gru(home, *arguments) for _ in range(rounds))[rounds // 2]
        seconds_by_case["gru --help"] = sorted(_time_gru(home, "--help") for _ in range(rounds))[rounds // 2]
    for name, seconds in seconds_by_case.items():
        print_row(name, f"{seconds:.2f}")
    return seconds_by_case


def memory(_: int) -> dict[str, Any]:
    """The most that a training process has in memory, its libraries included."""
    print_header("memory while training", "gru, MB", "PyTorch, MB")
    results = {}
    for name in TRAINING:
        results[name] = {side: peak_memory("train", side, name) for side in ("gru", "pytorch")}
        print_row(name, *(f"{max_bytes / 1e6:,.0f}" for max_bytes in results[name].values()))
    return results


def clean(rounds: int, rows: int = 1_000_000) -> dict[str, Any]:
    """Cleaning a dump of a million rows, beside what merely reads it; the sides take turns."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "RC.zst"
        write_dump(path, rows)
        print(f"\n{rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB packed")
        runs: dict[str, list[cleaning.Run]] = {side: [] for side in cleaning.SIDES}
        for round_index in range(rounds):
            for side in runs if round_index % 2 == 0 else reversed(runs):
                runs[side].append(cleaning.run_side(side, path))
    print_header("cleaning", "rows/s", f"of {next(iter(runs))}", "peak MB")
    measurements = {side: Measurement(side, tuple(run.rate for run in side_runs)) for side, side_runs in runs.items()}
    baseline = next(iter(measurements.values()))
    for name, side in measurements.items():
        memory = max(run.memory for run in runs[name])
        relative = compare(side, baseline)
        print_row(
            name,
            f"{side.median:,.0f}",
            f"{relative.median:.2f} ({relative.min:.2f}–{relative.max:.2f})",
            f"{memory / 1e6:,.0f}",
        )
    return {side: [run._asdict() for run in found] for side, found in runs.items()}


KINDS: dict[str, Callable[[int], dict[str, Any]]] = {
    "train": train,
    "sample": sample,
    "batch": batch,
    "start": startup,
    "memory": memory,
    "clean": clean,
}


def main() -> None:
    """Measure what was asked for, or everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("kinds", nargs="*", choices=[[], *KINDS], default=[], metavar="KIND")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    machine = {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "memory, GB/s, one core": round(measure_memory_gb_per_second(), 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    print(json.dumps(machine))
    RESULTS.mkdir(exist_ok=True)
    for kind in options.kinds or KINDS:
        results = {"machine": machine, "rounds": options.rounds, kind: KINDS[kind](options.rounds)}
        (RESULTS / f"{kind}.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
