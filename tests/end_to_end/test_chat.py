"""`gru chat` in a real pseudo-terminal, as a person uses it, and in a pipe, as a script does."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from grucli.model.config import Sizes, parameter_shapes
from grucli.model.store import BEST, model_folder
from grucli.model.weights import Card, Weights, save_weights
from grucli.paths import data_dir
from grucli.text.tokenizers import learn
from tests.end_to_end.pty_session import PATIENCE, Person, PersonWithAShell

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")


@pytest.fixture(scope="module")
def models() -> None:
    """Two models that have learnt nothing and say a lot: `emo` takes turns, `bard` continues."""
    tokenizer = learn("char", iter(["abcdefghijklmnopqrstuvwxyz " * 2]))
    sizes = Sizes("gru", tokenizer.size, 4, 8, 1)
    random = np.random.default_rng(0)
    arrays = {name: random.standard_normal(shape).astype(np.float32) for name, shape in parameter_shapes(sizes).items()}
    arrays["out.b"][:3] = -50  # it never ends by itself
    for name, conversations in (("emo", True), ("bard", False)):
        save_weights(model_folder(name) / BEST, Weights(sizes, tokenizer, arrays, Card(conversations=conversations)))


class Chat(Person):
    """A person who talks with a model."""

    def __init__(self, *options: str, width: int = 80, height: int = 30) -> None:
        super().__init__("chat", *options, width=width, height=height)

    def ready(self) -> None:
        """Wait for an empty line with its footer."""
        self.see(lambda text: text.rstrip().endswith("/help") and "or /help" in text)


@pytest.fixture
def chat(models: None, request: pytest.FixtureRequest) -> Iterator[Callable[..., Chat]]:
    opened: list[Chat] = []

    def open_chat(*options: str, **size: int) -> Chat:
        opened.append(Chat(*options, **size))
        opened[-1].ready()
        return opened[-1]

    yield open_chat
    for one in opened:
        one.child.close(force=True)


def test_type_stream_regenerate_and_leave(chat: Callable[..., Chat]) -> None:
    person = chat("emo", "--seed", "42", "--pace", "0", "--max-chars", "60")
    person.see(lambda text: "emo takes turns" in text)
    person.type("hello\r")
    first = person.see(lambda text: "seed 42 · 60 characters" in text).splitlines()
    assert "› hello" in first
    reply = first[first.index("› hello") + 1]
    assert len(reply) >= 50
    person.ready()
    person.type("/regen\r")
    person.see(lambda text: "seed 43 · 60 characters" in text)
    person.ready()
    person.type("/seed 42\r")
    person.see(lambda text: "/seed: 42" in text)
    person.type("/regen\r")
    again = person.see(lambda text: text.count("seed 42 · 60 characters") == 2)
    assert again.count(reply) == 2
    person.type("/quit\r")
    assert person.end() == 0


def test_ctrl_c_stops_a_reply_and_enter_goes_on(chat: Callable[..., Chat]) -> None:
    person = chat("emo", "--seed", "1", "--pace", "25", "--max-chars", "100000")
    person.type("hello\r")
    live = person.see(lambda text: "/100000" in text and "chars/s" in text and len(text.splitlines()[4]) > 5)
    assert "━" in live or "─" in live
    person.type("\x03")
    stopped = person.see(lambda text: "stopped: Enter alone goes on" in text)
    assert "/100000" not in stopped
    person.ready()
    person.type("\x03")
    told = person.see(lambda text: "Ctrl-D leaves" in text.split("stopped:")[-1])
    assert "or /help" not in told.split("stopped:")[-1].split("Ctrl-D leaves")[0]
    person.ready()
    person.type("not said\x03")
    person.ready()
    person.type("\r")
    person.see(lambda text: "chars/s · seed 2" in text)
    person.type("\x03\x03\x03\x03")
    person.see(lambda text: text.count("stopped: Enter alone goes on") == 2)
    person.ready()
    person.type("\x04")
    assert person.end() == 0


def test_a_resize_while_it_streams(chat: Callable[..., Chat]) -> None:
    person = chat("bard", "--seed", "1", "--pace", "150", "--max-chars", "100000", width=100)
    person.type("once\r")
    person.see(lambda text: "/100000" in text)
    for width, height in ((40, 20), (20, 10), (200, 50)):
        person.resize(width, height)
        person.see(lambda text: "/100000" in text and text.count("/100000") == 1)
    person.type("\x03")
    person.see(lambda text: "stopped: Enter alone goes on" in text)
    person.ready()
    person.type("/quit\r")
    assert person.end() == 0


def test_a_terminal_of_twenty_columns(chat: Callable[..., Chat]) -> None:
    person = Chat("emo", "--seed", "1", "--pace", "0", "--max-chars", "40", width=20)
    person.see(lambda text: "emo · seed 1" in text)
    person.type("hi\r/help\r")
    person.see(lambda text: "/quit leaves" in text and "emo · seed 2" in text)
    person.type("\x04")
    assert person.end() == 0


def test_what_is_typed_meanwhile_waits_for_the_next_line(chat: Callable[..., Chat]) -> None:
    person = chat("emo", "--seed", "1", "--pace", "60", "--max-chars", "100")
    person.type("hello\r")
    person.see(lambda text: "/100 ·" in text)
    person.type("early bird")
    person.see(lambda text: "seed 1 · 100 characters" in text and text.count("early bird") == 1)
    person.type("\r")
    person.see(lambda text: "seed 2 · 100 characters" in text)
    person.type("\x04")
    assert person.end() == 0


def test_mistakes_tab_paste_and_another_model(chat: Callable[..., Chat]) -> None:
    person = chat("emo", "--seed", "1", "--pace", "0", "--max-chars", "30")
    person.type("/tmep 1\r")
    person.see(lambda text: "did you mean /temp?" in text)
    person.type("/temp -1\r")
    person.see(lambda text: "/temp is -1" in text and "a number from 0 to 100" in text)
    person.type("/mod")
    person.see(lambda text: "talk with another model" in text)
    person.type("\tbard\r")
    person.type("\x15/model bard\r")
    person.see(lambda text: "bard goes on where your line ends" in text and "bard · seed" in text)
    person.type("\x1b[200~first\nsecond\x1b[201~")
    person.see(lambda text: "second" in text)
    person.type("\r")
    person.see(lambda text: "seed 1 · 30 characters" in text)
    person.type("\x07\x1b[31m\x1b[5;5R\x00\x0e☃\r")
    person.see(lambda text: "seed 2 · 30 characters" in text)
    person.type("\x04")
    assert person.end() == 0


def test_what_is_typed_before_it_is_ready_is_the_first_line(chat: Callable[..., Chat]) -> None:
    person = Chat("emo", "--seed", "1", "--pace", "0", "--max-chars", "30")
    person.see(lambda text: "getting ready" in text)
    person.type("early bird\r")
    text = person.see(lambda text: "seed 1 · 30 characters" in text)
    assert text.startswith("emo takes turns")
    assert "› early bird" in text
    person.type("\x04")
    assert person.end() == 0


def test_the_history_is_there_next_time(chat: Callable[..., Chat]) -> None:
    person = chat("emo", "--pace", "0", "--max-chars", "30", "--seed", "5")
    person.type("remember me\r")
    person.see(lambda text: "seed 5 · 30 characters" in text)
    person.type("\x04")
    assert person.end() == 0
    assert "+remember me" in (data_dir() / "chat_history").read_text("utf-8")
    person = chat("emo", "--pace", "0", "--max-chars", "30")
    person.type("\x1b[A")
    person.see(lambda text: "› remember me" in text)
    person.type("\x03")
    person.ready()
    person.type("\x04")
    assert person.end() == 0


def test_the_history_is_searched(chat: Callable[..., Chat]) -> None:
    person = chat("emo", "--pace", "0", "--max-chars", "30", "--seed", "5")
    person.type("hello there\r")
    person.see(lambda text: "seed 5 · 30 characters" in text)
    person.ready()
    person.type("\x12")
    person.see(lambda text: "I-search backward:" in text)
    person.type("\x03")
    person.ready()
    person.type("\x12hel")
    found = person.see(lambda text: "I-search backward: hel" in text and text.count("› hello there") == 2)
    assert "or /help" not in found
    person.type("\r")
    person.see(lambda text: "seed 6 · 30 characters" in text)
    person.ready()
    person.type("\x1b[200~evil\u202eabc\x1b[201~\r")
    person.see(lambda text: "› evil<202e>abc" in text and "seed 7 · 30 characters" in text)
    person.type("\x04")
    assert person.end() == 0


def test_a_search_begins_with_nothing_and_leaves_nothing(chat: Callable[..., Chat]) -> None:
    person = chat("emo", "--pace", "0", "--max-chars", "30", "--seed", "5")
    for number, keys in ((5, "third\r"), (6, "\x12thi")):
        person.type(keys)
        if number == 6:
            person.see(lambda text: "I-search backward: thi" in text and text.count("› third") == 2)
            person.type("\r")
        person.see(lambda text: f"seed {number} · 30 characters" in text)  # noqa: B023
        person.ready()
    person.type("\x12")
    person.see(lambda text: "I-search backward:" in text)
    person.type("\x1b")
    person.ready()
    person.type("abc")
    text = person.see(lambda text: "› abc" in text)
    typed, footer = text.rstrip().splitlines()[-2:]
    assert typed == "› abc"
    assert footer.startswith("emo · seed 7")
    person.type("\x15\x12nowhere")
    person.see(lambda text: "I-search backward: nowhere · not found" in text)
    person.type("\x15thi")
    person.see(lambda text: "I-search backward: thi\n" in text and text.count("› third") == 3)
    person.type("\x07")
    person.ready()
    typed, footer = person.see(lambda text: "or /help" in text).rstrip().splitlines()[-2:]
    assert typed.startswith("› say something")
    assert footer.startswith("emo · seed 7")
    person.type("\x04")
    assert person.end() == 0


@pytest.mark.usefixtures("models")
def test_ctrl_z_leaves_the_terminal_to_the_shell_and_comes_back() -> None:
    person = PersonWithAShell("chat", "emo", "--seed", "1", "--pace", "40", "--max-chars", "100000")
    person.see(lambda text: "or /help" in text)
    person.type("half a\x1a")
    stopped = person.see(lambda text: "[1]+ Stopped" in text)
    assert "seed 1" not in stopped
    person.type("\r")
    person.see(lambda text: "› half a" in text.split("Stopped")[-1] and text.rstrip().endswith("/help"))
    person.type(" line\r")
    live = person.see(lambda text: "/100000" in text and len(text.rstrip().splitlines()[-2]) > 20)
    person.type("\x1a")
    stopped = person.see(lambda text: text.count("[1]+ Stopped") == 2)
    assert "/100000" not in stopped
    assert stopped.rstrip().splitlines()[-1] == "[1]+ Stopped"
    assert not person.screen.cursor.hidden
    person.type("x\r")
    person.see(lambda text: live.rstrip().splitlines()[-2] in text.split("Stoppedx")[-1] and text.count("/100000") == 1)
    person.type("\x03")
    person.see(lambda text: "stopped: Enter alone goes on" in text and text.rstrip().endswith("/help"))
    person.type("\x04")
    assert person.end() == 0


def test_going_back_and_saying_something_else(chat: Callable[..., Chat]) -> None:
    person = chat("emo", "--seed", "1", "--pace", "0", "--max-chars", "20", height=50)
    for number, line in enumerate(("one", "two"), 1):
        person.type(f"{line}\r")
        person.see(lambda text: text.count("20 characters") == number)  # noqa: B023
        person.ready()
    person.type("/undo\r")
    person.see(lambda text: "back at turn 1: one" in text)
    person.ready()
    person.type("/fork other\r")
    person.see(lambda text: "the branch other" in text)
    person.ready()
    person.type("three\r")
    person.see(lambda text: "seed 3 · 20 characters" in text)
    person.ready()
    person.type("/tree\r")
    drawn = person.see(lambda text: "[other]" in text).split("/tree\n")[-1].splitlines()
    assert [row[:8] for row in drawn[:3]] == ["1 one → ", "├─ 2 two", "└─ 3 ● t"]
    person.ready()
    person.type("/rewind main\r")
    person.see(lambda text: "back at turn" in text.split("/rewind main")[-1])
    person.type("\x04")
    assert person.end() == 0


def test_replies_stream_side_by_side_and_one_is_picked(chat: Callable[..., Chat]) -> None:
    person = chat("emo", "--seed", "1", "--pace", "40", "--max-chars", "100000", width=100, height=40)
    person.type("/spread 0.3 0.8 1.2 hello\r")
    live = person.see(lambda text: text.count("/100000") == 3)
    titles = next(row for row in live.splitlines() if "temp 0.3" in row)
    assert titles.split("·")[0].strip() == "1"
    assert "2 · temp 0.8" in titles
    assert "3 · temp 1.2" in titles
    for width in (70, 120):
        person.resize(width, 40)
        person.see(lambda text: text.count("/100000") >= 2)
    person.type("\x03")
    person.see(lambda text: "/pick N" in text and "/100000" not in text)
    person.ready()
    person.type("/pick 2\r")
    person.see(lambda text: "stopped: Enter alone goes on" in text)
    person.ready()
    person.type("/quit\r")
    assert person.end() == 0


@pytest.mark.parametrize("width", [20, 40])
def test_columns_are_stacked_on_a_narrow_terminal(chat: Callable[..., Chat], width: int) -> None:
    person = Chat("emo", "--seed", "1", "--pace", "0", "--max-chars", "30", width=width, height=150)
    person.see(lambda text: "emo · seed 1" in text)
    person.type("/spread 0.3 0.8 hi\r/score what\r/gates what\r/peek what\r/best 2 what\r/tree\r")
    rows = person.see(lambda text: "nothing was said" in text and "emo · seed 4" in text).splitlines()
    first, second = (next(i for i, row in enumerate(rows) if row.startswith(f"{n} · temp")) for n in (1, 2))
    assert second - first >= 4
    person.type("\x04")
    assert person.end() == 0


def test_the_line_that_cmd_prints_gives_the_reply_again(chat: Callable[..., Chat]) -> None:
    person = chat("emo", "--seed", "11", "--pace", "0", "--max-chars", "60", width=200)
    for line in ("hello there", "and 'so' on"):
        person.type(f"{line}\r")
        person.see(lambda text: text.count("60 characters") == (1 if line == "hello there" else 2))  # noqa: B023
        person.ready()
    person.type("/cmd\r")
    seen = person.see(lambda text: "gru sample emo" in text).splitlines()
    command = next(row for row in seen if row.startswith("gru sample"))
    footer = next(i for i, row in enumerate(seen) if "seed 12 · 60 characters" in row)
    person.type("\x04")
    assert person.end() == 0
    done = subprocess.run(
        ["bash", "-c", command.replace("gru ", f"{sys.executable} -m grucli ", 1)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().rstrip() == seen[footer - 1].rstrip()
    assert len(done.stdout.strip()) >= 40


def test_without_colours_there_are_marks(chat: Callable[..., Chat], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    person = chat("emo", "--pace", "0")
    person.type("/score abc xyz\r")
    text = person.see(lambda text: "rarer" in text)
    assert any(mark in text for mark in "▂▄▆█")
    assert "▄ 1 in 100" in text
    person.type("\x04")
    assert person.end() == 0


def test_a_terminal_that_goes_away_leaves_no_process(chat: Callable[..., Chat]) -> None:
    person = chat("emo", "--pace", "20", "--max-chars", "100000")
    person.type("hello\r")
    person.see(lambda text: "/100000" in text)
    person.child.close(force=False)  # which would raise
    assert not person.child.isalive()


def piped(text: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "grucli", "chat", *options]
    return subprocess.run(command, input=text, capture_output=True, timeout=PATIENCE, check=False)


@pytest.mark.usefixtures("models")
def test_a_pipe_has_one_reply_a_line_and_is_the_same_each_time() -> None:
    text = b"hello\n\nsame again\n"
    done = piped(text, "emo", "--seed", "5", "--max-chars", "50")
    assert done.returncode == 0
    assert done.stderr == b""
    assert done.stdout.count(b"\n") == 3
    assert b"\x1b" not in done.stdout
    assert piped(text, "emo", "--seed", "5", "--max-chars", "50").stdout == done.stdout


@pytest.mark.usefixtures("models")
def test_a_prompt_of_a_megabyte_and_of_anything() -> None:
    text = b"x" * 1_000_000 + b"\n" + bytes(range(256)).replace(b"\n", b"") + b"\n" + "☃😀漢\n".encode()
    done = piped(text, "bard", "--max-chars", "50")
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
    done = piped(b"hello\n", *options)
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
        [sys.executable, "-c", script], input=b"hi\n", capture_output=True, check=False, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, b"")
