"""`gru train`: options, output and exit status."""

import dataclasses
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperOption

from grucli import cli
from grucli.__main__ import main
from grucli.errors import DivergedError, ExitStatus
from grucli.model.cells import CELLS
from grucli.training import loop
from grucli.training.events import TrainEvent
from grucli.training.options import Hyperparameters, TrainOptions
from grucli.training.signals import StopFlag
from tests.ui.fake_events import make_summary, run_started, training_run
from tests.ui.fake_streams import PipeStream

Output = pytest.CaptureFixture[str]


class FakeTraining:
    """Replaces training: stores the options, and yields a run that ends with `reason`."""

    def __init__(self) -> None:
        self.plan: TrainOptions | None = None
        self.reason = "limit"
        self.error: BaseException | None = None

    def train(self, plan: TrainOptions, stop: StopFlag) -> Iterator[TrainEvent]:
        self.plan = plan
        if self.error is not None:
            yield run_started()
            raise self.error
        yield from training_run(200, reason=self.reason)


@pytest.fixture
def fake_training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeTraining:
    monkeypatch.setenv("GRU_HOME", str(tmp_path))
    training = FakeTraining()
    monkeypatch.setattr(loop, "train", training.train)
    return training


def test_what_was_not_given_is_left_to_the_plan(fake_training: FakeTraining) -> None:
    assert main(["train", "a.csv", "b.txt"]) == ExitStatus.OK
    assert fake_training.plan == TrainOptions(sources=("a.csv", "b.txt"))


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_can_be_asked_for(fake_training: FakeTraining, cell: str) -> None:
    assert main(["train", "a.csv", "--cell", cell]) == ExitStatus.OK
    assert fake_training.plan is not None
    assert fake_training.plan.cell == cell


def test_help_tells_the_defaults_of_the_recipe() -> None:
    chosen = {
        "tokenizer": "by the text",
        "vocab": "chosen by the tokenizer",
        "tied": "by the tokenizer",
        "batch": "by the tokenizer",
        "lr": "by the tokenizer",
        "weight_decay": "by the text",
        "dropout": "increases with the epochs",
        "embed_dropout": "increases with --dropout",
    }
    options = {
        option.name: option for option in cli.build_cli().commands["train"].params if isinstance(option, TyperOption)
    }
    for field in dataclasses.fields(Hyperparameters):
        reported = "by text and time" if field.default in (dataclasses.MISSING, None) else field.default
        if field.name != "optimizer":  # the only one so far, so not an option
            assert f"[default: {chosen.get(field.name, reported)}]" in str(options[field.name].help)


@pytest.mark.parametrize(
    ("words", "bound"),
    [
        (["--lr", "1e9"], "up to 100"),
        (["--steps", "9999999999999"], "to 1099511627775"),
        (["--eval-every", "9999999999999"], "to 1099511627775"),
        (["--epochs", "1e12"], "below 1000000000"),
        (["--minutes", "1e12"], "below 10000000"),
        (["--seed", "9223372036854775808"], "to 9223372036854775807"),
    ],
)
def test_a_value_that_is_too_large_is_told_the_largest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output, words: list[str], bound: str
) -> None:
    monkeypatch.setenv("GRU_HOME", str(tmp_path))
    (tmp_path / "a.csv").write_text("body\nhello\n")
    assert main(["train", str(tmp_path / "a.csv"), *words]) == ExitStatus.USAGE
    assert bound in capsys.readouterr().err.splitlines()[-1]


def test_every_option_reaches_the_plan(fake_training: FakeTraining) -> None:
    given: dict[str, object] = {
        "name": "emo", "cell": "gru", "hidden": 8, "layers": 2, "embed": 3, "tokenizer": "word", "vocab": 99,
        "batch": 4, "seq": 5, "lr": 0.1, "weight_decay": 0.2, "dropout": 0.3, "embed_dropout": 0.1, "steps": 6,
        "epochs": 1.5, "minutes": 0.25, "val": 0.2, "val_file": "v.csv", "eval_every": 7, "seed": 8, "threads": 1,
        "column": "text", "start_from": "old",
    }  # fmt: skip
    words = [
        word
        for field, value in given.items()
        for word in ("--from" if field == "start_from" else "--" + field.replace("_", "-"), str(value))
    ]
    assert main(["train", "-", *words, "--tied", "--resume", "--force"]) == ExitStatus.OK
    plan = TrainOptions(sources=("-",), tied=True, resume=True, force=True, **given)  # type: ignore[arg-type]
    assert fake_training.plan == plan
    assert None not in dataclasses.asdict(plan).values()


def test_json_is_all_there_is_on_stdout(fake_training: FakeTraining, capsys: Output) -> None:
    assert main(["train", "a.csv", "--json"]) == ExitStatus.OK
    out, err = capsys.readouterr()
    assert json.loads(out) == dataclasses.asdict(make_summary(200)) | {"inputs": []}
    assert list(json.loads(out))[:4] == ["model", "path", "cell", "parameters"]
    assert "bits/char" in err


@pytest.mark.parametrize(
    ("reason", "status"),
    [("limit", 0), ("early_stopping", 0), ("already finished", 0), ("interrupted", 130), ("terminated", 143)],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_status_says_how_it_ended(
    fake_training: FakeTraining, capsys: Output, reason: str, status: int, form: list[str]
) -> None:
    fake_training.reason = reason
    assert main(["train", "my file.csv", "--column", "text", *form]) == status
    out, err = capsys.readouterr()
    assert ("gru train 'my file.csv' --name emo --column text --resume" in err) == (status >= 130)
    assert out.startswith("{" if form else "    step")


def test_quiet_leaves_the_table_alone(fake_training: FakeTraining, capsys: Output) -> None:
    assert main(["-q", "train", "a.csv"]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 3
    assert err == ""


def test_what_goes_wrong_is_two_lines_below_the_table(fake_training: FakeTraining, capsys: Output) -> None:
    fake_training.error = DivergedError("the loss is not a number at step 7", "choose a lower --lr")
    assert main(["train", "a.csv", "--json"]) == ExitStatus.FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("gru: the loss is not a number at step 7\n     choose a lower --lr\n")


@pytest.mark.parametrize(("left_at", "status"), [(1, ExitStatus.FAILED), (4, ExitStatus.OK)])
def test_a_reader_that_leaves_before_the_end_ends_the_training(
    fake_training: FakeTraining, monkeypatch: pytest.MonkeyPatch, left_at: int, status: int
) -> None:
    class Leaving(PipeStream):
        written = 0

        def write(self, text: str) -> int:
            self.written += 1
            if self.written >= left_at:
                raise BrokenPipeError
            return super().write(text)

        def fileno(self) -> int:
            raise OSError

    monkeypatch.setattr(sys, "stdout", Leaving())
    assert main(["train", "a.csv"]) == status


def test_signals_are_as_they_were_afterwards(fake_training: FakeTraining) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    fake_training.error = KeyboardInterrupt()
    assert main(["train", "a.csv"]) == ExitStatus.SIGINT
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "gru: train needs CORPUS"),
        (["a.csv", "--tokenizer", "letters"], "--tokenizer"),
        (["a.csv", "--cell", "hmm"], "--cell"),
        (["a.csv", "--hidden", "many"], "--hidden"),
        (["a.csv", "--threads", "0"], "--threads"),
    ],
)
def test_a_command_line_that_cannot_be_meant(
    fake_training: FakeTraining, capsys: Output, words: list[str], said: str
) -> None:
    assert main(["train", *words]) == ExitStatus.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err.splitlines()[0]
    assert len(err.splitlines()) == 2


def test_a_corpus_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Output) -> None:
    monkeypatch.setenv("GRU_HOME", str(tmp_path))
    assert main(["train", str(tmp_path / "none\x1b[2J.csv"), "--name", "x"]) == ExitStatus.USAGE
    err = capsys.readouterr().err
    assert "none[2J.csv" in err
    assert "\x1b" not in err
