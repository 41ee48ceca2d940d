"""Data and messages on their consoles, each a terminal or not on its own."""

import io
import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from grucli.errors import UsageError
from grucli.ui.terminal import console
from grucli.ui.terminal.console import Terminal, pad_for_word_wrap, supports_cursor_control
from tests.ui.emulator import TerminalEmulator
from tests.ui.fake_streams import CapturedTerminal, PipeStream, TtyStream

MARKUP = "[bold red]not markup[/] :smile: [link=https://x]"


@pytest.fixture(autouse=True)
def _color_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_data_is_written_as_it_is() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream(), width=20)
    captured.terminal.print_data(f"{MARKUP}\ttab  two spaces " + "long " * 30)
    assert captured.out == f"{MARKUP}\ttab  two spaces " + "long " * 30 + "\n"
    assert captured.err == ""


def test_data_that_would_steer_does_not() -> None:
    captured = CapturedTerminal(TtyStream(), TtyStream())
    captured.terminal.print_data("\x1b]0;title\x07\x1b[2Jhello\u202e", end="")
    assert captured.out == "]0;title[2Jhello"


@pytest.mark.parametrize("quiet", [0, 1, 2, 3])
def test_quiet_levels(quiet: int) -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream(), quiet=quiet)
    captured.terminal.info("a message")
    captured.terminal.warn("a warning")
    captured.terminal.print_error(UsageError("an error", "a way out"))
    captured.terminal.print_data("data")
    assert ("a message\n" in captured.err) == (quiet == 0)
    assert ("gru: a warning\n" in captured.err) == (quiet <= 1)
    assert captured.err.endswith("gru: an error\n     a way out\n")
    assert captured.out == "data\n"


def test_an_error_is_two_lines_whatever_it_quotes() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream(), width=20)
    captured.terminal.print_error(UsageError(f"no file called {MARKUP}\n\x1b[2J" + "x" * 50, "look\nagain"))
    assert captured.err == f"gru: no file called {MARKUP} [2J{'x' * 50}\n     look again\n"


def test_each_stream_is_asked_by_itself() -> None:
    to_file = CapturedTerminal(PipeStream(), TtyStream()).terminal
    assert (to_file.data.is_terminal, to_file.messages.is_terminal, to_file.live) == (False, True, True)
    log = CapturedTerminal(TtyStream(), PipeStream()).terminal
    assert (log.data.is_terminal, log.messages.is_terminal, log.live) == (True, False, False)


def test_a_pipe_has_no_escape_sequences_even_when_color_is_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    captured = CapturedTerminal(PipeStream(), PipeStream())
    captured.terminal.print_error(UsageError("wrong", "right"))
    captured.terminal.info("styled", "bold red")
    assert "\x1b" not in captured.err
    assert not supports_cursor_control(captured.terminal.messages)


def test_no_color_takes_the_color_out(monkeypatch: pytest.MonkeyPatch) -> None:
    colored = CapturedTerminal(PipeStream(), TtyStream())
    colored.terminal.info("message", "red")
    assert "\x1b[31m" in colored.err
    monkeypatch.setenv("NO_COLOR", "1")
    plain = CapturedTerminal(PipeStream(), TtyStream())
    plain.terminal.info("message", "red")
    assert plain.err == "message\n"
    assert plain.terminal.live


def test_a_dumb_terminal_is_never_drawn_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    captured = CapturedTerminal(TtyStream(), TtyStream())
    captured.terminal.info("message", "red")
    assert captured.err == "message\n"
    assert not captured.terminal.live


def test_quiet_draws_nothing_live() -> None:
    assert not CapturedTerminal(TtyStream(), TtyStream(), quiet=1).terminal.live


@dataclass
class _FakeResult:
    path: Path
    loss: float
    parts: tuple[float, ...]


def test_json_is_one_line_of_valid_json() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream(), width=20)
    captured.terminal.print_json(
        {"r": _FakeResult(Path("m") / "x", float("nan"), (1.5, float("inf"))), "text": "é\n\x9b\ud800"}
    )
    assert captured.out.count("\n") == 1
    assert "\x9b" not in captured.out
    assert json.loads(captured.out) == {
        "r": {"path": str(Path("m") / "x"), "loss": None, "parts": [1.5, None]},
        "text": "é\n\x9b\ud800",
    }


def test_a_stream_of_another_encoding_takes_everything() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    narrow = Terminal(stream, PipeStream())
    narrow.print_data("snow ☃")
    narrow.print_json({"snow": "☃"})
    first, second = raw.getvalue().decode("ascii").splitlines()
    assert first == "snow \\u2603"
    assert json.loads(second) == {"snow": "☃"}


def test_the_process_has_one_terminal_until_it_is_opened_anew(capsys: pytest.CaptureFixture[str]) -> None:
    first = console.open_terminal(quiet=1)
    assert console.terminal() is first
    second = console.open_terminal()
    assert console.terminal() is second
    second.print_data("out")
    second.info("err")
    assert capsys.readouterr() == ("out\n", "err\n")


# The emulator does not know what terminals do where half a wide character has room: words of them are short.
WORDS = st.lists(st.text("ab漢", max_size=4) | st.text("ab-/", max_size=25), min_size=1, max_size=12).map(" ".join)


@given(WORDS, st.integers(10, 40), st.integers(0, 12))
def test_a_terminal_breaks_lines_between_words_and_a_copy_of_them_means_the_same(
    line: str, width: int, indent: int
) -> None:
    broken = pad_for_word_wrap(Text(line), width, indent).plain
    assert broken.split() == line.split()
    emulator = TerminalEmulator(width, 100)
    emulator.write(broken)
    fitting = {word for word in line.split() if cell_len(word) < width - min(indent, width // 2) - 1}
    shown = {word for row in emulator.rows for word in row.split()}
    assert fitting <= shown


def test_a_copied_command_names_the_same_files() -> None:
    line = "try:  gru clean 'my ask.jsonl' -o 'my ask.csv'"
    for width in range(10, 60):
        assert shlex.split(pad_for_word_wrap(Text(line), width, 6).plain) == shlex.split(line)


def test_further_rows_stand_beside_the_name_of_the_program() -> None:
    emulator = TerminalEmulator(40)
    terminal = Terminal(PipeStream(), emulator, width=40)
    terminal.warn("a warning that has more words than one row holds")
    terminal.print_error(UsageError("what is wrong is told in a line of its own", "do gru this --that and everything"))
    assert emulator.rows == [
        "gru: a warning that has more words than",
        "     one row holds",
        "gru: what is wrong is told in a line of",
        "     its own",
        "     do gru this --that and everything",
    ]


def test_a_pipe_gets_every_message_in_one_line() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream(), width=20)
    captured.terminal.warn("a warning that has more words than one row holds")
    captured.terminal.print_line("data that has more words than one row holds", 4)
    assert captured.err == "gru: a warning that has more words than one row holds\n"
    assert captured.out == "data that has more words than one row holds\n"
