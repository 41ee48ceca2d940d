"""`gru train` killed with SIGKILL at random moments and resumed, until it has finished."""

import json
import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from grucli.model.weights import load_weights
from tests.training.small_runs import write_small_corpus

KILLS = 20
REPLACEMENT_KILLS = 8
STEPS = 2_000
EVAL_EVERY = 10
MODEL_FILES = [
    "best.safetensors",
    "last.safetensors",
    "lock",
    "metrics.jsonl",
    "novelty.index",
    "optimizer.safetensors",
]
SIZES = f"--hidden 12 --embed 6 --layers 2 --batch 4 --seq 8 --threads 1 --steps {STEPS} --eval-every {EVAL_EVERY}"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


def command(corpus: Path, name: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "grucli", "train", str(corpus), "--name", name, *SIZES.split(), *options]


def finish(corpus: Path, name: str, *options: str) -> str:
    """Train to the last step and return the checksum of the parameters."""
    done = subprocess.run(command(corpus, name, "--json", *options), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["steps"] == STEPS
    return str(summary["parameters_sha256"])


def resume_and_kill(corpus: Path, name: str, evaluations: int, delay: float) -> None:
    """Resume training and kill it `delay` seconds after the given number of rows of its table."""
    with subprocess.Popen(
        command(corpus, name, "--resume"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        rows = 0
        while rows < evaluations and (line := process.stdout.readline()):
            rows += line.split()[:1] != [] and line.split()[0].isdigit()
        time.sleep(delay)
        process.kill()
        errors = process.stderr.read()
    assert process.returncode == -9, errors


def train_killed(home: Path, kills: int, seed: int) -> None:
    """Compare a run that is killed `kills` times with one that never stops."""
    chance = random.Random(seed)
    corpus = write_small_corpus(home / "corpus.csv")
    expected = finish(corpus, "whole")
    reached = []
    for _ in range(kills):
        evaluations = chance.randrange(4)
        # Importing takes most of a second, an evaluation with its checkpoint about ten milliseconds.
        resume_and_kill(corpus, "killed", evaluations, chance.uniform(0, 0.03 if evaluations else 1))
        metrics = home / "models" / "killed" / "metrics.jsonl"
        reached.append(len(metrics.read_bytes().splitlines()) if metrics.exists() else 0)
    assert reached[-1] > reached[0], "no checkpoint was resumed"
    assert finish(corpus, "killed", "--resume") == expected
    assert sorted(path.name for path in (home / "models" / "killed").iterdir()) == MODEL_FILES
    assert [json.loads(line)["step"] for line in metrics.read_bytes().splitlines()] == [
        json.loads(line)["step"] for line in (home / "models" / "whole" / "metrics.jsonl").read_bytes().splitlines()
    ]
    assert not [path for path in home.rglob("*") if path.name.endswith(".tmp")]


@pytest.mark.slow
def test_a_model_that_is_replaced_survives_every_kill(home_with_kernels: Path) -> None:
    chance, home = random.Random(3), home_with_kernels
    corpus, model = write_small_corpus(home / "corpus.csv"), home / "models" / "replaced"
    finish(corpus, "replaced")
    expected = finish(corpus, "whole", "--seed", "5")
    earlier = {name: (model / name).read_bytes() for name in MODEL_FILES}
    staging, replaced = model / ".new", 0
    for number in range(REPLACEMENT_KILLS):
        leftover = staging.stat().st_ino if staging.exists() else None
        first_line = staging / "metrics.jsonl"  # is written directly before the first save
        with subprocess.Popen(
            command(corpus, "replaced", "--force", "--seed", "5"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while process.poll() is None:
                with suppress(FileNotFoundError):
                    if staging.stat().st_ino != leftover and (number % 4 == 0 or first_line.stat().st_size):
                        break
                time.sleep(0.0005)
            time.sleep(chance.uniform(0, 0.02))
            process.kill()
        found = {name: (model / name).read_bytes() for name in MODEL_FILES}
        for name in ("best", "last"):
            load_weights(model / f"{name}.safetensors")
        if found == earlier | {"lock": found["lock"]} and not (staging / "best.safetensors").exists():
            continue
        replaced += 1
        assert finish(corpus, "replaced", "--resume") == expected
        assert sorted(path.name for path in model.iterdir()) == MODEL_FILES
        for name, data in earlier.items():
            (model / name).write_bytes(data)
    assert 0 < replaced < REPLACEMENT_KILLS


@pytest.mark.slow
def test_killed_twenty_times_and_the_same(home_with_kernels: Path) -> None:
    train_killed(home_with_kernels, KILLS, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 120))
def test_killed_hundreds_of_times_and_the_same(home_with_kernels: Path, seed: int) -> None:
    train_killed(home_with_kernels, KILLS, seed)
