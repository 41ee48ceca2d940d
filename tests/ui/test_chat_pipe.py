import json

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
    assert answered.err.startswith("/seed: 3")
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
    assert answered.err == "gru: the model does not know 1 symbol of what it was given to read: '漢'\n"


def test_what_commands_offer_and_find_is_told_in_lines() -> None:
    lines = (
        b"/spread 0.3 1.2 hi\n",
        b"/pick 2\n",
        b"/best 2\n",
        b"/peek\n",
        b"/score a\n",
        b"/gates a\n",
        b"/tree\n",
        b"/cmd\n",
    )
    answered = answer(talker(), *lines)
    assert answered.out == "<7>\n"
    told = answered.err.splitlines()
    for line in (
        "2  temp 1.2  <7>",
        "1  -0.67  0.72 bits/char  seed 8  <8>",
        "2  25.0%  (end)",
        "1.00  'a'",
        "0.50  'a'",
        "* 1 (main)  hi → <7>",
        "gru sample emo --reply-to hi --temp 1.2 --max-chars 500 --seed 7",
    ):
        assert line in told, told


def documents(session: Session, *lines: bytes) -> list[dict[str, object]]:
    terminals = Terminals(Pipe(), Pipe())
    answer_lines(session, terminals.terminal, lines, json=True)
    assert terminals.err == ""
    return [json.loads(line) for line in terminals.out.splitlines()]


def test_as_json_each_reply_is_an_object() -> None:
    (reply,) = documents(talker("a\x1b\nb"), b"hi\n")
    bits = reply.pop("bits_per_char")
    assert bits == pytest.approx(0.7213475)
    assert reply == {
        "is": "reply", "turn": 1, "line": "hi", "reply": "a\x1b\nb", "seed": 7, "tokens": 4, "stopped": "turn"
    }  # fmt: skip


def test_as_json_every_answer_says_what_it_is() -> None:
    commands = {
        "": "told",
        "/spread 0.3 1.2 hi": "offer",
        "/pick 2": "reply",
        "/best 2": "offer",
        "/peek": "peek",
        "/score a": "score",
        "/gates a": "gates",
        "/tree": "tree",
        "/history": "list",
        "/cmd": "command",
        "/temp 1": "told",
        "/tmep": "mistake",
        "漢": "warning",
    }
    session = talker()
    for line, what in commands.items():
        found = documents(session, f"{line}\n".encode()) if line else documents(session, b"/save\n")
        assert found[0]["is"] == what, line
    assert documents(session, b"/quit\n", b"hi\n") == []


def test_as_json_a_tree_is_its_turns() -> None:
    (tree,) = documents(talker(), b"hi\n", b"/tree\n")[1:]
    assert tree["turns"] == [
        {
            "number": 1,
            "parent": 0,
            "depth": 0,
            "line": "hi",
            "reply": "<7>",
            "names": ["main"],
            "now": True,
            "kept": True,
        }
    ]
