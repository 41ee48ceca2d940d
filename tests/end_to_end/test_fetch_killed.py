"""5,000 comments from a service in which everything fails, by a program that is killed again and again.

`python -m tests.end_to_end.test_fetch_killed` shows it in full.
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

from grucli.read.rows import RowReport, read_rows
from grucli.reddit.comments import Comment
from tests.reddit.comment_factory import forum
from tests.reddit.fetch.fake_arctic_shift import FAULTS, Fake, serving, sometimes

COMMENTS = 5_000
KILLS = 3
FAULTY = 0.4
_KILL = 9
"""SIGKILL, which not every system has a name for."""

_PROGRAM = (
    "import sys; from time import sleep; from grucli.reddit import patience\n"
    # The waits are real, and a thousandth as long.
    "patience.sleep = lambda seconds: sleep(seconds / 1000)\n"
    "from grucli.__main__ import main; sys.exit(main(sys.argv[1:]))"
)


def fetch_killed(folder: Path, suffix: str, seed: int, tell: Callable[[str], None] = lambda line: None) -> None:
    """Fetch a forum with all faults on, killed at `KILLS` chance moments, and compare it with what there is."""
    chance = random.Random(seed)
    happened: Counter[str] = Counter()
    mishap = sometimes(FAULTY, seed)

    def counted() -> str | None:
        fault = mishap()
        happened.update([fault] if fault is not None else [])
        return fault

    output = folder / f"fetched{suffix}"
    with serving(Fake(forum(COMMENTS, seed), mishap=counted)) as fake:
        kills = 0
        for run in range(1, 200):
            # The first runs get a share of the way each; chance says where in a page.
            fatal = len(fake.asked) + chance.randint(8, 20) if kills < KILLS else None
            status, said = _run(fake, output, fatal, chance.random() * 0.004)
            kills += status < 0
            tell(f"run {run}: {'killed -9' if status < 0 else f'exit {status}'}, {len(fake.asked)} requests so far")
            assert status in (0, 4) or status < 0, said
            if status == 0:
                break
        summary = json.loads(said)
        tell(f"summary: {said.strip()}")
        tell(f"faults: {', '.join(f'{name} {count}' for name, count in sorted(happened.items()))}")
        _compare(output, fake, tell)
    assert sorted(path.name for path in folder.iterdir()) == [output.name, f"{output.name}.fetch.json"]
    assert kills == KILLS
    assert happened.keys() == FAULTS.keys()
    assert (summary["fetched"], summary["complete"]) == (COMMENTS, True)


def _run(fake: Fake, output: Path, fatal: int | None, delay: float, how: int = _KILL) -> tuple[int, str]:
    """One run of the program, killed `delay` seconds after it asks for the `fatal`-th time; its status and its JSON."""
    words = ["fetch", "r/askscience", "-o", str(output), "--base-url", fake.url, "--rate", "1000", "--resume", "--json"]
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
    )
    with program:
        assert program.stdout is not None
        while fatal is not None and program.poll() is None:
            if len(fake.asked) >= fatal:
                time.sleep(delay)
                program.send_signal(how)
                break
            time.sleep(0.0005)
        said = program.stdout.read()
    return program.returncode, said


def _compare(output: Path, fake: Fake, tell: Callable[[str], None]) -> None:
    """Comment by comment, field by field, in order; and as training reads them."""
    report = RowReport()
    bodies = [row.body for row in read_rows(str(output), None, report)]
    assert report.read == COMMENTS
    assert bodies == [row["body"] for row in fake.rows if row["body"].strip()]
    got = _unpacked(output).splitlines()
    assert len(got) == len(fake.rows)
    for line, row in zip(got, fake.rows, strict=True):
        assert json.loads(line) == {name: row[name] for name in Comment.__struct_fields__}
    ids = {json.loads(line)["id"] for line in got}
    tell(f"compared: {len(got):,} lines with {len(fake.rows):,} comments, {len(ids):,} different ids, all fields equal")


def _unpacked(output: Path) -> bytes:
    from grucli.read.sources import locate, read_bytes

    return b"".join(read_bytes(locate(str(output))))


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_killed_three_times_and_complete(tmp_path: Path) -> None:
    fetch_killed(tmp_path, ".jsonl.zst", seed=4)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM")
def test_a_polite_request_to_end_leaves_whole_pages(tmp_path: Path) -> None:
    output = tmp_path / "a.jsonl"
    with serving(Fake(forum(2_000))) as fake:
        assert _run(fake, output, fatal=12, delay=0.001, how=signal.SIGTERM)[0] == 143
        fetched = output.read_bytes()
        assert fetched.endswith(b"}\n")
        assert _run(fake, output, fatal=None, delay=0)[0] == 0
        assert output.read_bytes().startswith(fetched)
        assert len(output.read_bytes().splitlines()) == 2_000


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
@pytest.mark.parametrize("seed", range(100, 130))
def test_killed_often_and_complete(tmp_path: Path, seed: int) -> None:
    fetch_killed(tmp_path, [".jsonl", ".jsonl.zst", ".jsonl.gz"][seed % 3], seed)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        fetch_killed(Path(folder), ".jsonl.zst", seed=4, tell=lambda line: print(line, flush=True))  # noqa: T201
