"""`gru chat` in a real pseudo-terminal, as a person uses it, and in a pipe, as a script does."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from grucli.model.config import ModelConfig, parameter_shapes
from grucli.model.store import BEST, model_dir
from grucli.model.weights import ModelCard, SavedModel, load_weights, parameters_sha256, save_weights
from grucli.paths import data_dir
from grucli.text.tokenizers import train
from tests.end_to_end.pty_session import TIMEOUT, PtySession, ShellPtySession

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind"),
]


@pytest.fixture(scope="module")
def models() -> None:
    """Two models that have learnt nothing and say a lot: `emo` takes turns, `bard` continues."""
    tokenizer = train("char", iter(["abcdefghijklmnopqrstuvwxyz " * 2]))
    config = ModelConfig("gru", tokenizer.vocab_size, 4, 8, 1)
    random = np.random.default_rng(0)
    arrays = {
        name: random.standard_normal(shape).astype(np.float32) for name, shape in parameter_shapes(config).items()
    }
    arrays["out.b"][:3] = -50  # it never ends by itself
    for name, conversations in (("emo", True), ("bard", False)):
        save_weights(
            model_dir(name) / BEST, SavedModel(config, tokenizer, arrays, ModelCard(conversations=conversations))
        )


class ChatPtySession(PtySession):
    """A person who talks with a model."""

    def __init__(self, *options: str, width: int = 80, height: int = 30) -> None:
        super().__init__("chat", *options, width=width, height=height)

    def wait_until_ready(self) -> None:
        """Wait for an empty line with its footer."""
        self.wait_for(lambda text: text.rstrip().endswith("/help") and "or /help" in text)


class ShellCommandSession(PtySession):
    """A person who runs a line of a shell."""

    program = ("-c", "import subprocess, sys; sys.exit(subprocess.call(['sh', '-c', sys.argv[1]]))")


@pytest.fixture
def start_chat(models: None, request: pytest.FixtureRequest) -> Iterator[Callable[..., ChatPtySession]]:
    sessions: list[ChatPtySession] = []

    def open_chat(*options: str, **size: int) -> ChatPtySession:
        sessions.append(ChatPtySession(*options, **size))
        sessions[-1].wait_until_ready()
        return sessions[-1]

    yield open_chat
    for session in sessions:
        session.child.close(force=True)


def test_learn_while_talking_and_keep_it(start_chat: Callable[..., ChatPtySession]) -> None:
    session = start_chat("emo", "--learn", "--seed", "1", "--pace", "0", "--max-chars", "40")
    session.wait_for(lambda text: "emo · learning · seed 1" in text)
    for turn in (1, 2):
        session.send("hello there\r")
        session.wait_for(lambda text, turn=turn: text.count("40 characters") == turn)  # type: ignore[misc]
    session.wait_for(lambda text: "emo · learning, " in text and "bits/char better · seed 3" in text)
    session.send("/keep talker\r")
    session.wait_for(lambda text: "saved what was learned as model talker" in text)
    session.send("/forget\r")
    session.wait_for(lambda text: "nothing new was learned" in text)
    session.send("/quit\r")
    assert session.wait_for_exit() == 0
    own, kept = (load_weights(model_dir(name) / BEST) for name in ("emo", "talker"))
    changed = [name for name, array in own.arrays.items() if not np.array_equal(array, kept.arrays[name])]
    assert changed == ["out.W", "out.b"]
    assert kept.card.origin is not None
    assert (kept.card.origin.model, kept.card.origin.parameters_sha256) == ("emo", parameters_sha256(own.arrays))


def test_type_stream_regenerate_and_leave(start_chat: Callable[..., ChatPtySession]) -> None:
    session = start_chat("emo", "--seed", "42", "--pace", "0", "--max-chars", "60")
    session.wait_for(lambda text: "emo takes turns" in text)
    session.send("hello\r")
    first = session.wait_for(lambda text: "seed 42 · 60 characters" in text).splitlines()
    assert "› hello" in first
    reply = first[first.index("› hello") + 1]
    assert len(reply) >= 50
    session.wait_until_ready()
    session.send("/regen\r")
    session.wait_for(lambda text: "seed 43 · 60 characters" in text)
    session.wait_until_ready()
    session.send("/seed 42\r")
    session.wait_for(lambda text: "/seed: 42" in text)
    session.send("/regen\r")
    again = session.wait_for(lambda text: text.count("seed 42 · 60 characters") == 2)
    assert again.count(reply) == 2
    session.send("/quit\r")
    assert session.wait_for_exit() == 0


def test_ctrl_c_stops_a_reply_and_enter_goes_on(start_chat: Callable[..., ChatPtySession]) -> None:
    session = start_chat("emo", "--seed", "1", "--pace", "25", "--max-chars", "100000")
    session.send("hello\r")
    live = session.wait_for(lambda text: "/100000" in text and "chars/s" in text and len(text.splitlines()[4]) > 5)
    assert "━" in live or "─" in live
    session.send("\x03")
    stopped = session.wait_for(lambda text: "stopped; Enter continues" in text)
    assert "/100000" not in stopped
    session.wait_until_ready()
    session.send("\x03")
    reported = session.wait_for(lambda text: "press Ctrl-D" in text.split("stopped;")[-1])
    assert "or /help" not in reported.split("stopped;")[-1].split("press Ctrl-D")[0]
    session.wait_until_ready()
    session.send("not said\x03")
    session.wait_until_ready()
    session.send("\r")
    session.wait_for(lambda text: "chars/s · seed 2" in text)
    session.send("\x03\x03\x03\x03")
    session.wait_for(lambda text: text.count("stopped; Enter continues") == 2)
    session.wait_until_ready()
    session.send("\x04")
    assert session.wait_for_exit() == 0


def test_a_resize_while_it_streams(start_chat: Callable[..., ChatPtySession]) -> None:
    session = start_chat("bard", "--seed", "1", "--pace", "150", "--max-chars", "100000", width=100)
    session.send("once\r")
    session.wait_for(lambda text: "/100000" in text)
    for width, height in ((40, 20), (20, 10), (200, 50)):
        session.resize(width, height)
        session.wait_for(lambda text: "/100000" in text and text.count("/100000") == 1)
    session.send("\x03")
    session.wait_for(lambda text: "stopped; Enter continues" in text)
    session.wait_until_ready()
    session.send("/quit\r")
    assert session.wait_for_exit() == 0


def test_a_terminal_of_twenty_columns(start_chat: Callable[..., ChatPtySession]) -> None:
    session = ChatPtySession("emo", "--seed", "1", "--pace", "0", "--max-chars", "40", width=20)
    session.wait_for(lambda text: "emo · seed 1" in text)
    session.send("hi\r/help\r")
    session.wait_for(lambda text: "/quit leaves" in text and "emo · seed 2" in text)
    session.send("\x04")
    assert session.wait_for_exit() == 0


def test_what_is_typed_meanwhile_waits_for_the_next_line(start_chat: Callable[..., ChatPtySession]) -> None:
    session = start_chat("emo", "--seed", "1", "--pace", "60", "--max-chars", "100")
    session.send("hello\r")
    session.wait_for(lambda text: "/100 ·" in text)
    session.send("early bird")
    session.wait_for(lambda text: "seed 1 · 100 characters" in text and text.count("early bird") == 1)
    session.send("\r")
    session.wait_for(lambda text: "seed 2 · 100 characters" in text)
    session.send("\x04")
    assert session.wait_for_exit() == 0


def test_mistakes_tab_paste_and_another_model(start_chat: Callable[..., ChatPtySession]) -> None:
    session = start_chat("emo", "--seed", "1", "--pace", "0", "--max-chars", "30")
    session.send("/tmep 1\r")
    session.wait_for(lambda text: "did you mean /temp?" in text)
    session.send("/temp -1\r")
    session.wait_for(lambda text: "/temp is -1" in text and "a number from 0 to 100" in text)
    session.send("/mod")
    session.wait_for(lambda text: "change the model" in text)
    session.send("\tbard\r")
    session.send("\x15/model bard\r")
    session.wait_for(lambda text: "bard continues your text" in text and "bard · seed" in text)
    session.send("\x1b[200~first\nsecond\x1b[201~")
    session.wait_for(lambda text: "second" in text)
    session.send("\r")
    session.wait_for(lambda text: "seed 1 · 30 characters" in text)
    session.send("\x07\x1b[31m\x1b[5;5R\x00\x0e☃\r")
    session.wait_for(lambda text: "seed 2 · 30 characters" in text)
    session.send("\x04")
    assert session.wait_for_exit() == 0


def test_what_is_typed_before_it_is_ready_is_the_first_line(start_chat: Callable[..., ChatPtySession]) -> None:
    session = ChatPtySession("emo", "--seed", "1", "--pace", "0", "--max-chars", "30")
    session.wait_for(lambda text: "loading..." in text)
    session.send("early bird\r")
    text = session.wait_for(lambda text: "seed 1 · 30 characters" in text)
    assert text.startswith("emo takes turns")
    assert "› early bird" in text
    session.send("\x04")
    assert session.wait_for_exit() == 0


def test_the_history_is_there_next_time(start_chat: Callable[..., ChatPtySession]) -> None:
    session = start_chat("emo", "--pace", "0", "--max-chars", "30", "--seed", "5")
    session.send("remember me\r")
    session.wait_for(lambda text: "seed 5 · 30 characters" in text)
    session.send("\x04")
    assert session.wait_for_exit() == 0
    assert "+remember me" in (data_dir() / "chat_history").read_text("utf-8")
    session = start_chat("emo", "--pace", "0", "--max-chars", "30")
    session.send("\x1b[A")
    session.wait_for(lambda text: "› remember me" in text)
    session.send("\x03")
    session.wait_until_ready()
    session.send("\x04")
    assert session.wait_for_exit() == 0


def test_the_history_is_searched(start_chat: Callable[..., ChatPtySession]) -> None:
    session = start_chat("emo", "--pace", "0", "--max-chars", "30", "--seed", "5")
    session.send("hello there\r")
    session.wait_for(lambda text: "seed 5 · 30 characters" in text)
    session.wait_until_ready()
    session.send("\x12")
    session.wait_for(lambda text: "I-search backward:" in text)
    session.send("\x03")
    session.wait_until_ready()
    session.send("\x12hel")
    result = session.wait_for(lambda text: "I-search backward: hel" in text and text.count("› hello there") == 2)
    assert "or /help" not in result
    session.send("\r")
    session.wait_for(lambda text: "seed 6 · 30 characters" in text)
    session.wait_until_ready()
    session.send("\x1b[200~evil\u202eabc\x1b[201~\r")
    session.wait_for(lambda text: "› evil<202e>abc" in text and "seed 7 · 30 characters" in text)
    session.send("\x04")
    assert session.wait_for_exit() == 0


def test_a_search_begins_with_nothing_and_leaves_nothing(start_chat: Callable[..., ChatPtySession]) -> None:
    session = start_chat("emo", "--pace", "0", "--max-chars", "30", "--seed", "5")
    for number, keys in ((5, "third\r"), (6, "\x12thi")):
        session.send(keys)
        if number == 6:
            session.wait_for(lambda text: "I-search backward: thi" in text and text.count("› third") == 2)
            session.send("\r")
        session.wait_for(lambda text: f"seed {number} · 30 characters" in text)  # noqa: B023
        session.wait_until_ready()
    session.send("\x12")
    session.wait_for(lambda text: "I-search backward:" in text)
    session.send("\x1b")
    session.wait_until_ready()
    session.send("abc")
    text = session.wait_for(lambda text: "› abc" in text)
    typed, footer = text.rstrip().splitlines()[-2:]
    assert typed == "› abc"
    assert footer.startswith("emo · seed 7")
    session.send("\x15\x12nowhere")
    session.wait_for(lambda text: "I-search backward: nowhere · not found" in text)
    session.send("\x15thi")
    session.wait_for(lambda text: "I-search backward: thi\n" in text and text.count("› third") == 3)
    session.send("\x07")
    session.wait_until_ready()
    typed, footer = session.wait_for(lambda text: "or /help" in text).rstrip().splitlines()[-2:]
    assert typed.startswith("› type a message")
    assert footer.startswith("emo · seed 7")
    session.send("\x04")
    assert session.wait_for_exit() == 0


@pytest.mark.usefixtures("models")
def test_ctrl_z_leaves_the_terminal_to_the_shell_and_comes_back() -> None:
    session = ShellPtySession("chat", "emo", "--seed", "1", "--pace", "40", "--max-chars", "100000")
    session.wait_for(lambda text: "or /help" in text)
    session.send("half a\x1a")
    stopped = session.wait_for(lambda text: "[1]+ Stopped" in text)
    assert "seed 1" not in stopped
    session.send("\r")
    session.wait_for(lambda text: "› half a" in text.split("Stopped")[-1] and text.rstrip().endswith("/help"))
    session.send(" line\r")
    live = session.wait_for(lambda text: "/100000" in text and len(text.rstrip().splitlines()[-2]) > 20)
    session.send("\x1a")
    stopped = session.wait_for(lambda text: text.count("[1]+ Stopped") == 2)
    assert "/100000" not in stopped
    assert stopped.rstrip().splitlines()[-1] == "[1]+ Stopped"
    assert not session.screen.cursor.hidden
    session.send("x\r")
    session.wait_for(
        lambda text: live.rstrip().splitlines()[-2] in text.split("Stoppedx")[-1] and text.count("/100000") == 1
    )
    session.send("\x03")
    session.wait_for(lambda text: "stopped; Enter continues" in text and text.rstrip().endswith("/help"))
    session.send("\x04")
    assert session.wait_for_exit() == 0


def test_a_paste_whose_end_is_lost_freezes_nothing(start_chat: Callable[..., ChatPtySession]) -> None:
    session = start_chat("emo", "--seed", "1", "--pace", "0", "--max-chars", "30")
    session.send("\x1b[200~first\rsecond")
    session.wait_for(lambda text: "› first\n  second" in text)
    session.send("\x03")
    session.wait_until_ready()
    session.send("\x1b[200~lost")
    session.send("\x03said\r")
    session.wait_for(lambda text: "› said" in text and "seed 1 · 30 characters" in text)
    session.wait_until_ready()
    session.send("\x1b[200~lost\x03\x04")
    assert session.wait_for_exit() == 0


@pytest.mark.parametrize("num_lines", [4, 400])
def test_ctrl_c_drops_the_lines_that_wait(start_chat: Callable[..., ChatPtySession], num_lines: int) -> None:
    session = start_chat("emo", "--seed", "1", "--pace", "60", "--max-chars", "100000")
    session.send("".join(f"line {number} of what was pasted\r" for number in range(num_lines)))
    session.wait_for(lambda text: "/100000" in text and "line 0" in text)
    session.send("\x03")
    session.wait_for(
        lambda text: f"{num_lines - 1} queued lines dropped" in text and "stopped; Enter continues" in text
    )
    session.wait_until_ready()
    session.send("\x04")
    assert session.wait_for_exit() == 0
    assert "line 1" not in "\n".join([*session.history, *session.screen.display])


@pytest.mark.usefixtures("models")
def test_replies_that_go_to_a_file_are_announced(tmp_path: Path) -> None:
    script = f'"{sys.executable}" -m grucli chat emo --seed 5 --max-chars 30 > "{tmp_path}/replies.txt"'
    session = ShellCommandSession(script, width=200)
    session.wait_for(lambda text: "replies.txt', one per line" in text and "or /help" in text)
    session.send("hello\r")
    session.wait_for(lambda text: "emo · seed 6" in text)
    session.send("/temp 2\r")
    session.wait_for(lambda text: "/temp: 2" in text and "temp 2 ·" in text)
    session.send("\x04")
    assert session.wait_for_exit() == 0
    assert (tmp_path / "replies.txt").read_bytes() == run_piped(
        b"hello\n", "emo", "--seed", "5", "--max-chars", "30"
    ).stdout


@pytest.mark.usefixtures("models")
@pytest.mark.skipif(shutil.which("tmux") is None, reason="no terminal that wraps rows again")
def test_a_narrower_window_has_the_prompt_once(tmp_path: Path) -> None:
    def tmux(*words: str) -> str:
        command = ["tmux", "-S", str(tmp_path / "socket"), "-f", os.devnull, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def wait_for(words: str) -> str:
        for _ in range(TIMEOUT * 10):
            text = tmux("capture-pane", "-p", "-S", "-")
            if words in text:
                return text
            time.sleep(0.1)
        raise AssertionError(text)

    chat = f"{sys.executable} -m grucli chat emo --seed 1 --private"
    tmux("new-session", "-d", "-x", "80", "-y", "24", f"seq 30; {chat}")
    try:
        wait_for("or /help")
        tmux("send-keys", "-l", "a line of 漢字 and words, " * 6 + "the end")
        wait_for("the end")
        for width in (40, 20, 100):
            tmux("resize-window", "-x", str(width), "-y", "24")
            time.sleep(1)
        text = wait_for("the end\nemo · seed 1 · temp 0.8 · private · /help")
    finally:
        tmux("kill-server")
    assert (text.count("›"), text.count("emo · seed")) == (1, 1)
    assert "30\nemo takes turns. Type a message and it replies.\nCtrl-C stops a reply" in text


def test_going_back_and_saying_something_else(start_chat: Callable[..., ChatPtySession]) -> None:
    session = start_chat("emo", "--seed", "1", "--pace", "0", "--max-chars", "20", height=50)
    for number, line in enumerate(("one", "two"), 1):
        session.send(f"{line}\r")
        session.wait_for(lambda text: text.count("20 characters") == number)  # noqa: B023
        session.wait_until_ready()
    session.send("/undo\r")
    session.wait_for(lambda text: "back at turn 1: one" in text)
    session.wait_until_ready()
    session.send("/fork other\r")
    session.wait_for(lambda text: "new branch 'other'" in text)
    session.wait_until_ready()
    session.send("three\r")
    session.wait_for(lambda text: "seed 3 · 20 characters" in text)
    session.wait_until_ready()
    session.send("/tree\r")
    generated = session.wait_for(lambda text: "[other]" in text).split("/tree\n")[-1].splitlines()
    assert [row[:8] for row in generated[:3]] == ["1 one → ", "├─ 2 two", "└─ 3 ● t"]
    session.wait_until_ready()
    session.send("/rewind main\r")
    session.wait_for(lambda text: "back at turn" in text.split("/rewind main")[-1])
    session.send("\x04")
    assert session.wait_for_exit() == 0


def test_replies_stream_side_by_side_and_one_is_picked(start_chat: Callable[..., ChatPtySession]) -> None:
    session = start_chat("emo", "--seed", "1", "--pace", "40", "--max-chars", "100000", width=100, height=40)
    session.send("/spread 0.3 0.8 1.2 hello\r")
    live = session.wait_for(lambda text: text.count("/100000") == 3)
    titles = next(row for row in live.splitlines() if "temp 0.3" in row)
    assert titles.split("·")[0].strip() == "1"
    assert "2 · temp 0.8" in titles
    assert "3 · temp 1.2" in titles
    for width in (70, 120):
        session.resize(width, 40)
        session.wait_for(lambda text: text.count("/100000") >= 2)
    session.send("\x03")
    session.wait_for(lambda text: "/pick N" in text and "/100000" not in text)
    session.wait_until_ready()
    session.send("/pick 2\r")
    session.wait_for(lambda text: "stopped; Enter continues" in text)
    session.wait_until_ready()
    session.send("/quit\r")
    assert session.wait_for_exit() == 0


@pytest.mark.parametrize("width", [20, 40])
def test_columns_are_stacked_on_a_narrow_terminal(start_chat: Callable[..., ChatPtySession], width: int) -> None:
    session = ChatPtySession("emo", "--seed", "1", "--pace", "0", "--max-chars", "30", width=width, height=150)
    session.wait_for(lambda text: "emo · seed 1" in text)
    session.send("/spread 0.3 0.8 hi\r/score what\r/gates what\r/peek what\r/best 2 what\r/tree\r")
    rows = session.wait_for(lambda text: "are no turns" in text and "emo · seed 4" in text).splitlines()
    first, second = (next(i for i, row in enumerate(rows) if row.startswith(f"{n} · temp")) for n in (1, 2))
    assert second - first >= 4
    session.send("\x04")
    assert session.wait_for_exit() == 0


def test_the_line_that_cmd_prints_gives_the_reply_again(start_chat: Callable[..., ChatPtySession]) -> None:
    session = start_chat("emo", "--seed", "11", "--pace", "0", "--max-chars", "60", width=200)
    for line in ("hello there", "and 'so' on"):
        session.send(f"{line}\r")
        session.wait_for(lambda text: text.count("60 characters") == (1 if line == "hello there" else 2))  # noqa: B023
        session.wait_until_ready()
    session.send("/cmd\r")
    seen = session.wait_for(lambda text: "gru sample emo" in text).splitlines()
    command = next(row for row in seen if row.startswith("gru sample"))
    footer = next(i for i, row in enumerate(seen) if "seed 12 · 60 characters" in row)
    session.send("\x04")
    assert session.wait_for_exit() == 0
    done = subprocess.run(
        ["bash", "-c", command.replace("gru ", f"{sys.executable} -m grucli ", 1)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().rstrip() == seen[footer - 1].rstrip()
    assert len(done.stdout.strip()) >= 40


def test_without_colors_there_are_marks(
    start_chat: Callable[..., ChatPtySession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    session = start_chat("emo", "--pace", "0")
    session.send("/score abc xyz\r")
    text = session.wait_for(lambda text: "rarer" in text)
    assert any(mark in text for mark in "▂▄▆█")
    assert "▄ 1 in 100" in text
    session.send("\x04")
    assert session.wait_for_exit() == 0


def test_a_terminal_that_goes_away_leaves_no_process(start_chat: Callable[..., ChatPtySession]) -> None:
    session = start_chat("emo", "--pace", "20", "--max-chars", "100000")
    session.send("hello\r")
    session.wait_for(lambda text: "/100000" in text)
    session.child.close(force=False)  # which would raise
    assert not session.child.isalive()


def run_piped(text: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "grucli", "chat", *options]
    return subprocess.run(command, input=text, capture_output=True, timeout=TIMEOUT, check=False)


@pytest.mark.usefixtures("models")
def test_a_pipe_has_one_reply_a_line_and_is_the_same_each_time() -> None:
    text = b"hello\n\nsame again\n"
    done = run_piped(text, "emo", "--seed", "5", "--max-chars", "50")
    assert done.returncode == 0
    assert done.stderr == b""
    assert done.stdout.count(b"\n") == 3
    assert b"\x1b" not in done.stdout
    assert run_piped(text, "emo", "--seed", "5", "--max-chars", "50").stdout == done.stdout


@pytest.mark.usefixtures("models")
def test_a_prompt_of_a_megabyte_and_of_anything() -> None:
    text = b"x" * 1_000_000 + b"\n" + bytes(range(256)).replace(b"\n", b"") + b"\n" + "☃😀漢\n".encode()
    done = run_piped(text, "bard", "--max-chars", "50")
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 3)


@pytest.mark.usefixtures("models")
def test_a_pipe_that_closes_ends_quietly() -> None:
    command = [sys.executable, "-m", "grucli", "chat", "emo", "--max-chars", "5000"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdin.write(b"hello\n")
        child.stdin.flush()
        assert child.stdout.readline()
        child.stdout.close()
        child.stdin.write(b"hello\n" * 50)
        child.stdin.close()
        assert child.stderr.read() == b""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("nobody",), b"there is no model 'nobody'"),
        (("emo", "--temp", "-1"), b"--temp"),
        (("emo", "--pace", "nan"), b"--pace"),
        (("emo", "--min-chars", "9", "--max-chars", "5"), b"--min-chars"),
    ],
)
@pytest.mark.usefixtures("models")
def test_what_cannot_be_is_refused_at_the_door(options: tuple[str, ...], said: bytes) -> None:
    done = run_piped(b"hello\n", *options)
    assert done.returncode == 2
    assert done.stdout == b""
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.usefixtures("models")
def test_a_pipe_loads_nothing_interactive(tmp_path: Path) -> None:
    script = (
        "import sys; from grucli.__main__ import main; status = main(['chat', 'emo', '--max-chars', '5']);"
        "assert 'prompt_toolkit' not in sys.modules; sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=b"hi\n", capture_output=True, check=False, timeout=TIMEOUT
    )
    assert (done.returncode, done.stderr) == (0, b"")
