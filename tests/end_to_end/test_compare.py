"""`gru compare` in a real pseudo-terminal, and killed and resumed."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.pty_session import PtySession
from tests.training.small_runs import write_small_corpus

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind, and no SIGKILL"),
]
SIZES = "--cells gru,lstm --hidden 24 --embed 6 --batch 4 --seq 8 --threads 1"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_small_corpus(tmp_path / "corpus.csv", rows=3000)


@pytest.fixture
def sessions() -> Iterator[list[PtySession]]:
    sessions: list[PtySession] = []
    yield sessions
    for session in sessions:
        session.child.close(force=True)


def row_indices(text: str) -> list[int]:
    rows = text.splitlines()
    markers = ("validation, bits", "gru ", "lstm ", "all ", "Ctrl-C saves")
    return [next(i for i, row in enumerate(rows) if row.startswith(marker)) for marker in markers]


def test_nothing_moves_and_ctrl_c_saves_all_runs(
    home_with_kernels: Path, corpus: Path, sessions: list[PtySession]
) -> None:
    words = ["compare", str(corpus), "--name", "steady", "--steps", "200000", "--eval-every", "200", *SIZES.split()]
    session = PtySession(*words, height=24)
    sessions.append(session)
    before = row_indices(session.wait_for(lambda text: "no evaluation yet" in text and "all " in text))
    after = row_indices(session.wait_for(lambda text: "no evaluation" not in text and "left" in text))
    assert before == after
    for width, height in ((40, 24), (120, 30), (60, 20)):
        session.resize(width, height)
        session.wait_for(lambda text: text.count("Ctrl-C saves and stops") == 1 and text.count("all ") == 1)
    session.send("\x03")
    session.wait_for(lambda text: "resume with" in text)
    assert session.wait_for_exit() == 130
    assert not session.screen.cursor.hidden
    models = home_with_kernels / "models"
    saved = {path.name for path in models.iterdir()}
    assert {"steady-gru-0"} <= saved <= {"steady-gru-0", "steady-lstm-0"}  # those that have begun


def command(corpus: Path, name: str, *words: str) -> list[str]:
    sizes = [*SIZES.split(), "--steps", "1200", "--eval-every", "100", "--seeds", "2"]
    return [sys.executable, "-m", "grucli", "compare", str(corpus), "--name", name, *sizes, *words]


def checksums(home: Path, name: str) -> list[str]:
    models = sorted(path.name for path in (home / "models").iterdir() if path.name.startswith(name))
    outputs = [
        subprocess.run(
            [sys.executable, "-m", "grucli", "models", "show", model, "--json"], capture_output=True, check=True
        ).stdout
        for model in models
    ]
    return [json.loads(output)["parameters_sha256"] for output in outputs]


@pytest.mark.parametrize("signals", [[signal.SIGKILL] * 4, [signal.SIGINT, signal.SIGTERM]])
def test_stopped_at_any_time_and_the_same(home_with_kernels: Path, corpus: Path, signals: list[int]) -> None:
    subprocess.run(command(corpus, "whole"), capture_output=True, check=True)
    for index, number in enumerate(signals):
        with subprocess.Popen(command(corpus, "again", "--resume"), stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            rows = 0
            while rows < 2 + 3 * index and (line := process.stderr.readline()):
                rows += line.startswith("again-")
            process.send_signal(number)
            errors = process.stderr.read()
        assert process.returncode == {2: 130, 15: 143, 9: -9}[number], errors
    done = subprocess.run(command(corpus, "again", "--resume", "--json"), capture_output=True, check=True)
    assert json.loads(done.stdout)["cells"][0]["seeds"] == 2
    assert checksums(home_with_kernels, "again") == checksums(home_with_kernels, "whole")
    assert not [path for path in home_with_kernels.rglob("*") if path.name.endswith(".tmp")]
