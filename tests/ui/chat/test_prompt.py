import contextlib
import stat
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Size
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text.utils import fragment_list_to_text
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.layout.controls import BufferControl
from prompt_toolkit.layout.processors import TransformationInput
from prompt_toolkit.output import DummyOutput
from rich.cells import cell_len

from grucli.ui.chat.prompt import REMEMBERED, ChatLine, _Terminal
from grucli.ui.chat.prompt_wrap import WordsWhole
from tests.chat.fakes import talker
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
    typed("hello there\rhello world\r", history, times=2)
    if isinstance(line, str):
        assert typed_later(keys, history) == line
    else:
        with pytest.raises(line):
            typed_later(keys, history)


def typed_later(keys: str, history: Path) -> str:
    """The line that comes of typing `keys` once the history is there."""
    with create_pipe_input() as terminal:
        line = ChatLine(talker(), history, lambda: "footer", terminal, DummyOutput())
        waiting = [keys]

        def type_them(app: Application[str]) -> None:
            if len(app.current_buffer._working_lines) < 3:
                app.invalidate()
            elif waiting:
                terminal.send_text(waiting.pop())

        line._prompt.app.after_render += type_them
        return line.ask()


@pytest.mark.parametrize(
    "said",
    [
        *(sign * count for sign in "x漢😀" for count in (17, 18, 19, 20, 37, 38, 39, 57, 76)),
        *("x" + "漢" * count for count in (17, 18, 19, 36, 37)),
        *("a\n" + "x" * 38, "a\n" + "漢" * 19, "x" * 38 + "\nab"),
    ],
)
def test_a_line_that_fills_its_row_leaves_none_empty(said: str, history: Path) -> None:
    typed = rows_of(said, history, 40)
    assert all(typed) or said.startswith("x" * 38 + "\n")  # what follows a row that is full is the editor's own affair
    assert "".join(typed) == said.replace("\n", "")


def rows_of(said: str, history: Path, columns: int, keys: str = "") -> list[str]:
    """What stands on the terminal of a line that was typed, without what stands before each row."""
    emulator = Emulator(columns, 30)
    screen = _Terminal(emulator, lambda: Size(rows=30, columns=columns), term="xterm")
    with create_pipe_input() as terminal:
        terminal.send_text(f"\x1b[200~{said}\x1b[201~{keys}\r")
        heard = ChatLine(talker(), history, lambda: "footer", terminal, screen).ask()
    assert heard == said or keys
    emulator.write("reply\n")
    *typed, reply = emulator.rows
    assert reply == "reply"
    return [row[2:] for row in typed]


PROSE = "The quick brown fox, who had never seen a quetzal, jumps over 漢字 and 😀 and on."


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_words_are_whole_in_each_row(columns: int, history: Path) -> None:
    rows = rows_of(PROSE, history, columns)
    assert [word for row in rows for word in row.split()] == PROSE.split()
    assert all(cell_len(row) < columns - 2 for row in rows)
    assert all(cell_len(f"{row} {after.split()[0]}") >= columns - 2 for row, after in pairwise(rows))


def test_a_word_that_no_row_has_room_for_is_broken(history: Path) -> None:
    shown = ["see", "x" * 19, "x" * 19, "x" * 12 + " and", "so on."]
    assert rows_of(f"see {'x' * 50} and so on.", history, 21) == shown


@given(st.text("ab 漢😀é", max_size=90).map(str.strip), st.integers(6, 50))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_whatever_is_typed_stands_there_whole(history: Path, said: str, columns: int) -> None:
    shown = "".join(rows_of(said, history, columns))
    assert shown.replace(" ", "") == said.replace(" ", "")


def test_what_could_turn_the_text_around_is_shown_and_not_obeyed(history: Path) -> None:
    (row,) = rows_of("evil\u202eabc\u2066", history, 60)
    assert row == "evil<202e>abc<2066>"
    assert "".join(rows_of("\u202e" * 30, history, 40)) == "<202e>" * 30
    assert " ".join(rows_of("so \x01\u202e it " * 9 + "is", history, 20)).split() == ["so", "^A<202e>", "it"] * 9 + [
        "is"
    ]


def test_the_cursor_goes_through_the_rows_as_through_the_line(history: Path) -> None:
    back = "\x1b[D" * len(" jumps over 漢字 and 😀 and on.")
    assert typed(f"{PROSE}{back}\x7fS\r", history) == [PROSE.replace("quetzal,", "quetzalS")]
    assert "".join(rows_of(PROSE, history, 20, keys=f"{back} indeed")).count("indeed") == 1


@given(st.text("ab 漢", max_size=60), st.integers(2, 20))
def test_places_of_the_line_and_of_its_rows_are_the_same(line: str, columns: int) -> None:
    control = BufferControl()
    given_ = TransformationInput(control, Document(line), 0, lambda place: place, [("", line)], columns + 2, 1)
    made = WordsWhole(2).apply_transformation(given_)
    shown = fragment_list_to_text(made.fragments)
    places = [made.source_to_display(place) for place in range(len(line) + 1)]
    assert "".join(shown[place] for place in places[:-1]) == line
    assert [made.display_to_source(place) for place in places] == list(range(len(line) + 1))
    assert all(0 <= made.display_to_source(place) <= len(line) for place in range(len(shown) + 1))


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
