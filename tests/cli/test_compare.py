"""`gru compare`: options, output and exit status."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from grucli import cli
from grucli.__main__ import main
from grucli.comparison import compare as comparison
from grucli.comparison.events import CompareEvent
from grucli.comparison.options import CompareOptions
from grucli.errors import DivergedError, ExitStatus
from grucli.training.signals import StopFlag
from tests.comparison.small_comparisons import fake_comparison
from tests.ui.fake_comparison import comparison_run, comparison_started

Output = pytest.CaptureFixture[str]


class FakeComparison:
    """Replaces the comparison: stores the options, and yields one that ends with `reason`."""

    def __init__(self) -> None:
        self.options: CompareOptions | None = None
        self.reason = "limit"
        self.error: BaseException | None = None

    def compare(self, options: CompareOptions, stop: StopFlag) -> Iterator[CompareEvent]:
        self.options = options
        if self.error is not None:
            yield comparison_started()
            raise self.error
        yield from comparison_run(1, reason=self.reason)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeComparison:
    monkeypatch.setenv("GRU_HOME", str(tmp_path / "home"))
    replacement = FakeComparison()
    monkeypatch.setattr(comparison, "compare", replacement.compare)
    return replacement


def test_what_was_not_given_is_left_to_the_comparison(fake: FakeComparison) -> None:
    assert main(["compare", "a.csv", "b.txt"]) == ExitStatus.OK
    assert fake.options == CompareOptions(sources=("a.csv", "b.txt"))


def test_every_option_reaches_the_comparison(fake: FakeComparison) -> None:
    given: dict[str, object] = {
        "name": "emo", "hidden": 8, "layers": 2, "embed": 3, "tokenizer": "word", "vocab": 99, "batch": 4, "seq": 5,
        "lr": 0.1, "weight_decay": 0.2, "dropout": 0.3, "embed_dropout": 0.1, "minutes": 0.25, "val_file": "v.csv",
        "eval_every": 7, "seed": 8, "threads": 1, "column": "text", "seeds": 4, "cells": "rnn,lstm",
    }  # fmt: skip
    words = [word for name, value in given.items() for word in ("--" + name.replace("_", "-"), str(value))]
    assert main(["compare", "-", *words, "--tied", "--resume", "--tune"]) == ExitStatus.OK
    assert fake.options == CompareOptions(sources=("-",), tied=True, resume=True, tune=True, **given)  # type: ignore[arg-type]


def test_the_table_is_on_stdout_and_progress_on_stderr(fake: FakeComparison, capsys: Output) -> None:
    assert main(["compare", "a.csv"]) == ExitStatus.OK
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split()[:2] == ["cell", "bits/char"]
    assert out.splitlines()[-1] == fake_comparison().verdict
    assert "talk-gru-0" in err


def test_json_is_all_there_is_on_stdout(fake: FakeComparison, capsys: Output) -> None:
    assert main(["compare", "a.csv", "--json"]) == ExitStatus.OK
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads(json.dumps(fake_comparison().to_json()))
    assert list(document)[:2] == ["cells", "verdict"]


@pytest.mark.parametrize(
    ("reason", "status"), [("limit", 0), ("diverged", 1), ("interrupted", 130), ("terminated", 143)]
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_status_says_how_it_ended(
    fake: FakeComparison, capsys: Output, reason: str, status: int, form: list[str]
) -> None:
    fake.reason = reason
    assert main(["compare", "my file.csv", "--column", "text", "--val-file", "v.csv", *form]) == status
    err = capsys.readouterr().err
    resume = "gru compare 'my file.csv' --name talk --column text --val-file v.csv --resume"
    assert (resume in err) == (status >= 130)


def test_the_curves_as_a_picture(fake: FakeComparison, tmp_path: Path) -> None:
    path = tmp_path / "curves.svg"
    assert main(["compare", "a.csv", "--svg", str(path)]) == ExitStatus.OK
    assert ET.parse(path).getroot().tag.endswith("svg")
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["curves.svg"]


@pytest.mark.parametrize("name", ["none/x.svg", "."])
def test_a_picture_that_cannot_be_written_is_found_out_before_the_training(
    fake: FakeComparison, tmp_path: Path, capsys: Output, name: str
) -> None:
    assert main(["compare", "a.csv", "--svg", str(tmp_path / name)]) == ExitStatus.USAGE
    assert fake.options is None
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "compare needs CORPUS"),
        (["a.csv", "--cells", "gru,lsmt"], "unknown cell 'lsmt'"),
        (["a.csv", "--cells", "gru"], "only one cell"),
        (["a.csv", "--cells", "gru,gru"], "twice"),
        (["a.csv", "--seeds", "0"], "--seeds is 0"),
        (["a.csv", "--seeds", "few"], "--seeds"),
        (["a.csv", "--cell", "gru"], "--cell"),
        (["a.csv", "--steps", "3", "--minutes", "1"], "cannot be used together"),
    ],
)
def test_a_command_line_that_cannot_be_meant(fake: FakeComparison, capsys: Output, words: list[str], said: str) -> None:
    assert main(["compare", *words]) == ExitStatus.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert fake.options is None


def test_what_goes_wrong_is_two_lines(fake: FakeComparison, capsys: Output) -> None:
    fake.error = DivergedError("gru diverged with every learning rate", "use a lower --lr")
    assert main(["compare", "a.csv", "--json"]) == ExitStatus.FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("gru: gru diverged with every learning rate\n     use a lower --lr\n")


def test_the_options_of_training_are_all_options_of_a_comparison() -> None:
    names = {
        command: {option.name for option in cli.build_cli().commands[command].params}
        for command in ("train", "compare")
    }
    assert names["compare"] - names["train"] == {"cells", "seeds", "tune", "svg", "suite", "words_file"}
    assert names["train"] - names["compare"] == {"cell", "start_from"}
