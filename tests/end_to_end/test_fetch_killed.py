"""5,000 comments from a service with every kind of fault, fetched by a program that is killed repeatedly.

`python -m tests.end_to_end.test_fetch_killed` prints each run.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from grucli.read.blocks import RowReport
from grucli.read.rows import read_rows
from grucli.read.schema import ReadOptions
from grucli.reddit.comments import Comment
from tests.reddit.comment_factory import make_comments
from tests.reddit.fetch.fake_arctic_shift import FAULTS, FakeArcticShift, random_faults, serve_arctic_shift

pytestmark = pytest.mark.slow

NUM_COMMENTS = 5_000
NUM_KILLS = 3
FAULT_RATE = 0.4
_SIGKILL = 9
"""SIGKILL; Windows does not define it."""

_PROGRAM = (
    "import sys; from time import sleep; from grucli.reddit.fetch import retry\n"
    # Waits are a thousandth as long.
    "retry.sleep = lambda seconds: sleep(seconds / 1000)\n"
    "from grucli.__main__ import main; sys.exit(main(sys.argv[1:]))"
)


def fetch_with_kills(
    directory: Path, suffix: str, seed: int, report: Callable[[str], None] = lambda line: None
) -> None:
    """Fetch with every kind of fault and `NUM_KILLS` kills at random moments, and compare with the source."""
    rng = random.Random(seed)
    fault_counts: Counter[str] = Counter()
    random_fault = random_faults(FAULT_RATE, seed)

    def counted_fault() -> str | None:
        fault = random_fault()
        fault_counts.update([fault] if fault is not None else [])
        return fault

    output = directory / f"fetched{suffix}"
    with serve_arctic_shift(FakeArcticShift(make_comments(NUM_COMMENTS, seed), default_fault=counted_fault)) as server:
        kills = 0
        for run in range(1, 200):
            # Each of the first runs fetches a few pages; where in a page it is killed is random.
            fail_at = len(server.requests) + rng.randint(8, 20) if kills < NUM_KILLS else None
            status, said = _run(server, output, fail_at, rng.random() * 0.004)
            kills += status < 0
            report(
                f"run {run}: {'killed -9' if status < 0 else f'exit {status}'}, {len(server.requests)} requests so far"
            )
            assert status in (0, 4) or status < 0, said
            if status == 0:
                break
        summary = json.loads(said)
        report(f"summary: {said.strip()}")
        report(f"faults: {', '.join(f'{name} {count}' for name, count in sorted(fault_counts.items()))}")
        _compare(output, server, report)
    assert sorted(path.name for path in directory.iterdir()) == [output.name, f"{output.name}.fetch.json"]
    assert kills == NUM_KILLS
    assert fault_counts.keys() == FAULTS.keys()
    assert (summary["fetched"], summary["complete"]) == (NUM_COMMENTS, True)


def _run(
    server: FakeArcticShift, output: Path, fail_at: int | None, delay: float, signal_number: int = _SIGKILL
) -> tuple[int, str]:
    """Run the program, killed `delay` seconds after request `fail_at`; return its exit status and JSON."""
    arguments = [
        "fetch",
        "r/askscience",
        "-o",
        str(output),
        "--base-url",
        server.url,
        "--rate",
        "1000",
        "--resume",
        "--json",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
    )
    with process:
        assert process.stdout is not None
        while fail_at is not None and process.poll() is None:
            if len(server.requests) >= fail_at:
                time.sleep(delay)
                process.send_signal(signal_number)
                break
            time.sleep(0.0005)
        said = process.stdout.read()
    return process.returncode, said


def _compare(output: Path, server: FakeArcticShift, log: Callable[[str], None]) -> None:
    """Compare every field of every comment, in order; and the texts as training reads them."""
    report = RowReport()
    bodies = [row.body for row in read_rows(str(output), ReadOptions(), report)]
    assert report.read == NUM_COMMENTS
    assert bodies == [row["body"] for row in server.rows if row["body"].strip()]
    got = _decompress(output).splitlines()
    assert len(got) == len(server.rows)
    for line, row in zip(got, server.rows, strict=True):
        assert json.loads(line) == {name: row[name] for name in Comment.__struct_fields__}
    ids = {json.loads(line)["id"] for line in got}
    log(
        f"compared: {len(got):,} lines with {len(server.rows):,} comments, {len(ids):,} different ids, all fields equal"
    )


def _decompress(output: Path) -> bytes:
    from grucli.read.sources import read_bytes, resolve_source

    return b"".join(read_bytes(resolve_source(str(output))))


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_killed_three_times_and_complete(tmp_path: Path) -> None:
    fetch_with_kills(tmp_path, ".jsonl.zst", seed=4)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM")
def test_sigterm_leaves_complete_pages(tmp_path: Path) -> None:
    output = tmp_path / "a.jsonl"
    with serve_arctic_shift(FakeArcticShift(make_comments(2_000))) as fake:
        assert _run(fake, output, fail_at=12, delay=0.001, signal_number=signal.SIGTERM)[0] == 143
        fetched = output.read_bytes()
        assert fetched.endswith(b"}\n")
        assert _run(fake, output, fail_at=None, delay=0)[0] == 0
        assert output.read_bytes().startswith(fetched)
        assert len(output.read_bytes().splitlines()) == 2_000


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
@pytest.mark.parametrize("seed", range(100, 130))
def test_killed_often_and_complete(tmp_path: Path, seed: int) -> None:
    fetch_with_kills(tmp_path, [".jsonl", ".jsonl.zst", ".jsonl.gz"][seed % 3], seed)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        fetch_with_kills(Path(folder), ".jsonl.zst", seed=4, report=lambda line: print(line, flush=True))  # noqa: T201
