import contextlib
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from prompt_toolkit.output.vt100 import Vt100_Output

from grucli.ui.chat_line import REMEMBERED, ChatLine
from tests.chat.voices import talker
from tests.ui.emulator import Emulator


def typed(keys: str | bytes, history: Path, times: int = 1) -> list[str]:
    """The lines that come of typing `keys`."""
    with create_pipe_input() as terminal:
        line = ChatLine(talker(), history, lambda: "footer", terminal, DummyOutput())
        terminal.send_bytes(keys) if isinstance(keys, bytes) else terminal.send_text(keys)
        return [line.ask() for _ in range(times)]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return tmp_path / "home" / "chat_history"


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("hello\r", "hello"),
        ("hello\n", "hello"),
        ("\r", ""),
        ("hello\x7f\x7fp me\r", "help me"),
        ("\x1b[200~two\nlines\x1b[201~\r", "two\nlines"),
        ("\x1b[200~two\r\nlines\x1b[201~\r", "two\nlines"),
        ("one\x1b\rtwo\r", "one\ntwo"),
        ("not this\x03this\r", "this"),
        ("\x1b[31mred\r", "red"),
        ("\x1b[12;40Ranswer\r", "answer"),
        ("\x1b[M !!mouse\r", "mouse"),
    ],
)
def test_keys_make_a_line(keys: str, line: str, history: Path) -> None:
    assert typed(keys, history) == [line]


@pytest.mark.parametrize(
    ("keys", "line"), [("/rege\t\r", "/regen"), ("/model b\t\r", "/model bard"), ("/top-p 0.9\t\r", "/top-p 0.9")]
)
def test_tab_completes(keys: str, line: str, history: Path) -> None:
    assert typed(keys, history) == [line]


@pytest.mark.parametrize(
    "said",
    ["x" * 37, "x" * 38, "x" * 39, "x" * 76, "a\n" + "x" * 38, "x" * 38 + "\nab", "x" + "漢" * 37, "漢" * 18],
)
def test_a_line_that_fills_its_row_leaves_none_empty(said: str, history: Path) -> None:
    emulator = Emulator(40, 10)
    screen = Vt100_Output(emulator, lambda: Size(rows=10, columns=40), term="xterm")
    with create_pipe_input() as terminal:
        terminal.send_text(f"\x1b[200~{said}\x1b[201~\r")
        assert ChatLine(talker(), history, lambda: "footer", terminal, screen).ask() == said
    emulator.write("reply\n")
    *typed, reply = emulator.rows
    assert reply == "reply"
    assert all(typed) or said.startswith("x" * 38 + "\n")  # what follows a row that is full is the editor's own affair
    assert "".join(row.removeprefix("› ").removeprefix("> ").strip() for row in typed) == said.replace("\n", "")


def test_ctrl_c_in_an_empty_line_is_told(history: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        typed("\x03", history)


def test_ctrl_d_in_an_empty_line_is_the_end(history: Path) -> None:
    with pytest.raises(EOFError):
        typed("\x04", history)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=40))
def test_no_key_breaks_the_line(history: Path, keys: bytes) -> None:
    with contextlib.suppress(KeyboardInterrupt, EOFError):
        typed(keys.replace(b"\x1a", b"") + b"\x1b[201~\x03\x03\r", history)


def test_the_history_lasts_and_is_private(history: Path) -> None:
    assert typed("first\rsecond\r", history, times=2) == ["first", "second"]
    assert typed("\x1b[A\x1b[A\r", history) == ["first"]
    if sys.platform != "win32":
        assert stat.S_IMODE(history.stat().st_mode) == 0o600


def test_a_pasted_book_stays_out_of_the_history(history: Path) -> None:
    typed(f"\x1b[200~{'x' * (REMEMBERED + 1)}\x1b[201~\rshort\r", history, times=2)
    assert history.stat().st_size < REMEMBERED


def test_a_history_that_cannot_be_kept_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert typed("one\rtwo\r", tmp_path / "file" / "history", times=2) == ["one", "two"]
    (tmp_path / "folder").mkdir()
    assert typed("one\rtwo\r", tmp_path / "folder", times=2) == ["one", "two"]


def test_a_damaged_history_is_read_as_far_as_it_goes(history: Path) -> None:
    history.parent.mkdir()
    history.write_bytes(b"\xff\xfe\x00\n+\xc3\n+old\n\n# x\n+older\x00")
    assert typed("new\r", history) == ["new"]
