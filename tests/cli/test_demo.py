"""`gru demo`: from the package's conversations to replies, with training itself stood in for."""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from grucli.__main__ import main
from grucli.errors import ExitStatus
from grucli.model.weights import ModelCard
from grucli.training import loop
from grucli.training.events import TrainEvent
from grucli.training.options import TrainOptions
from grucli.training.signals import StopFlag
from tests.model.factories import add_model, add_packaged_model
from tests.ui.fake_events import training_run

Output = pytest.CaptureFixture[str]
CONVERSATIONS = {"a": {"messages": [[{"sender": "x", "text": "hello"}], [{"sender": "y", "text": "hello there"}]]}}


@pytest.fixture
def trained_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[TrainOptions]:
    """Give the plans that were trained; each leaves a model behind."""
    monkeypatch.setenv("GRU_HOME", str(tmp_path))
    package = ModuleType("chitchat_dataset")
    package.Dataset = lambda: CONVERSATIONS  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chitchat_dataset", package)
    trained: list[TrainOptions] = []

    def train(plan: TrainOptions, stop: StopFlag) -> Iterator[TrainEvent]:
        trained.append(plan)
        yield from training_run(200, reason="limit" if plan.minutes == 1 else "interrupted")
        add_model(plan.model_name(), card=ModelCard(conversations=True))

    monkeypatch.setattr(loop, "train", train)
    return trained


def test_it_trains_replies_and_says_what_to_try_next(trained_options: list[TrainOptions], capsys: Output) -> None:
    add_model("demo", card=ModelCard(conversations=True))
    assert main(["demo"]) == 0
    (plan,) = trained_options
    assert (plan.model_name(), plan.minutes, plan.force) == ("demo", 1.0, True)
    with Path(plan.sources[0]).open(newline="") as file:
        assert [row["body"] for row in csv.DictReader(file)] == ["hello", "hello there"]
    out, err = capsys.readouterr()
    table, *replies = out.replace("> Hi", "--\n> Hi", 1).split("--\n")
    assert table.count("\n") == 3
    assert len(replies) == 5
    assert all(reply.startswith("> ") for reply in replies)
    assert "gru chat demo" in err
    assert "  gru chat   " in err
    assert "while it is the newest model" in err


def test_the_packaged_model_replies_first(
    trained_options: list[TrainOptions], capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_packaged_model(monkeypatch, tmp_path, ModelCard(conversations=True))
    add_model("demo", card=ModelCard(conversations=True))
    assert main(["demo", "--json"]) == 0
    out, err = capsys.readouterr()
    reported = json.loads(out)
    prompts, packaged_prompts = (
        [reply["prompt"] for reply in reported[key]] for key in ("replies", "packaged_replies")
    )
    assert len(prompts) == 5
    assert packaged_prompts == prompts[:3]
    first, then, last, step = (
        err.index(text)
        for text in (
            "comes with gru, after",
            "Now a small one",
            "Its replies to the same questions, after a minute:",
            "gru chat chitchat",
        )
    )
    assert first < then < last < step


def test_without_a_packaged_model_nothing_is_said_of_it(trained_options: list[TrainOptions], capsys: Output) -> None:
    add_model("demo", card=ModelCard(conversations=True))
    assert main(["demo", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["packaged_replies"] == []
    assert "comes with gru" not in err
    assert "same questions" not in err


def test_a_damaged_packaged_model_does_not_stop_it(
    trained_options: list[TrainOptions], capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_packaged_model(monkeypatch, tmp_path, ModelCard(conversations=True)).write_bytes(b"not weights")
    add_model("demo", card=ModelCard(conversations=True))
    assert main(["demo", "--json"]) == 0
    out, err = capsys.readouterr()
    assert (len(json.loads(out)["replies"]), json.loads(out)["packaged_replies"]) == (5, [])
    assert "damaged; reinstall gru" in err


def test_a_refused_option_is_refused_before_the_packaged_model_talks(
    trained_options: list[TrainOptions], capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_packaged_model(monkeypatch, tmp_path, ModelCard(conversations=True))
    assert main(["demo", "--minutes", "0"]) == ExitStatus.USAGE
    assert capsys.readouterr().out == ""


def test_it_can_be_stopped(trained_options: list[TrainOptions], capsys: Output) -> None:
    assert main(["demo", "--minutes", "2"]) == ExitStatus.SIGINT
    out, err = capsys.readouterr()
    assert "> Hi" not in out
    assert "--name demo --resume" in err


def test_without_the_conversations_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Output
) -> None:
    monkeypatch.setenv("GRU_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "chitchat_dataset", None)
    assert main(["-q", "demo"]) == ExitStatus.FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert "pip install chitchat-dataset" in err.splitlines()[1]
    assert not (tmp_path / "models").exists()


def test_as_json_it_is_the_summary_and_the_replies(trained_options: list[TrainOptions], capsys: Output) -> None:
    add_model("demo", card=ModelCard(conversations=True))
    assert main(["demo", "--json"]) == 0
    (document,) = capsys.readouterr().out.splitlines()
    reported = json.loads(document)
    assert reported["steps"] == 200
    assert len(reported["replies"]) == 5
    assert reported["replies"][0]["prompt"] == "Hi, how are you?"


def test_a_demo_that_is_stopped_is_a_document_too(trained_options: list[TrainOptions], capsys: Output) -> None:
    assert main(["demo", "--minutes", "2", "--json"]) == ExitStatus.SIGINT
    assert json.loads(capsys.readouterr().out)["replies"] == []


@pytest.mark.parametrize("pace", ["nan", "inf", "-1"])
def test_a_pace_that_is_none_is_refused_before_the_training(
    trained_options: list[TrainOptions], capsys: Output, pace: str
) -> None:
    assert main(["demo", "--pace", pace]) == ExitStatus.USAGE
    assert "--pace is" in capsys.readouterr().err
    assert trained_options == []
