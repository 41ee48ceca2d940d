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
from benchmarks.make_dump import write_dump
from benchmarks.runner import Ratio, Side, measure, peak_memory, ratio
from grucli.engine.system_info import memory_gb_per_second

RESULTS = Path(__file__).parent / "results"


def row(*cells: object) -> None:
    """Print a row of a Markdown table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def heading(*names: str) -> None:
    """Print the head of one."""
    print()
    row(*names)
    row(*("---" for _ in names))


def times(value: Ratio) -> str:
    """A ratio and its spread."""
    return f"**{value.median:.1f}×** ({value.least:.1f}–{value.most:.1f})"


def train(rounds: int) -> dict[str, Any]:
    """Both cells against PyTorch, and the share of the peak measured beside them."""
    heading(
        "training", "gru, tokens/s", "gru-after", "PyTorch", "gru / PyTorch", "gru-after / PyTorch", "share of peak"
    )
    results = {}
    for name, shape in TRAINING.items():
        sides = measure("train", ["gru", "pytorch", "gru-after", "peak"], name, rounds)
        peak = sides["peak"].median
        ours, after = ratio(sides["gru"], sides["pytorch"]), ratio(sides["gru-after"], sides["pytorch"])
        share = sides["gru"].median * shape.flop_a_token / peak
        cells = [f"{sides[side].median:,.0f}" for side in ("gru", "gru-after", "pytorch")]
        row(name, *cells, times(ours), times(after), f"{share:.0%} of {peak / 1e9:.0f} GFLOP/s")
        results[name] = {side: sides[side].rates for side in sides} | {"flop a token": shape.flop_a_token}
    return results


def sample(rounds: int) -> dict[str, Any]:
    """One stream, with weights of a byte and of four, against ONNX Runtime at its better thread count, and PyTorch."""
    heading("one stream", "gru, tokens/s", "gru in float32", "ONNX Runtime", "PyTorch", "gru / ONNX", "gru / PyTorch")
    results = {}
    for name in SAMPLING:
        sides = measure("sample", ["gru", "onnx-1", "gru-float32", "onnx-2", "pytorch"], name, rounds)
        onnx = max(sides["onnx-1"], sides["onnx-2"], key=lambda side: side.median)
        cells = [f"{side.median:,.0f}" for side in (sides["gru"], sides["gru-float32"], onnx, sides["pytorch"])]
        row(name, *cells, times(ratio(sides["gru"], onnx)), times(ratio(sides["gru"], sides["pytorch"])))
        results[name] = {side: sides[side].rates for side in sides}
    return results


def batch(rounds: int) -> dict[str, Any]:
    """256 streams side by side."""
    heading("256 streams", "gru, tokens/s", "PyTorch", "gru / PyTorch")
    results = {}
    for name in SAMPLING:
        sides = measure("batch", ["gru", "pytorch"], name, rounds)
        cells = [f"{sides[side].median:,.0f}" for side in ("gru", "pytorch")]
        row(name, *cells, times(ratio(sides["gru"], sides["pytorch"])))
        results[name] = {side: sides[side].rates for side in sides}
    return results


def _gru(home: str, *arguments: str) -> float:
    began = time.perf_counter()
    environment = os.environ | {"GRU_HOME": home}
    subprocess.run([sys.executable, "-m", "grucli", *arguments], env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def start(rounds: int) -> dict[str, Any]:
    """A tiny training on a machine that never ran the program, then everything from the cache; and peak memory."""
    heading("start", "seconds")
    with tempfile.TemporaryDirectory() as home:
        corpus = Path(home) / "corpus.csv"
        corpus.write_text("body\n" + "".join(f"the {n} quick brown foxes\n" for n in range(2000)))
        training = ["train", str(corpus), "--hidden", "64", "--steps", "20", "--force"]
        sampling = ["sample", "corpus", "--max-chars", "1", "--seed", "1"]
        measured = {
            "train 20 steps, cold": _gru(home, *training),
            "sample one character, kernels of sampling compiled by training": _gru(home, *sampling),
        }
        for name, arguments in (("train 20 steps, warm", training), ("sample one character, warm", sampling)):
            measured[name] = sorted(_gru(home, *arguments) for _ in range(rounds))[rounds // 2]
        measured["gru --help"] = sorted(_gru(home, "--help") for _ in range(rounds))[rounds // 2]
    for name, seconds in measured.items():
        row(name, f"{seconds:.2f}")
    return measured


def memory(_: int) -> dict[str, Any]:
    """The most that a training process has in memory, its libraries included."""
    heading("memory while training", "gru, MB", "PyTorch, MB")
    results = {}
    for name in TRAINING:
        results[name] = {side: peak_memory("train", side, name) for side in ("gru", "pytorch")}
        row(name, *(f"{most / 1e6:,.0f}" for most in results[name].values()))
    return results


def clean(rounds: int, rows: int = 1_000_000) -> dict[str, Any]:
    """Cleaning a dump of a million rows, beside what merely reads it; the sides take turns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "RC.zst"
        write_dump(path, rows)
        print(f"\n{rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB packed")
        runs: dict[str, list[cleaning.Run]] = {side: [] for side in cleaning.SIDES}
        for turn in range(rounds):
            for side in runs if turn % 2 == 0 else reversed(runs):
                runs[side].append(cleaning.run(side, path))
    heading("cleaning", "rows/s", f"of {next(iter(runs))}", "peak MB")
    sides = {side: Side(side, tuple(run.rate for run in found)) for side, found in runs.items()}
    floor = next(iter(sides.values()))
    for name, side in sides.items():
        memory = max(run.memory for run in runs[name])
        share = ratio(side, floor)
        row(
            name,
            f"{side.median:,.0f}",
            f"{share.median:.2f} ({share.least:.2f}–{share.most:.2f})",
            f"{memory / 1e6:,.0f}",
        )
    return {side: [run._asdict() for run in found] for side, found in runs.items()}


KINDS: dict[str, Callable[[int], dict[str, Any]]] = {
    "train": train,
    "sample": sample,
    "batch": batch,
    "start": start,
    "memory": memory,
    "clean": clean,
}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    """Measure what was asked for, or everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("kinds", nargs="*", choices=[[], *KINDS], default=[], metavar="KIND")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    machine = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory, GB/s, one core": round(memory_gb_per_second(), 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    print(json.dumps(machine))
    RESULTS.mkdir(exist_ok=True)
    for kind in asked.kinds or KINDS:
        results = {"machine": machine, "rounds": asked.rounds, kind: KINDS[kind](asked.rounds)}
        (RESULTS / f"{kind}.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
