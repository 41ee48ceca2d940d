import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from grucli.ui.terminal.live_text import LiveText
from tests.ui.emulator import TerminalEmulator
from tests.ui.fake_streams import PipeStream

WORDS = st.sampled_from(
    ["a", "word", "hello,", " ", "  ", "\n", "\t", "漢字", "😀", "longer-than-any-line" * 3, "\x1b[2J"]
)


def make_console(stream: TerminalEmulator | PipeStream, width: int = 80) -> Console:
    return Console(file=stream, force_terminal=stream.isatty(), width=width, height=30, color_system=None, _environ={})


def render_chunks(chunks: list[str], width: int, height: int = 30) -> TerminalEmulator:
    emulator = TerminalEmulator(width, height)
    with LiveText(make_console(emulator, width)) as text:
        for chunk in chunks:
            text.add(chunk)
            text.render(Text("=" * (width - 1)))
    return emulator


def test_text_and_bar_stand_while_it_grows_and_the_bar_goes() -> None:
    emulator = TerminalEmulator(20)
    with LiveText(make_console(emulator, 20)) as text:
        text.add("hello wor")
        text.render(Text("---- bar"))
        assert emulator.rows == ["hello wor", "---- bar"]
        text.add("ld, and more to come\nnew")
        text.render(Text("---- bar"))
        assert emulator.rows == ["hello world, and", "more to come", "new", "---- bar"]
        assert not emulator.cursor_visible()
    assert emulator.rows == ["hello world, and", "more to come", "new"]
    assert emulator.cursor_visible()
    assert (emulator.screen.cursor.x, emulator.screen.cursor.y) == (0, 3)


def test_nothing_leaves_nothing() -> None:
    emulator = TerminalEmulator()
    with LiveText(make_console(emulator)) as text:
        text.render(Text("bar"))
    assert emulator.rows == []
    assert emulator.screen.cursor.y == 0


def test_an_error_leaves_the_text_and_a_visible_cursor() -> None:
    emulator = TerminalEmulator()

    def fail() -> None:
        with LiveText(make_console(emulator)) as text:
            text.add("so far")
            text.render(Text("bar"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert emulator.rows == ["so far"]
    assert emulator.cursor_visible()


@given(st.lists(WORDS, max_size=60), st.integers(2, 40), st.integers(0, 2**32))
def test_drawing_in_pieces_is_drawing_at_once(words: list[str], width: int, cuts: int) -> None:
    text = "".join(words)
    pieces = [text[start : start + 1 + cuts % 7] for start in range(0, len(text), 1 + cuts % 7)]
    assert render_chunks(pieces, width).rows == render_chunks([text], width).rows


@given(st.lists(WORDS, max_size=60), st.integers(3, 40))
def test_every_word_arrives_and_no_line_is_too_long(words: list[str], width: int) -> None:
    text = "".join(words)
    rows = render_chunks([text], width).rows
    assert all(cell_len(row) < width for row in rows)
    shown = text.replace("\x1b", "")
    # A wide character fills two cells, of which the second is empty.
    assert "".join("".join(rows).split()) == "".join(shown.split())


def test_a_screen_full_of_text_scrolls() -> None:
    lines = [f"line {number}" for number in range(50)]
    assert render_chunks([line + "\n" for line in lines], width=30, height=5).rows == lines


def test_a_terminal_that_shrinks_meanwhile_keeps_every_word() -> None:
    emulator = TerminalEmulator(60)
    narrow = make_console(emulator, 60)
    with LiveText(narrow) as text:
        text.add("one two three four five six seven")
        text.render(Text("=" * 59))
        emulator.screen.resize(columns=20)
        text.render(Text("=" * 59))  # drawn for the old width: it is cut off, and still one row
        narrow.width = 20
        text.add(" eight")
        text.render(Text("=" * 19))
    assert " ".join(emulator.rows).split() == ["one", "two", "three", "four", "five", "six", "seven", "eight"]


def test_where_nothing_can_be_drawn_over_text_comes_as_it_comes() -> None:
    for stream, environment in ((PipeStream(), {}), (TerminalEmulator(), {"TERM": "dumb"})):
        plain = Console(file=stream, force_terminal=stream.isatty(), width=20, _environ=environment)
        with LiveText(plain) as text:
            text.add("hello world, and more to come")
            text.render(Text("bar"))
            text.add(", here")
            text.render(Text("bar"))
        assert stream.getvalue() == "hello world, and more to come, here\n"


def test_steering_characters_do_not_reach_the_terminal() -> None:
    stream = PipeStream()
    with LiveText(make_console(stream)) as text:
        text.add("a\x1b[2Jb\x07\x9bc\u202e")
        text.render(None)
    assert stream.getvalue() == "a[2Jbc\n"
