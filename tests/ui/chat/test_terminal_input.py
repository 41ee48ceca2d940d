"""Pastes whose end mark is lost, and what is typed while no line is read."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys

from grucli.ui.chat.terminal_input import PASTE_TIMEOUT, KeyQueue, PasteParser, count_lines
from tests.ui.chat.test_reply_view import FakeClock

BEGIN, END = "\x1b[200~", "\x1b[201~"


class Harness:
    """A parser, and what it has parsed: keys, and pasted texts in a list each."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.parsed: list[object] = []
        self.parser = PasteParser(self.add, self.clock)

    def add(self, press: KeyPress) -> None:
        if press.key != Keys.Ignore:
            self.parsed.append([press.data] if press.key == Keys.BracketedPaste else press.key)

    def feed(self, *chunks: str) -> list[object]:
        for chunk in chunks:
            self.parser.feed(chunk)
        return self.parsed

    def wait(self, seconds: float) -> list[object]:
        self.clock.now += seconds
        self.parser.flush()
        return self.parsed


def test_a_paste_without_its_end_ends_after_a_while() -> None:
    harness = Harness()
    assert harness.feed(f"a{BEGIN}hello\r", "you") == ["a"]
    assert harness.wait(PASTE_TIMEOUT / 2) == ["a"]
    assert harness.parser.in_paste
    assert harness.wait(PASTE_TIMEOUT) == ["a", ["hello\ryou"]]
    assert harness.feed("b") == ["a", ["hello\ryou"], "b"]


def test_what_comes_in_time_belongs_to_the_paste() -> None:
    harness = Harness()
    harness.feed(BEGIN)
    for char in "slow":
        harness.feed(char)
        harness.wait(PASTE_TIMEOUT * 0.9)
    assert harness.feed(END) == [["slow"]]


@pytest.mark.parametrize(("char", "key"), [("\x03", Keys.ControlC), ("\x04", Keys.ControlD)])
def test_ctrl_c_and_ctrl_d_end_a_paste_at_once(char: str, key: Keys) -> None:
    assert Harness().feed(f"{BEGIN}hello", f"{char}x") == [["hello"], key, "x"]
    assert Harness().feed(f"{BEGIN}hello{char}") == [["hello"], key]
    assert Harness().feed(f"{BEGIN}hello{char}there{END}") == [[f"hello{char}there"]]


@pytest.mark.parametrize(
    ("keys", "parsed"),
    [
        (f"{BEGIN}one{BEGIN}two{END}", [["onetwo"]]),
        (f"{BEGIN}one{END}{END}x", [["one"], "x"]),
        (f"{END}x", ["x"]),
        (f"{BEGIN}{END}", [[""]]),
        (f"{BEGIN}a\x1b[31m{END}", [["a\x1b[31m"]]),
        (f"{BEGIN}a{END}{BEGIN}b{END}", [["a"], ["b"]]),
        ("\x1b[D", [Keys.Left]),
    ],
)
def test_marks_that_do_not_fit(keys: str, parsed: list[object]) -> None:
    assert Harness().feed(keys) == parsed
    assert Harness().feed(*keys) == parsed  # cut anywhere


@pytest.mark.parametrize("cut", range(1, len(END)))
def test_a_part_of_the_end_mark_is_no_text(cut: int) -> None:
    harness = Harness()
    harness.feed(f"{BEGIN}hello{END[:cut]}")
    assert harness.wait(PASTE_TIMEOUT) == [["hello"]]


def test_an_escape_sequence_that_is_cut_is_keys() -> None:
    harness = Harness()
    harness.feed("\x1b")
    assert harness.wait(0.5) == [Keys.Escape]
    harness.feed("\x1b[20")
    assert harness.wait(0.5) == [Keys.Escape, Keys.Escape, "[", "2", "0"]


@given(st.text(st.characters(blacklist_characters="\x03\x04\x1b", blacklist_categories=["Cs"])), st.data())
def test_a_paste_is_whole_however_it_arrives(text: str, data: st.DataObject) -> None:
    sent = f"{BEGIN}{text}{END}x"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=5)))
    chunks = [sent[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert Harness().feed(*chunks) == [[text], "x"]


def test_a_paste_of_ten_megabytes_takes_no_time() -> None:
    text = "0123456789abcde\r" * 640
    harness = Harness()
    harness.feed(BEGIN, *[text] * 1000)
    (pasted,) = harness.feed(END)
    assert isinstance(pasted, list)
    assert len(pasted[0]) == 10_240_000


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other input")
def test_what_is_queued_is_dropped_and_counted() -> None:
    with create_pipe_input() as terminal:
        parser = PasteParser(terminal.vt100_parser.feed_key_callback)  # type: ignore[attr-defined]
        terminal.vt100_parser = parser  # type: ignore[attr-defined]
        queue = KeyQueue(terminal, parser)
        queue.read_ahead()
        assert queue.drop() == 0
        terminal.send_text("one\rtwo\n\r  \rhalf")
        queue.read_ahead()
        terminal.send_text(f" a line\r{BEGIN}three\nfour{END}")
        assert queue.drop() == 4
        terminal.send_text(f"one\r{BEGIN}a paste that is under way")
        queue.read_ahead()
        assert (queue.drop(), parser.in_paste) == (2, False)
        terminal.send_text("one\r\x03")
        queue.check()
        assert queue.interrupted
        assert queue.drop() == 1
        assert not queue.interrupted


def test_a_line_without_text_does_not_count() -> None:
    assert count_lines([KeyPress(Keys.ControlM), KeyPress(Keys.Left), KeyPress(Keys.ControlM)]) == 0
