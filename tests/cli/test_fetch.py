"""`gru fetch`: every option reaches the plan, stdout is for JSON alone, and the status says how it ended."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from grucli.__main__ import main
from grucli.errors import ExitStatus
from grucli.reddit.fetch import retry, run
from grucli.reddit.fetch.events import FetchEvent, FetchFinished, FetchSummary
from grucli.reddit.fetch.run import FetchOptions
from tests.reddit.comment_factory import make_comments
from tests.reddit.fetch.fake_arctic_shift import FakeArcticShift, serve_arctic_shift

Output = pytest.CaptureFixture[str]
_HIDE_BAR = "grucli.ui.views.fetch_view.FetchView.hide_bar"


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "sleep", lambda seconds: None)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[FakeArcticShift]:
    with serve_arctic_shift(FakeArcticShift(make_comments(150))) as server:
        yield server


def run_fetch(server: FakeArcticShift, output: Path, *options: str) -> int:
    return main(["fetch", *options, "-o", str(output), "--base-url", server.url, "--rate", "1000"])


def test_every_option_reaches_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[FetchOptions] = []

    class Stub:
        summary: FetchSummary | None = None

        def __init__(self, plan: FetchOptions) -> None:
            plans.append(plan)

        def __enter__(self) -> "Stub":
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def run(self) -> Iterator[FetchEvent]:
            yield FetchFinished(FetchSummary(0, 0, 0, 0, 0, True), (), "a.jsonl", "", 0, False)

    monkeypatch.setattr(run, "FetchRun", Stub)
    assert main(["fetch", "-o", "a.jsonl"]) == 0
    words = "--source reddit --after 30d --before 2024 --limit 5 --rate 0.5 --base-url http://x --resume --force"
    assert main(["fetch", "r/a", "u/b", "-o", "b.jsonl", *words.split()]) == 0
    assert plans == [
        FetchOptions((), "a.jsonl"),
        FetchOptions(("r/a", "u/b"), "b.jsonl", "reddit", "30d", "2024", 5, 0.5, "http://x", resume=True, force=True),
    ]


def test_what_is_said_and_what_is_printed(server: FakeArcticShift, tmp_path: Path, capsys: Output) -> None:
    output = tmp_path / "a.jsonl"
    assert run_fetch(server, output, "r/askscience", "--json") == ExitStatus.OK
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert list(document) == ["fetched", "pages", "retries", "first", "last", "complete"]
    assert (document["fetched"], document["complete"]) == (150, True)
    assert "fetching r/askscience from Arctic Shift, from the beginning to 20" in err
    assert "at most 1000 requests per second" in err
    assert f"{output} contains 150 comments from r/askscience, 2020-09-13 12:26:" in err
    assert "the range is complete" in err
    assert f"gru clean {output} -o {tmp_path / 'a.csv'}" in err
    assert run_fetch(server, output, "--resume") == ExitStatus.OK
    out, err = capsys.readouterr()
    assert out == ""
    assert "already complete" in err


def test_quiet_is_quiet(server: FakeArcticShift, tmp_path: Path, capsys: Output) -> None:
    assert run_fetch(server, tmp_path / "a.jsonl", "r/askscience", "-q") == 0
    assert capsys.readouterr() == ("", "")


def test_a_service_that_refuses(server: FakeArcticShift, tmp_path: Path, capsys: Output) -> None:
    server.faults = [None, "refused"]
    assert run_fetch(server, tmp_path / "a.jsonl", "r/askscience", "--json") == ExitStatus.SERVICE
    out, err = capsys.readouterr()
    assert 90 < json.loads(out)["fetched"] <= 100
    assert json.loads(out)["complete"] is False
    assert "\x1b" not in err
    assert "comments saved in" in err.splitlines()[-2]
    assert "--resume" in err.splitlines()[-1]


def test_nobody_of_this_name(server: FakeArcticShift, tmp_path: Path, capsys: Output) -> None:
    assert run_fetch(server, tmp_path / "a.jsonl", "r/nobody", "--json") == ExitStatus.NO_DATA
    assert json.loads(capsys.readouterr().out)["fetched"] == 0


@pytest.mark.parametrize("words", [[], ["askscience"], ["r/a", "--limit", "0"], ["r/a", "--after", "soon"]])
def test_a_command_line_that_cannot_be_meant(
    server: FakeArcticShift, tmp_path: Path, capsys: Output, words: list[str]
) -> None:
    assert run_fetch(server, tmp_path / "a.jsonl", *words, "--json") == ExitStatus.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2


def test_an_output_is_asked_for_as_it_is_typed(capsys: Output) -> None:
    assert main(["fetch", "r/askscience"]) == ExitStatus.USAGE
    assert capsys.readouterr().err.startswith("gru: fetch needs -o FILE\n")


def test_a_folder_that_is_not_there_is_not_made(server: FakeArcticShift, tmp_path: Path, capsys: Output) -> None:
    assert run_fetch(server, tmp_path / "typo" / "a.jsonl", "r/a") == ExitStatus.USAGE
    assert capsys.readouterr().err.splitlines()[0] == f"gru: no such directory: '{tmp_path / 'typo'}'"
    assert not (tmp_path / "typo").exists()


def test_ctrl_c(server: FakeArcticShift, tmp_path: Path, capsys: Output) -> None:
    server.on_request = lambda number: signal.raise_signal(signal.SIGINT) if number == 2 else None
    assert run_fetch(server, tmp_path / "a.jsonl", "r/askscience", "--json") == ExitStatus.SIGINT
    out, err = capsys.readouterr()
    assert 90 < json.loads(out)["fetched"] <= 100
    assert "stopped by Ctrl-C" in err
    assert run_fetch(server, tmp_path / "a.jsonl", "--resume") == ExitStatus.OK
    assert len((tmp_path / "a.jsonl").read_bytes().splitlines()) == 150


def test_ctrl_c_tells_what_is_saved_whenever_it_comes(
    server: FakeArcticShift, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While an earlier run's record is read, while whole pages are left behind, and while the bar is taken back."""
    output = tmp_path / "a.jsonl"
    assert run_fetch(server, output, "r/askscience", "--limit", "100") == ExitStatus.OK

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    for moment in (
        "grucli.reddit.fetch.run.remove_stale_temporaries",
        "grucli.reddit.fetch.output._truncate",
        _HIDE_BAR,
    ):
        with monkeypatch.context() as patch:
            patch.setattr(moment, interrupt)
            assert run_fetch(server, output, "--resume", "--limit", "100") == ExitStatus.SIGINT
        said, todo = capsys.readouterr().err.splitlines()[-2:]
        assert said == f"gru: stopped by Ctrl-C; 100 comments saved in '{output}'"
        assert todo.strip().startswith(f"resume:  gru fetch -o {output} --resume")


def test_a_table_of_the_settings_may_hold_the_rate(
    server: FakeArcticShift, tmp_path: Path, home: Path, capsys: Output
) -> None:
    home.mkdir()
    (home / "config.toml").write_text("[fetch]\nrate = 0\n")
    assert (
        main(["fetch", "r/askscience", "-o", str(tmp_path / "a.jsonl"), "--base-url", server.url]) == ExitStatus.USAGE
    )
    assert "--rate" in capsys.readouterr().err
