import pytest

from grucli.chat.session import Session
from grucli.ui.chat_pipe import answer_lines
from tests.chat.voices import talker, writer
from tests.ui.streams import Pipe, Screen, Terminals


def answer(session: Session, *lines: bytes, err: Pipe | Screen | None = None) -> Terminals:
    terminals = Terminals(Pipe(), err or Pipe())
    answer_lines(session, terminals.terminal, lines)
    return terminals


def test_one_prompt_a_line_one_reply_a_line() -> None:
    answered = answer(talker(), b"hi\n", b"so?\r\n", b"bye")
    assert answered.out == "<7>\n<8>\n<9>\n"
    assert answered.err == ""


def test_a_reply_is_a_line_whatever_is_in_it() -> None:
    answered = answer(writer("two\nlines\r\n\tand \u2028more\x1b[2J\x85"), b"hi\n")
    assert answered.out == "two lines and more[2J\n"


def test_an_empty_line_has_a_reply_too() -> None:
    assert answer(talker(), b"\n", b"   \n").out == "<7>\n<8>\n"


def test_what_is_no_utf8_is_read_as_such() -> None:
    assert answer(talker(), b"\xff\xfe\x00\n").out == "<7>\n"


def test_commands_work_and_speak_on_stderr() -> None:
    answered = answer(talker(), b"/seed 3\n", b"hi\n", b"/regen\n", b"/history\n", b"/quit\n", b"never\n")
    assert answered.out == "<3>\n<4>\n"
    assert answered.err.startswith("/seed 3")
    assert "emo  seed 4  <4>" in answered.err


@pytest.mark.parametrize("line", [b"/tmep 1\n", b"/temp x\n", b"/regen\n"])
def test_a_mistake_is_told_and_the_rest_goes_on(line: bytes) -> None:
    answered = answer(talker(), line, b"hi\n")
    assert answered.out == "<7>\n"
    assert answered.err.startswith("gru: ")


def test_nothing_in_nothing_out() -> None:
    answered = answer(talker())
    assert (answered.out, answered.err) == ("", "")


def test_symbols_that_the_model_does_not_know_are_a_warning() -> None:
    answered = answer(talker(), "hi 漢\n".encode(), b"hi\n")
    assert answered.out == "<7>\n<8>\n"
    assert answered.err == "gru: the model does not know 1 symbol of what it was given to read\n"
