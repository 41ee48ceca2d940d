import contextlib
import stat
import sys
import threading
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.output import DummyOutput

from grucli.chat.session import Session
from grucli.chat.session_store import SessionStore
from grucli.ui.chat.prompt import MAX_SHOWN_PASTE, ChatPrompt, _NoCursorQueryOutput
from grucli.ui.chat.prompt_renderer import _num_wraps, wraps_on_resize
from tests.chat.fakes import conversation_session
from tests.ui.emulator import TerminalEmulator


def session_with(history: Path) -> Session:
    """A session whose store has its history in the file `history`."""
    return conversation_session(store=SessionStore(history.parent / "sessions", history))


def read_typed(keys: str | bytes, history: Path, num_lines: int = 1) -> list[str]:
    """The lines that come of typing `keys`."""
    with create_pipe_input() as terminal:
        prompt = ChatPrompt(session_with(history), lambda: "footer", terminal, DummyOutput())
        terminal.send_bytes(keys) if isinstance(keys, bytes) else terminal.send_text(keys)
        return [prompt.read_line() for _ in range(num_lines)]


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
    assert read_typed(keys, history) == [line]


@pytest.mark.parametrize(
    ("keys", "line"), [("/rege\t\r", "/regen"), ("/model b\t\r", "/model bard"), ("/top-p 0.9\t\r", "/top-p 0.9")]
)
def test_tab_completes(keys: str, line: str, history: Path) -> None:
    assert read_typed(keys, history) == [line]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("\x12lo w\r", "hello world"),
        ("\x12hello\x12\r", "hello there"),
        ("\x12hello\x12\x13\r", "hello world"),
        ("\x12lo w\x04!\r", "hel!lo world"),
        ("\x12lo w\tly \r", "helly lo world"),
        ("\x12\x03this\r", "this"),
        ("that\x12lo w\x03\x7fn\r", "than"),
        ("\x12nowhere\x03\x12lo w\r", "hello world"),
        ("\x12nowhere\rthis\r", "this"),
        ("\x12lo\x03\x04", EOFError),
        ("\x12\x03\x03", KeyboardInterrupt),
        ("\x12\x04\x04", EOFError),
        ("\x12hello\x1b\x05\x15\x12\x1bthis\r", "this"),
        ("\x12hello\x1b\x05\x15\x12\x04this\r", "this"),
        ("\x12hello\x1b\x05\x15\x12\rthis\r", "this"),
        ("\x12hello\x1b\x05\x15that\x12\t!\r", "that!"),
        ("\x12hello\x1b\x05\x15\x12hello\x07this\r", "this"),
    ],
)
def test_a_search_of_the_history_takes_a_line_or_leaves_all_as_it_was(
    keys: str, line: str | type[BaseException], history: Path
) -> None:
    read_typed("hello there\rhello world\r", history, num_lines=2)
    if isinstance(line, str):
        assert read_typed_later(keys, history) == line
    else:
        with pytest.raises(line):
            read_typed_later(keys, history)


def read_typed_later(keys: str, history: Path) -> str:
    """The line that comes of typing `keys` once the history is there."""
    with create_pipe_input() as terminal:
        prompt = ChatPrompt(session_with(history), lambda: "footer", terminal, DummyOutput())
        pending_keys = [keys]

        def type_them(app: Application[str]) -> None:
            if len(app.current_buffer._working_lines) < 3:
                app.invalidate()
            elif pending_keys:
                terminal.send_text(pending_keys.pop())

        prompt._prompt.app.after_render += type_them
        return prompt.read_line()


def prompt_rows(text: str, history: Path, columns: int, keys: str = "") -> list[str]:
    """What stands on the terminal of a line that was typed, without what stands before each row."""
    emulator = TerminalEmulator(columns, 30)
    screen = _NoCursorQueryOutput(emulator, lambda: Size(rows=30, columns=columns), term="xterm")
    with create_pipe_input() as terminal:
        terminal.send_text(f"\x1b[200~{text}\x1b[201~{keys}\r")
        line = ChatPrompt(session_with(history), lambda: "footer", terminal, screen).read_line()
    assert line == text or keys
    emulator.write("reply\n")
    *typed, reply = emulator.rows
    assert reply == "reply"
    return [row[2:] for row in typed]


# In fewer columns prompt_toolkit counts too few rows of wide characters, and leaves off the last.
@pytest.mark.slow
@given(st.text("ab 漢😀é", max_size=90).map(str.strip), st.integers(8, 50))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_whatever_is_typed_stands_there_whole(history: Path, said: str, columns: int) -> None:
    shown = "".join(prompt_rows(said, history, columns))
    assert shown.replace(" ", "") == said.replace(" ", "")


def test_what_could_turn_the_text_around_is_shown_and_not_obeyed(history: Path) -> None:
    (row,) = prompt_rows("evil\u202eabc\u2066\x01", history, 60)
    assert row == "evil<202e>abc<2066>^A"


def test_the_cursor_goes_through_the_rows_as_through_the_line(history: Path) -> None:
    said = "The quick brown fox, who had never seen a quetzal, jumps over 漢字 and 😀 and on."
    back = "\x1b[D" * len(" jumps over 漢字 and 😀 and on.")
    assert read_typed(f"{said}{back}\x7fS\r", history) == [said.replace("quetzal,", "quetzalS")]
    assert "".join(prompt_rows(said, history, 20, keys=f"{back} indeed")).count("indeed") == 1


def test_ctrl_c_in_an_empty_line_is_told(history: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        read_typed("\x03", history)


def test_ctrl_d_in_an_empty_line_is_the_end(history: Path) -> None:
    with pytest.raises(EOFError):
        read_typed("\x04", history)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=40))
def test_no_key_breaks_the_line(history: Path, keys: bytes) -> None:
    with contextlib.suppress(KeyboardInterrupt, EOFError):
        read_typed(keys.replace(b"\x1a", b"") + b"\x1b[201~\x03\x03\r", history)


def test_the_history_lasts_and_is_private(history: Path) -> None:
    assert read_typed("first\rsecond\r", history, num_lines=2) == ["first", "second"]
    assert read_typed("\x1b[A\x1b[A\r", history) == ["first"]
    if sys.platform != "win32":
        assert stat.S_IMODE(history.stat().st_mode) == 0o600


def test_a_pasted_book_stays_out_of_the_history(history: Path) -> None:
    read_typed(f"\x1b[200~{'x' * (MAX_SHOWN_PASTE + 1)}\x1b[201~\rshort\r", history, num_lines=2)
    assert history.stat().st_size < MAX_SHOWN_PASTE


def test_a_history_that_cannot_be_kept_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert read_typed("one\rtwo\r", tmp_path / "file" / "history", num_lines=2) == ["one", "two"]
    (tmp_path / "folder").mkdir()
    assert read_typed("one\rtwo\r", tmp_path / "folder", num_lines=2) == ["one", "two"]


def test_a_damaged_history_is_read_as_far_as_it_goes(history: Path) -> None:
    history.parent.mkdir()
    history.write_bytes(b"\xff\xfe\x00\n+\xc3\n+old\n\n# x\n+older\x00")
    assert read_typed("new\r", history) == ["new"]


@pytest.mark.slow
@pytest.mark.parametrize("keys", ["\x1b[200~lost \x1b[200~ends", "\x1b[200~lost ends\x1b[20"])
def test_a_paste_whose_end_is_lost_is_a_line_after_a_while(keys: str, history: Path) -> None:
    with create_pipe_input() as terminal:
        prompt = ChatPrompt(session_with(history), lambda: "footer", terminal, DummyOutput())
        terminal.send_text(keys)

        def press_enter(app: Application[str]) -> None:
            if app.current_buffer.text:
                terminal.send_text("\r")

        prompt._prompt.app.after_render += press_enter
        assert prompt.read_line() == "lost ends"


def test_keys_after_a_paste_without_end_work(history: Path) -> None:
    assert read_typed("\x1b[200~lost\x03this\r", history) == ["this"]
    with pytest.raises(EOFError):
        read_typed("\x1b[200~lost\x03\x04", history)
    with pytest.raises(KeyboardInterrupt):
        read_typed("\x1b[200~lost\x03\x03", history)


def test_a_long_paste_is_shown_as_its_length_and_read_whole(history: Path) -> None:
    text = "word\r\n" * 4000
    with create_pipe_input() as terminal:
        prompt = ChatPrompt(session_with(history), lambda: "footer", terminal, DummyOutput())
        shown: list[str] = []
        prompt._prompt.app.after_render += lambda app: shown.append(app.current_buffer.text)

        def send() -> None:
            terminal.send_text(f"see \x1b[200~{text}\x1b[201~ and\r")

        threading.Thread(target=send).start()
        assert prompt.read_line() == f"see {text.replace(chr(13), '')} and"
        assert prompt._long_pastes.expand("[paste 1: 20,000 characters]") == text.replace("\r", "")
    assert "see [paste 1: 20,000 characters] and" in shown
    assert not history.exists()


def test_a_private_chat_has_no_history_in_a_file(history: Path) -> None:
    read_typed("first\r", history)
    with create_pipe_input() as terminal:
        prompt = ChatPrompt(conversation_session(), lambda: "footer", terminal, DummyOutput())
        terminal.send_text("secret\r")
        assert prompt.read_line() == "secret"
    assert "secret" not in history.read_text()


def test_ctrl_c_as_a_signal_is_remembered_until_the_line(history: Path) -> None:
    with create_pipe_input() as terminal:
        prompt = ChatPrompt(session_with(history), lambda: "footer", terminal, DummyOutput())
        prompt.interrupt()
        assert prompt.interrupted
        with pytest.raises(KeyboardInterrupt):
            prompt.read_line()
        assert prompt.drop_queued() == 0


def test_ctrl_c_as_a_signal_is_the_key_in_a_line(history: Path) -> None:
    with create_pipe_input() as terminal:
        prompt = ChatPrompt(session_with(history), lambda: "footer", terminal, DummyOutput())
        renders: list[Application[str]] = []

        def interrupt_once(app: Application[str]) -> None:
            renders.append(app)
            if len(renders) == 1:
                prompt.interrupt()

        prompt._prompt.app.after_render += interrupt_once
        with pytest.raises(KeyboardInterrupt):
            prompt.read_line()
        assert not prompt.interrupted


@pytest.mark.parametrize(
    ("environment", "wraps"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "screen", "TMUX": "/tmp/tmux"}, True),
        ({"TERM": "screen"}, False),
        ({"TERM": "linux"}, False),
        ({"TERM": "xterm", "XTERM_VERSION": "XTerm(390)"}, False),
    ],
)
def test_terminals_that_wrap_what_became_too_long(environment: dict[str, str], wraps: bool) -> None:
    assert wraps_on_resize(environment) == wraps


@pytest.mark.parametrize(
    ("text", "x", "columns", "wraps"),
    [
        ("abc", 2, 3, 0),
        ("abcd", 2, 3, 0),
        ("abcd", 3, 3, 1),
        ("abcdefg", 6, 3, 2),
        ("漢字", 2, 3, 1),
        ("a漢字", 3, 3, 1),
    ],
)
def test_how_often_a_row_wraps(text: str, x: int, columns: int, wraps: int) -> None:
    row: defaultdict[int, Char] = defaultdict(lambda: Char(" "))
    cell = 0
    for char in text:
        row[cell] = Char(char)
        cell += row[cell].width
    assert _num_wraps(row, x, columns) == wraps
