"""The examples run as they are, on tiny inputs."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import grucli
from grucli.model.store import model_names
from grucli.model.weights import read_model_info
from grucli.reddit.fetch import retry
from tests.reddit.comment_factory import Row
from tests.reddit.fetch.fake_arctic_shift import FakeArcticShift, serve_arctic_shift
from tests.training.small_runs import small_options, write_small_corpus

Output = pytest.CaptureFixture[str]
EXAMPLES = Path(__file__).parents[2] / "examples"
ANSWERS = {"Where is the cat?": "On the mat.", "Is it raining?": "It never stopped!"}


@pytest.fixture(autouse=True)
def _home(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(retry, "sleep", lambda seconds: None)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def load_example(name: str) -> dict[str, Any]:
    """Give the functions of an example."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def forum(subreddit: str) -> list[Row]:
    """Give comments: questions, each with its answer."""
    rows: list[Row] = []
    for n in range(40):
        question, answer = list(ANSWERS.items())[n % 2]
        about = {"subreddit": subreddit, "link_id": f"t3_p{n}", "score": 3}
        rows.append({"id": f"a{n}", "author": f"asks{n}", "body": question, "parent_id": f"t3_p{n}", **about})
        rows.append({"id": f"b{n}", "author": "helpful", "body": f"{answer} {n}", "parent_id": f"t1_a{n}", **about})
    return [{**row, "created_utc": 1_600_000_000 + n} for n, row in enumerate(rows)]


@pytest.fixture
def spoken_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a user type one line and then an empty one."""
    lines = iter(["Is it raining?", ""])
    monkeypatch.setattr("builtins.input", lambda prompt: next(lines))


@pytest.mark.slow
@pytest.mark.usefixtures("spoken_lines")
def test_a_bot_of_a_subreddit(capsys: Output, tmp_path: Path) -> None:
    with serve_arctic_shift(FakeArcticShift(forum("cats"))) as server:
        load_example("subreddit_bot")["main"](["r/cats", "--base-url", server.url, "--minutes", "0.01"])
    out = capsys.readouterr().out
    assert out.startswith("fetched 80 comments\nkept ")
    assert len(out.splitlines()) >= 4
    assert model_names() == ["bot"]
    assert (tmp_path / "bot" / "corpus.csv").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("spoken_lines")
def test_a_bot_of_a_file(capsys: Output, tmp_path: Path) -> None:
    (tmp_path / "raw.jsonl").write_text("".join(json.dumps(row) + "\n" for row in forum("cats")))
    load_example("subreddit_bot")["main"](["raw.jsonl", "--name", "cat", "--minutes", "0.01"])
    assert capsys.readouterr().out.startswith("kept ")
    assert model_names() == ["cat"]


@pytest.mark.slow
def test_cells_are_compared(capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_small_corpus(tmp_path / "corpus.csv")
    whole = grucli.CompareOptions
    small = {"steps": 2, "seeds": 2, "hidden": 24, "embed": 6, "batch": 4, "seq": 8}
    monkeypatch.setattr(grucli, "CompareOptions", lambda **options: whole(**options | small | {"minutes": None}))
    load_example("gru_vs_lstm")["main"](["corpus.csv"])
    gru, lstm, verdict = capsys.readouterr().out.splitlines()
    assert gru.startswith("gru: 24 units, ")
    assert lstm.startswith("lstm: 21 units, ")
    assert "gru" in verdict
    assert len(model_names()) == 4


@pytest.mark.slow
def test_a_dial_is_measured(capsys: Output, tmp_path: Path) -> None:
    write_small_corpus(tmp_path / "corpus.csv")
    grucli.train(small_options(tmp_path / "corpus.csv", start_from="nothing", steps=2))
    load_example("dial")["main"]("small", "1:7=1")
    out = capsys.readouterr().out
    assert re.search(r"capital letters: [\d.]+ % without, [\d.]+ % with 1:7=1: [+-][\d.]+ ± [\d.]+ points", out)


@pytest.mark.slow
@pytest.mark.usefixtures("home_with_kernels")
def test_the_tour_of_the_api(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(EXAMPLES.parent)}
    done = subprocess.run(
        [sys.executable, EXAMPLES / "python_api.py"], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "kept 400 of 400 comments"
    assert "markdown: 'It rains **again**. (9)' -> 'It rains again. (9)'" in lines
    assert any(line.startswith("limit: ") for line in lines)
    assert lines[-1] == "removed 57 comments; train again: tiny"
    assert model_names() == []


@pytest.mark.slow
def test_the_packaged_model_is_made_and_can_be_used(
    capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = ModuleType("chitchat_dataset")
    turns = [[{"sender": "xy"[n % 2], "text": text}] for n, text in enumerate(ANSWERS)]
    package.Dataset = lambda: {str(n): {"messages": turns * 9} for n in range(40)}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chitchat_dataset", package)
    example = load_example("make_packaged_model")
    settings = example["main"].__globals__
    recipe = {"hidden": 16, "embed": 8, "batch": 4, "seq": 16}
    monkeypatch.setitem(settings, "RECIPE", recipe)
    monkeypatch.setitem(settings, "version", lambda name: "1")
    monkeypatch.setitem(settings, "MAX_LOSS_BITS", 1.0)
    output = tmp_path / "new" / "chitchat.safetensors"
    for _ in range(2):  # the second time there is nothing left to train
        example["main"](["--steps", "4", "-o", str(output)])
    assert f"wrote {output}" in capsys.readouterr().out
    about = read_model_info(output)
    assert about.quantized
    assert about.card.conversations
    assert list(about.card.description) == ["data", "license", "recipe", "figures", "limits"]
    assert "--hidden 16 --embed 8" in about.card.description["recipe"]
    assert about.card.description["recipe"].endswith("--steps 4")
    assert about.card.description["recipe"].startswith("examples/make_packaged_model.py writes chitchat.csv and runs: ")
    assert re.search(r"held out; int8 changes it by [+-]0\.\d{5}$", about.card.description["figures"])
    assert list(output.parent.iterdir()) == [output]
    monkeypatch.setitem(settings, "MAX_BYTES", 1000)
    output.unlink()
    with pytest.raises(SystemExit, match="nothing was written"):
        example["main"](["--model", "packaged", "-o", str(output)])
    assert list(output.parent.iterdir()) == []
