"""`gru chat` in a pipe, with models that know little: its options, what they refuse, and the line of `/cmd`."""

import io
import json
import os
import shlex
import stat
import sys
import threading
from pathlib import Path

import pytest

from grucli.__main__ import main
from grucli.errors import ExitStatus
from grucli.model.weights import ModelCard
from grucli.ui.terminal.startup_message import COMPILING_MESSAGE
from tests.model.factories import add_model

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRU_HOME", str(tmp_path))
    add_model("emo", modified=1e9)
    add_model("talk", modified=2e9, card=ModelCard(conversations=True))


def run_chat(monkeypatch: pytest.MonkeyPatch, capsys: Output, lines: str, *options: str) -> tuple[str, str]:
    """Give stdout and stderr of a chat in which `lines` were said, without what is said of kernels not cached yet."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    assert main(["chat", "--commands", "--max-chars", "20", *options]) == 0
    out, err = capsys.readouterr()
    return out, err.replace(f"{COMPILING_MESSAGE}\n", "")


def run_chat_json(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, lines: str, *options: str
) -> list[dict[str, object]]:
    out, err = run_chat(monkeypatch, capsys, lines, "--json", *options)
    assert err == ""
    return [json.loads(line) for line in out.splitlines()]


def usage_error(capsys: Output, *options: str) -> str:
    assert main(["chat", *options]) == ExitStatus.USAGE
    err = capsys.readouterr().err
    assert err.count("\n") == 2
    return err


def test_a_line_in_a_line_out(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    out, err = run_chat(monkeypatch, capsys, "hello\nthere\n", "--seed", "3")
    assert err == ""
    assert len(out.splitlines()) == 2
    assert run_chat(monkeypatch, capsys, "hello\nthere\n", "--seed", "3")[0] == out


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_file_of_phrases_may_be_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path) -> None:
    run_chat(monkeypatch, capsys, "hello\n/save trip\n")
    pipe = tmp_path / "phrases"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("foo\n",))
    writer.start()
    _, err = run_chat(monkeypatch, capsys, "/set block\n", "--continue", "--block", str(pipe))
    writer.join()
    assert "'foo'" in err


def test_a_session_is_kept_and_gone_on_with(monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path) -> None:
    first = run_chat_json(monkeypatch, capsys, "hello\nthere\n/save trip\n", "--seed", "3", "--temp", "1.5")[:2]
    (file,) = (tmp_path / "sessions").iterdir()
    assert file.suffix == ".jsonl"
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    second = run_chat_json(monkeypatch, capsys, "/history\n/temp\nhole\n", "--continue")
    (again,) = (tmp_path / "sessions").iterdir()
    assert again == file
    assert [turn["reply"] for turn in second[0]["turns"]] == [each["reply"] for each in first]  # type: ignore[attr-defined]
    assert str(second[1]["text"]).startswith("/temp 1.5")
    assert (second[2]["turn"], second[2]["seed"]) == (3, 5)
    whole = run_chat_json(monkeypatch, capsys, "hello\nthere\nhole\n", "--seed", "3", "--temp", "1.5")
    assert whole[2] == second[2]


def test_a_pipe_leaves_no_session_that_nobody_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    run_chat(monkeypatch, capsys, "hello\nthere\n")
    assert list(tmp_path.rglob("*.jsonl")) == []


def test_in_a_pipe_lines_are_messages(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"/quit\n\n/save x\n/u/me said so\n")))
    assert main(["chat", "--max-chars", "5"]) == 0
    assert capsys.readouterr().out.count("\n") == 4


def test_a_command_that_fails_in_a_pipe_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"/save a/b\nhello\n")))
    assert main(["chat", "--commands", "--max-chars", "5"]) == ExitStatus.FAILED
    out, err = capsys.readouterr()
    assert (out.count("\n"), err.count("gru: ")) == (1, 1)


@pytest.mark.parametrize("how", ["option", "variable", "config"])
def test_a_private_chat_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path, how: str
) -> None:
    if how == "variable":
        monkeypatch.setenv("GRU_PRIVATE", "1")
    elif how == "config":
        (tmp_path / "config.toml").write_text("[chat]\nprivate = true\n")
    options = ["--private"] if how == "option" else []
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"hello\n/save trip\n")))
    assert main(["chat", "--commands", "--max-chars", "5", *options]) == ExitStatus.FAILED
    assert "this chat is private" in capsys.readouterr().err
    assert not (tmp_path / "sessions").exists()
    assert "both --continue and --private" in usage_error(capsys, "--continue", *options)


def test_what_is_asked_for_wins_over_the_session(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    run_chat(monkeypatch, capsys, "/save trip\nhello\n", "--temp", "1.5", "--top-k", "3")
    reported = run_chat_json(monkeypatch, capsys, "/temp\n/top-k\n", "--continue", "--temp", "0.1")
    assert [str(each["text"]).split(" · ")[0] for each in reported] == ["/temp 0.1", "/top-k 3"]


def test_what_is_wrong_with_a_session_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    run_chat(monkeypatch, capsys, "/save trip\nhello\n")
    with (tmp_path / "sessions" / "trip.jsonl").open("a") as file:
        file.write("?\n?\n")
    assert "is corrupt at line 4" in run_chat(monkeypatch, capsys, "", "--continue")[1]


def test_nothing_to_go_on_with(capsys: Output) -> None:
    assert "no session to resume" in usage_error(capsys, "--continue")


def test_a_session_whose_model_is_gone_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    run_chat(monkeypatch, capsys, "/save trip\nhello\n", "talk")
    (tmp_path / "models" / "talk").rename(tmp_path / "models" / "speaker")
    assert "'talk'" in usage_error(capsys, "--continue")
    reported = run_chat(monkeypatch, capsys, "hello\n", "speaker", "--continue")[1]
    assert reported == "the model of this session is missing: continuing with speaker\n"


def test_an_opening_sets_the_scene(monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path) -> None:
    preamble = tmp_path / "scene.txt"
    preamble.write_text("hello\n\nthere\n")
    run_chat_json(monkeypatch, capsys, "o\n", "--seed", "3")
    with_scene = run_chat_json(monkeypatch, capsys, "o\n/cmd\n", "--seed", "3", "--opening", str(preamble))
    assert "--reply-to hello --reply-to there --reply-to o --temp" in str(with_scene[-1]["text"])
    written = run_chat_json(monkeypatch, capsys, "o\n/cmd\n", "emo", "--opening", str(preamble))
    assert r"--prompt 'hello\n\nthere\no' --temp" in str(written[-1]["text"])


@pytest.mark.parametrize(
    ("content", "what"), [(b"\x81\x8d", "is not UTF-8 text"), (b"x" * ((1 << 22) + 1), "is too large")]
)
def test_an_opening_that_is_none(capsys: Output, tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "scene.txt").write_bytes(content)
    assert what in usage_error(capsys, "--opening", str(tmp_path / "scene.txt"))
    assert main(["chat", "--opening", str(tmp_path / "none.txt")]) != 0
    assert "none.txt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--relevance", "2"], "--relevance is 2"),
        (["--mirostat", "-1"], "--mirostat is -1"),
        (["--stop", ""], "--stop"),
        (["--beam", "-1"], "--beam is -1"),
        (["nobody"], "there is no model 'nobody'"),
    ],
)
def test_values_that_cannot_be_name_what_can(capsys: Output, words: list[str], what: str) -> None:
    assert what in usage_error(capsys, *words)


def test_blocked_letters_are_never_said(monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path) -> None:
    (tmp_path / "block.txt").write_text("o*\nh*\n")
    replies = run_chat_json(
        monkeypatch, capsys, "hello\n" * 5, "--block", str(tmp_path / "block.txt"), "--stop", "t", "--temp", "2"
    )
    words = " ".join(str(each["reply"]) for each in replies).replace(",", " ").split()
    assert not [word for word in words if word.startswith(("o", "h"))]
    assert not any("t" in word for word in words)


def texts_of_type(replies: list[dict[str, object]], event_type: str) -> list[str]:
    return [
        str(event["text" if event_type == "command" else "reply"]) for event in replies if event["type"] == event_type
    ]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["talk", "emo"])
@pytest.mark.parametrize(
    "ways", ["", "/relevance 0.3", "/mirostat 2", r"/stop lo", "/beam 3", "/block h*", "/repeat-penalty 1.3"]
)
def test_the_line_of_cmd_gives_the_reply_again(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, model: str, ways: str
) -> None:
    picked = "/regen" if "beam" in ways else "/spread 1.5 0.9\n/pick 1"
    lines = f"{ways}\nhello\n/cmd\nthere\n/cmd\n/regen\n/cmd\n{picked}\n/cmd\n\n/cmd\n".lstrip("\n")
    said = run_chat_json(monkeypatch, capsys, lines, model, "--seed", "3", "--temp", "1.2")
    replies, commands = texts_of_type(said, "reply"), texts_of_type(said, "command")
    assert len(replies) == len(commands) == 5
    assert "another reply" not in str(said)
    for reply, command in zip(replies, commands, strict=True):
        assert main([*shlex.split(command)[1:], "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["text"] == reply
