"""Cleaning a dump, beside what merely reads one: `python -m benchmarks.clean SIDE DUMP` prints seconds and rows.

Each side is a process of its own that goes through the whole file once, the time to begin not counted.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from grucli.read.zstd import zstd
from grucli.reddit.clean.options import CleanOptions, resolve_sources
from grucli.reddit.clean.pipeline import clean
from grucli.reddit.comments import Comment
from grucli.reddit.corpus.writer import parse_output

_READ_BYTES = 1 << 20


class Run(NamedTuple):
    """One side, once: rows a second, and the most memory it had, in bytes; workers' not included."""

    rate: float
    memory: int


def _lines(path: str) -> Iterator[list[bytes]]:
    """The lines of a dump, as fast as they come: large chunks, split at once."""
    with zstd.ZstdFile(path, options={zstd.DecompressionParameter.window_log_max: 31}) as file:
        rest = b""
        while chunk := file.read(_READ_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            yield lines


def run_msgspec(path: str) -> int:
    """zstd, split, and msgspec into the eight fields that cleaning needs: the least that anybody has to do."""
    decode = msgspec.json.Decoder(Comment).decode
    return sum(len([decode(line) for line in lines]) for lines in _lines(path))


def run_json(path: str) -> int:
    """The loop that most scripts have."""
    with zstd.ZstdFile(path, options={zstd.DecompressionParameter.window_log_max: 31}) as file:
        return sum("body" in json.loads(line) for line in file)


def run_gru_clean(path: str, workers: int, replies: bool = False) -> int:
    """`gru clean` with all its defaults, into a CSV file."""
    with tempfile.TemporaryDirectory() as directory:
        out = parse_output(Path(directory) / "out.csv", conversations=replies)
        report = clean(CleanOptions(sources=resolve_sources([path]), output=out, workers=workers, replies=replies))
    if report.read != report.kept + report.dropped.total():
        raise RuntimeError("the counts do not add up")
    return report.read


SIDES: dict[str, Callable[[str], int]] = {
    "zstd + split + msgspec": run_msgspec,
    "json.loads": run_json,
    "gru clean": lambda path: run_gru_clean(path, 1),
    "gru clean --workers 2": lambda path: run_gru_clean(path, 2),
    "gru clean --replies": lambda path: run_gru_clean(path, 1, replies=True),
}
"""Each goes through a dump and gives how many rows it had."""


def run_side(side: str, path: Path) -> Run:
    """Let a side go through a dump, in a process of its own. POSIX only."""
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.clean", side, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"GRU_HOME": home},
        )
        assert process.stdout is not None
        seconds, rows = process.stdout.read().split()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        process.stdout.close()
    return Run(int(rows) / float(seconds), usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def main(side: str, path: str) -> None:
    """Go through it once."""
    started_at = time.perf_counter()
    rows = SIDES[side](path)
    print(time.perf_counter() - started_at, rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
