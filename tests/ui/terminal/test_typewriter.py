"""Typed text as a terminal shows it: no word broken that fits a line, whatever bites the text came in."""

import io

import pyte
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.typewriter import Typewriter
from tests.ui.fake_streams import PipeStream, TtyStream

TEXT = "It was a bright cold day in April, and the clocks were striking thirteen."


@pytest.fixture(autouse=True)
def _color_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")


def write_typed(parts: list[str], width: int, stream: io.StringIO | None = None) -> str:
    stream = TtyStream() if stream is None else stream
    typewriter = Typewriter(Terminal(stream, PipeStream(), width=width).data)
    for part in parts:
        typewriter.write(part)
    typewriter.newline()
    return stream.getvalue()


def screen_lines(written: str, width: int) -> list[str]:
    emulated = pyte.Screen(width, 600)
    pyte.Stream(emulated).feed(written.replace("\n", "\r\n"))
    lines = [line.rstrip() for line in emulated.display]
    return lines[: emulated.cursor.y]


@pytest.mark.parametrize("bite", [1, 3, 16, 100])
def test_words_stay_whole(bite: int) -> None:
    parts = [TEXT[start : start + bite] for start in range(0, len(TEXT), bite)]
    assert screen_lines(write_typed(parts, 20), 20) == [
        "It was a bright",
        "cold day in April,",
        "and the clocks were",
        "striking thirteen.",
    ]


def test_a_word_longer_than_a_line_is_broken() -> None:
    assert screen_lines(write_typed(["so " + "long" * 8 + " it is"], 12), 12) == [
        "so",
        "longlonglon",
        "glonglonglo",
        "nglonglong",
        "it is",
    ]


def test_lines_of_the_text_are_kept() -> None:
    assert screen_lines(write_typed(["one\n\n  two\tthree\n"], 30), 30) == ["one", "", "  two    three", ""]


def test_wide_signs_take_two_columns() -> None:
    assert screen_lines(write_typed(["漢字 漢字 漢字"], 11), 11) == ["漢字 漢字", "漢字"]


@example([" a", "a漢"], 4)
@given(st.lists(st.text("ab \n漢\t-", max_size=30), max_size=8), st.integers(4, 30))
def test_nothing_is_lost_and_no_line_is_too_long(parts: list[str], width: int) -> None:
    whole = "".join(parts)
    lines = screen_lines(write_typed(parts, width), width)
    assert "".join("".join(lines).split()) == "".join(whole.split())
    assert all(cell_len(line) < width for line in lines)


def test_where_nothing_can_be_taken_back_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert write_typed([TEXT, TEXT], 20) == TEXT + TEXT + "\n"
    assert write_typed(["a\x1b[2Jb"], 20) == "a[2Jb\n"
