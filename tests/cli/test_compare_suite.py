"""`gru compare --suite`: options, output and exit status."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from grucli.__main__ import main
from grucli.comparison.events import SuiteEvent, SuiteFinished
from grucli.comparison.suite import run
from grucli.comparison.suite.options import SuiteOptions
from grucli.errors import ExitStatus, UsageError
from grucli.training.signals import StopFlag
from tests.comparison.suite.small_suites import fake_suite
from tests.ui.fake_comparison import comparison_run

Output = pytest.CaptureFixture[str]


class FakeSuite:
    """Replaces the suite: stores the options, and yields one that ends with `reason`."""

    def __init__(self) -> None:
        self.options: SuiteOptions | None = None
        self.reason = "limit"
        self.error: Exception | None = None

    def run_suite(self, options: SuiteOptions, stop: StopFlag) -> Iterator[SuiteEvent]:
        self.options = options
        if self.error is not None:
            raise self.error
        yield from comparison_run(1)
        yield from comparison_run(1)
        yield SuiteFinished(self.reason, fake_suite())


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeSuite:
    monkeypatch.setenv("GRU_HOME", str(tmp_path / "home"))
    replacement = FakeSuite()
    monkeypatch.setattr(run, "run_suite", replacement.run_suite)
    return replacement


def test_what_was_not_given_is_left_to_the_suite(fake: FakeSuite, capsys: Output) -> None:
    assert main(["compare", "--suite", "papers"]) == ExitStatus.OK
    assert fake.options == SuiteOptions()
    assert "no --words-file: the tasks with words are skipped" in capsys.readouterr().err


def test_every_option_of_it_reaches_the_suite(fake: FakeSuite, capsys: Output) -> None:
    words = [
        "--suite",
        "papers",
        "--words-file",
        "w.txt",
        "--name",
        "p",
        "--seeds",
        "2",
        "--minutes",
        "7.5",
        "--threads",
        "1",
        "--resume",
    ]
    assert main(["compare", *words]) == ExitStatus.OK
    assert fake.options == SuiteOptions(words_file="w.txt", name="p", seeds=2, minutes=7.5, threads=1, resume=True)
    assert "skipped" not in capsys.readouterr().err


def test_settings_meant_for_training_are_not_in_the_way(fake: FakeSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRU_HIDDEN", "300")
    assert main(["compare", "--suite", "papers"]) == ExitStatus.OK


def test_the_tables_are_on_stdout_and_progress_on_stderr(fake: FakeSuite, capsys: Output) -> None:
    assert main(["compare", "--suite", "papers"]) == ExitStatus.OK
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split()[:2] == ["cell", "accuracy"]
    assert "agrees: LSTM and GRU beat tanh on arithmetic: +0.18" in out
    assert "not finished: LSTM and GRU beat tanh on nested tags (Jozefowicz 2015)" in out
    assert "talk-gru-0" in err


def test_json_is_all_there_is_on_stdout(fake: FakeSuite, capsys: Output) -> None:
    assert main(["compare", "--suite", "papers", "--json"]) == ExitStatus.OK
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads(json.dumps(fake_suite().to_json()))
    assert list(document)[:3] == ["tasks", "claims", "minutes"]


@pytest.mark.parametrize(("reason", "status"), [("limit", 0), ("interrupted", 130), ("terminated", 143)])
def test_the_status_says_how_it_ended(fake: FakeSuite, capsys: Output, reason: str, status: int) -> None:
    fake.reason = reason
    assert main(["compare", "--suite", "papers", "--name", "mine"]) == status
    resume = "gru compare --suite papers --name mine --resume"
    assert (resume in capsys.readouterr().err) == (status >= 130)


def test_the_curves_as_a_picture(fake: FakeSuite, tmp_path: Path) -> None:
    path = tmp_path / "curves.svg"
    assert main(["compare", "--suite", "papers", "--svg", str(path)]) == ExitStatus.OK
    assert ET.parse(path).getroot().tag.endswith("svg")


@pytest.mark.parametrize("name", ["none/x.svg", "."])
def test_a_picture_that_cannot_be_written_is_found_out_before_the_training(
    fake: FakeSuite, tmp_path: Path, name: str
) -> None:
    assert main(["compare", "--suite", "papers", "--svg", str(tmp_path / name)]) == ExitStatus.USAGE
    assert fake.options is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--suite", "paper"], "did you mean 'papers'?"),
        (["--suite", "zzz"], "'zzz' is not one of 'papers'"),
        (["--suite", ""], "is not one of 'papers'"),
        (["--suite", "papers", "a.csv"], "--suite takes no corpus"),
        (["--suite", "papers", "--hidden", "9"], "--hidden cannot be used with --suite"),
        (["--suite", "papers", "--cells", "gru,rnn"], "--cells cannot be used with --suite"),
        (["--suite", "papers", "--tune"], "--tune cannot be used with --suite"),
        (["--suite", "papers", "--column", "text"], "--column cannot be used with --suite"),
        (["--suite", "papers", "--seeds", "0"], "--seeds is 0"),
        (["--suite", "papers", "--minutes", "0"], "--minutes is 0"),
        (["--suite", "papers", "--resume", "--force"], "cannot be used together"),
        (["--words-file", "a.txt"], "--words-file needs --suite"),
        (["a.csv", "--words-file", "a.txt"], "--words-file needs --suite"),
    ],
)
def test_a_command_line_that_cannot_be_meant(fake: FakeSuite, capsys: Output, words: list[str], said: str) -> None:
    assert main(["compare", *words]) == ExitStatus.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 2
    assert fake.options is None


def test_an_error_of_usage_loads_no_numbers() -> None:
    code = "import sys, grucli.cli.compare; print(sorted({'numpy', 'numba', 'msgspec'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_what_goes_wrong_is_two_lines(fake: FakeSuite, capsys: Output) -> None:
    fake.error = UsageError("suite 'papers' already exists", "use --resume, --force or another --name")
    assert main(["compare", "--suite", "papers", "--json"]) == ExitStatus.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("gru: suite 'papers' already exists\n     use --resume, --force or another --name\n")
