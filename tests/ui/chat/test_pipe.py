import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grucli.chat.events import ChatEvent
from grucli.chat.session import Session
from grucli.chat.session_store import SessionStore
from grucli.generation.options import GenerationConfig, State
from grucli.ui.chat.pipe import handle_lines
from tests.chat.fakes import FakeChatModel, FakeModelProvider, FakeReplyStream, completion_session, conversation_session
from tests.fault_injection import disk_full
from tests.ui.fake_streams import CapturedTerminal, PipeStream, TtyStream


def run_pipe_session(session: Session, *lines: bytes, err: PipeStream | TtyStream | None = None) -> CapturedTerminal:
    captured = CapturedTerminal(PipeStream(), err or PipeStream())
    handle_lines(session, captured.terminal, lines, commands=True)
    return captured


def test_one_prompt_a_line_one_reply_a_line() -> None:
    answered = run_pipe_session(conversation_session(), b"hi\n", b"so?\r\n", b"bye")
    assert answered.out == "<7>\n<8>\n<9>\n"
    assert answered.err == ""


def test_a_reply_is_a_line_whatever_is_in_it() -> None:
    answered = run_pipe_session(completion_session("two\nlines\r\n\tand \u2028more\x1b[2J\x85"), b"hi\n")
    assert answered.out == "two lines and more[2J\n"


def test_an_empty_line_has_a_reply_too() -> None:
    assert run_pipe_session(conversation_session(), b"\n", b"   \n").out == "<7>\n<8>\n"


def test_what_is_no_utf8_is_read_as_such() -> None:
    assert run_pipe_session(conversation_session(), b"\xff\xfe\x00\n").out == "<7>\n"


def test_commands_work_and_speak_on_stderr() -> None:
    answered = run_pipe_session(
        conversation_session(), b"/seed 3\n", b"hi\n", b"/regen\n", b"/history\n", b"/quit\n", b"never\n"
    )
    assert answered.out == "<3>\n<4>\n"
    assert answered.err.startswith("/seed: 3")
    assert "emo  seed 4  <4>" in answered.err


@pytest.mark.parametrize("line", [b"/tmep 1\n", b"/temp x\n", b"/regen\n"])
def test_a_mistake_is_told_and_the_rest_goes_on(line: bytes) -> None:
    answered = run_pipe_session(conversation_session(), line, b"hi\n")
    assert answered.out == "<7>\n"
    assert answered.err.startswith("gru: ")


def test_nothing_in_nothing_out() -> None:
    answered = run_pipe_session(conversation_session())
    assert (answered.out, answered.err) == ("", "")


def test_symbols_that_the_model_does_not_know_are_a_warning() -> None:
    answered = run_pipe_session(conversation_session(), "hi 漢\n".encode(), b"hi\n")
    assert answered.out == "<7>\n<8>\n"
    assert answered.err == "gru: 1 symbol is not in the model's vocabulary: '漢'\n"


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
    answered = run_pipe_session(conversation_session(), *lines)
    assert answered.out == "<7>\n"
    reported = answered.err.splitlines()
    for line in (
        "2  temp 1.2  <7>",
        "1  -0.67  0.72 bits/char  seed 8  <8>",
        "2  25.0%  (end)",
        "1.00  'a'",
        "0.50  'a'",
        "* 1 (main)  hi → <7>",
        "gru sample emo --reply-to hi --temp 1.2 --max-chars 500 --seed 7",
    ):
        assert line in reported, reported


def test_line_breaks_of_candidates_are_marked() -> None:
    reported = run_pipe_session(conversation_session("a\n\nb {seed}"), b"/best 1 hi\n", b"/spread 0.5 hi\n").err
    rows = [row for row in reported.splitlines() if row.startswith("1  ")]
    assert [row.rpartition("  ")[2] for row in rows] == ["a / b 7", "a / b 8"]


def run_json_session(session: Session, *lines: bytes) -> list[dict[str, object]]:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    handle_lines(session, captured.terminal, lines, json=True, commands=True)
    assert captured.err == ""
    return [json.loads(line) for line in captured.out.splitlines()]


def test_as_json_each_reply_is_an_object() -> None:
    (reply,) = run_json_session(conversation_session("a\x1b\nb"), b"hi\n")
    bits = reply.pop("bits_per_char")
    assert bits == pytest.approx(0.7213475)
    assert reply == {
        "type": "reply", "turn": 1, "line": "hi", "reply": "a\x1b\nb", "seed": 7, "tokens": 4, "stopped": "turn"
    }  # fmt: skip


def test_as_json_every_answer_says_what_it_is() -> None:
    commands = {
        "": "message",
        "/spread 0.3 1.2 hi": "candidate",
        "/pick 2": "reply",
        "/best 2": "candidate",
        "/peek": "peek",
        "/score a": "score",
        "/gates a": "gates",
        "/tree": "tree",
        "/history": "history",
        "/cmd": "command",
        "/temp 1": "message",
        "/tmep": "error",
        "漢": "warning",
    }
    session = conversation_session()
    for line, what in commands.items():
        result = run_json_session(session, f"{line}\n".encode()) if line else run_json_session(session, b"/save\n")
        assert result[0]["type"] == what, line
    assert run_json_session(session, b"/quit\n", b"hi\n") == []


def test_as_json_a_tree_is_its_turns() -> None:
    (tree,) = run_json_session(conversation_session(), b"hi\n", b"/tree\n")[1:]
    assert tree["turns"] == [
        {
            "turn": 1,
            "parent": 0,
            "model": "emo",
            "picked": False,
            "line": "hi",
            "reply": "<7>",
            "seed": 7,
            "tokens": 3,
            "bits_per_char": pytest.approx(0.7213475),
            "stopped": "turn",
            "depth": 0,
            "branches": ["main"],
            "is_head": True,
            "on_path": True,
        }
    ]
    assert (tree["head"], tree["root_branches"]) == (1, [])


def test_as_json_history_and_candidates_have_what_a_reply_has() -> None:
    first, second, history, *offers = run_json_session(
        conversation_session(), b"hi\n", b"so " * 100 + b"\n", b"/history\n", b"/best 2 you\n"
    )
    turns = history["turns"]
    assert isinstance(turns, list)
    assert [{name: turn[name] for name in first if name != "type"} for turn in turns] == [
        {name: value for name, value in reply.items() if name != "type"} for reply in (first, second)
    ]
    assert [turn["parent"] for turn in turns] == [0, 1]
    for number, offer in enumerate(offers[:2], 1):
        assert offer["pick"] == number
        assert set(first) - {"turn"} < set(offer)
        assert (offer["line"], offer["stopped"]) == ("you", "turn")


class UnequalLengthModel(FakeChatModel):
    """The higher the temperature, the less it says."""

    def stream(self, state: State, config: GenerationConfig) -> FakeReplyStream:
        self.reply_template = "." * round(5 - config.temp)
        return super().stream(state, config)


def test_a_spread_is_told_in_the_order_of_its_temperatures() -> None:
    session = Session(FakeModelProvider(emo=UnequalLengthModel(True)), None, GenerationConfig(seed=7), 0)
    reported = run_pipe_session(session, b"/spread 1 3 2 hi\n").err.splitlines()
    assert reported == ["1  temp 1  ....", "2  temp 3  ..", "3  temp 2  ...", "use /pick N to choose one"]
    *offers, last = run_json_session(session, b"/spread 1 3 2 hi\n")
    assert [(offer["pick"], offer["reply"]) for offer in offers] == [(1, "...."), (2, ".."), (3, "...")]
    assert last["type"] == "message"


def test_a_tree_from_its_beginning_marks_that() -> None:
    reported = run_pipe_session(conversation_session(), b"hi\n", b"/rewind 0\n", b"/tree\n").err.splitlines()
    assert reported[-2:] == ["* 0 (main)  the beginning", ". 1  hi → <7>"]
    (tree,) = run_json_session(conversation_session(), b"hi\n", b"/undo\n", b"/tree\n")[2:]
    assert (tree["head"], tree["root_branches"]) == (0, ["main"])


def test_the_line_of_cmd_is_a_line() -> None:
    answered = run_pipe_session(completion_session("two\nlines\n\nmore", max_chars=10), b"hi\n", b"\n", b"/cmd\n")
    assert answered.err == "gru sample bard --prompt 'hitwo\\nlines\\n' --temp 0.8 --max-chars 10 --seed 8\n"


def run_text_session(session: Session, *lines: bytes) -> tuple[CapturedTerminal, bool]:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    return captured, handle_lines(session, captured.terminal, lines)


def test_without_commands_each_line_is_a_message() -> None:
    lines = (b"/s obviously\n", b"/quit while you are ahead\n", b"\n", b"/tmep\n", b"//\n", b"last")
    session = conversation_session()
    captured, succeeded = run_text_session(session, *lines)
    assert captured.out == "<7>\n<8>\n<9>\n<10>\n<11>\n<12>\n"
    assert (captured.err, succeeded) == ("", True)
    assert [turn.line for turn in session.turns] == [line.decode().rstrip() for line in lines]


def test_without_commands_a_blank_line_continues_nothing() -> None:
    session = completion_session("abcdef", max_chars=3)
    captured, _ = run_text_session(session, b"Once\n", b"\n")
    assert captured.out == "abc\nabc\n"
    assert [turn.prefix for turn in session.turns] == ["Once", ""]
    with_commands = run_pipe_session(completion_session("abcdef", max_chars=3), b"Once\n", b"\n")
    assert with_commands.out == "abc\nabc\n"


def test_a_byte_order_mark_is_no_text() -> None:
    session = conversation_session()
    captured, _ = run_text_session(session, "\ufeffhi\r\n".encode(), "\ufeffyou\n".encode())
    assert [turn.line for turn in session.turns] == ["hi", "\ufeffyou"]
    assert captured.err.count("not in the model's vocabulary") == 1


def test_a_line_that_fails_leaves_an_empty_one_and_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    session = conversation_session()
    send = session.send

    def fail_once(line: str, **options: bool) -> Iterator[ChatEvent]:
        if line == "long":
            raise MemoryError
        return send(line, **options)

    monkeypatch.setattr(session, "send", fail_once)
    captured, succeeded = run_text_session(session, b"hi\n", b"long\n", b"you\n")
    assert captured.out == "<7>\n\n<8>\n"
    assert captured.err.startswith("gru: not enough memory")
    assert not succeeded


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_session_that_cannot_be_saved_is_a_failure_told_once(tmp_path: Path) -> None:
    for lines in ([b"hi\n", b"/save trip\n", b"you\n", b"so\n"], [b"/save trip\n", b"hi\n", b"you\n", b"so\n"]):
        captured = CapturedTerminal(PipeStream(), PipeStream())
        session = conversation_session(store=SessionStore(tmp_path / "sessions"), persist=False)
        with session, disk_full():
            succeeded = handle_lines(session, captured.terminal, lines, commands=True)
        assert not succeeded
        assert captured.out == "<7>\n<8>\n<9>\n"
        assert captured.err.count("gru: ") == 1
        assert "File too large" in captured.err
