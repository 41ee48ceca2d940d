import dataclasses
import os
import signal
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from grucli.chat.commands import handle_line
from grucli.chat.learning import TurnLearner, UpdatedModel
from grucli.chat.session import Session
from grucli.chat.session_store import SessionStore
from grucli.generation.options import default_config
from grucli.ui.chat.plain_prompt import PlainPrompt
from grucli.ui.chat.screen import ChatScreen, footer, reply_footer
from grucli.ui.chat.typed_chat import _handle_sigint, run_screen
from tests.chat.fakes import FakeChatModel, FakeModelProvider, completion_session, conversation_session
from tests.ui.chat.test_reply_view import FakeClock
from tests.ui.emulator import TerminalEmulator
from tests.ui.fake_streams import CapturedTerminal, TtyStream

REPLY_TEMPLATE = "Well, seed {seed} is as good as any other number.\nOr is it?"


class Harness:
    """A chat screen on an emulated terminal; what is typed goes straight to it."""

    def __init__(self, session: Session, width: int = 80, environment: dict[str, str] | None = None) -> None:
        self.session = session
        self.clock = FakeClock()
        self.emulator = TerminalEmulator(width, 60)
        console = Console(
            file=self.emulator,
            force_terminal=True,
            width=width,
            height=60,
            markup=False,
            highlight=False,
            _environ={"TERM": "xterm-256color"} if environment is None else environment,
        )
        self.screen = ChatScreen(session, console, self.clock, self.clock.sleep)

    def send(self, *lines: str) -> list[str]:
        for line in lines:
            self.screen.handle(line)
        return self.emulator.rows


def test_a_reply_and_what_stays_under_it() -> None:
    harness = Harness(conversation_session(REPLY_TEMPLATE, seed=42, pace=100))
    harness.screen.print_greeting()
    assert harness.send("hi") == [
        "emo takes turns. Type a message and it replies.",
        "Ctrl-C stops a reply · Ctrl-D leaves · /help",
        "",
        "Well, seed 42 is as good as any other number.",
        "Or is it?",
        "seed 42 · 55 characters · 0.72 bits/char",
    ]


def test_what_was_picked_stands_behind_its_beginning_and_has_no_seed() -> None:
    harness = Harness(conversation_session("abcdef", max_chars=3))
    rows = harness.send("hi", "/peek", "/pick 1")
    assert rows[-2:] == ["abca", "picked · 1 character · Enter continues"]
    harness = Harness(conversation_session("abcdef", max_chars=3))
    rows = harness.send("hi", "/peek", "/pick 2")
    assert rows[-2:] == ["abc (nothing)", "picked · 0 characters"]


def test_a_narrow_reply() -> None:
    harness = Harness(conversation_session(REPLY_TEMPLATE, seed=42), width=20)
    assert harness.send("hi") == ["Well, seed 42 is as", "good as any other", "number.", "Or is it?", "seed 42"]


def test_a_wide_reply() -> None:
    harness = Harness(conversation_session(REPLY_TEMPLATE * 4, seed=42), width=200)
    rows = harness.send("hi")
    assert rows[-1] == "seed 42 · 220 characters · 0.72 bits/char"
    assert len(rows) == 6


def test_a_continued_line_stands_before_its_end() -> None:
    harness = Harness(completion_session(" and so on", seed=1))
    assert harness.send("Once upon a time") == ["Once upon a time and so on", "seed 1 · 10 characters · 0.72 bits/char"]


def test_the_limit_says_how_to_go_on() -> None:
    harness = Harness(conversation_session("abcdefgh", seed=1, max_chars=5))
    assert harness.send("hi", "") == [
        "abcde",
        "seed 1 · 5 characters · 0.72 bits/char · limit reached; Enter continues",
        "",
        "abcdeabcde",
        "seed 2 · 5 characters · 0.72 bits/char · limit reached; Enter continues",
    ]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_every_command_fits_its_terminal(width: int) -> None:
    harness = Harness(conversation_session(REPLY_TEMPLATE), width)
    rows = harness.send("hi", "/help", "/temp 0.3", "/temp x", "/bogus", "/model", "/regen", "/history", "/reset")
    assert all(cell_len(row) <= width for row in rows)
    text = " ".join(" ".join(rows).split())
    for said in (
        "/repeat-penalty",
        "generate the last reply again",
        "there is no command /bogus",
        "bard",
        "conversation reset",
    ):
        assert said in text


def test_a_list_on_a_wide_terminal_has_columns() -> None:
    rows = Harness(conversation_session()).send("/set")
    temp, seed = (next(row for row in rows if row.startswith(name)) for name in ("temp", "seed"))
    assert temp.split(maxsplit=2) == ["temp", "0.8", "temperature (0.2 conservative, 1.5 wild)"]
    assert seed.split(maxsplit=2) == ["seed", "7", "random seed of the next reply"]
    assert temp.index("temperature") == seed.index("random")


def test_a_list_on_a_narrow_terminal_has_its_descriptions_below() -> None:
    rows = Harness(conversation_session(), width=40).send("/set")
    temp = rows.index("temp 0.8")
    assert rows[temp + 1 : temp + 3] == ["  temperature (0.2 conservative, 1.5", "  wild)"]


def test_help_fits_a_screen() -> None:
    rows = Harness(conversation_session()).send("/help")
    assert len(rows) <= 24
    assert rows[0].split(maxsplit=1)[0] == "replies"
    assert any(row.split(maxsplit=1)[:1] == ["settings"] for row in rows)


def test_help_on_a_narrow_terminal_has_groups_above() -> None:
    rows = Harness(conversation_session(), width=40).send("/help")
    assert rows[rows.index("history") + 1] == "  /undo [N]"
    assert all(len(row) <= 40 for row in rows)


def test_an_error_says_what_and_what_to_do() -> None:
    rows = Harness(conversation_session()).send("/tepm 1")
    assert rows[0] == "there is no command /tepm"
    assert rows[1].startswith("did you mean /temp?")


def test_quit_leaves() -> None:
    harness = Harness(conversation_session())
    harness.send("/quit")
    assert harness.screen.quit_requested


def test_a_dumb_terminal_gets_plain_text() -> None:
    harness = Harness(conversation_session(REPLY_TEMPLATE, seed=42), environment={"TERM": "dumb"})
    harness.send("hi", "/seed")
    assert "\x1b" not in harness.emulator.written
    assert "Or is it?" in harness.emulator.rows


def test_no_color_means_none() -> None:
    harness = Harness(
        conversation_session(REPLY_TEMPLATE, seed=42), environment={"TERM": "xterm-256color", "NO_COLOR": "1"}
    )
    harness.send("hi", "/help", "/nothing")
    assert not any(f"\x1b[{code}" in harness.emulator.written for code in ("31", "36", "1;31", "1;36"))


def test_what_a_model_says_or_is_called_steers_nothing() -> None:
    evil = "\x1b]0;title\x07\x1b[2J\x9b5A\u202ereversed[bold red]x"
    session = Session(FakeModelProvider(**{evil: FakeChatModel(True, evil)}), None, conversation_session().config, 0)
    harness = Harness(session)
    harness.screen.print_greeting()
    harness.send("hi", "/help", "/model", f"/model {evil}", f"/{evil}", "/history", evil)
    assert not any(char in harness.emulator.written for char in ("\x07", "\x9b", "\u202e", "\x1b]0", "\x1b[2J"))
    assert "[bold red]x" in "".join(harness.emulator.rows)


def test_ctrl_c_stops_the_reply_and_keeps_it() -> None:
    session = conversation_session("abcdefgh" * 50, pace=20)
    harness = Harness(session)
    naps = 0

    def sleep(seconds: float) -> None:
        nonlocal naps
        naps += 1
        harness.clock.sleep(seconds)
        if naps == 10:
            os.kill(os.getpid(), signal.SIGINT)

    harness.screen = ChatScreen(session, harness.screen._console, harness.clock, sleep)
    before = signal.getsignal(signal.SIGINT)
    with _handle_sigint(session, PlainPrompt(harness.screen._console)):
        rows = harness.send("hi")
        harness.send("/temp 1")
    assert signal.getsignal(signal.SIGINT) is before
    assert session.turns[-1].stopped == "interrupted"
    assert rows[0] == session.turns[-1].reply
    assert 0 < len(rows[0]) < 40
    assert rows[1].endswith("stopped; Enter continues")


def test_a_book_shows_how_far_it_was_read_and_can_be_stopped() -> None:
    session = conversation_session(pace=0)
    harness = Harness(session)
    model = session.model
    assert isinstance(model, FakeChatModel)
    read = model.read

    def read_some(state: object, text: str) -> object:
        if len(model.texts_read) == 20:
            session.stop()
        harness.clock.now += 1
        return read(state, text)  # type: ignore[arg-type]

    model.read = read_some  # type: ignore[assignment, method-assign]
    rows = harness.send("word " * 100_000)
    assert "reading" in harness.emulator.written
    assert rows == ["stopped before the message was processed"]
    assert len(model.texts_read) == 21


def test_the_footers_keep_the_seed_however_narrow() -> None:
    session = conversation_session(seed=42)
    Harness(session).send("hi")
    turn = session.turns[-1]
    assert reply_footer(turn, 80) == "seed 42 · 4 characters · 0.72 bits/char"
    assert reply_footer(turn, 20) == "seed 42"
    assert "· 1 character ·" in reply_footer(dataclasses.replace(turn, reply="o"), 80)
    assert "· 1,234 characters ·" in reply_footer(dataclasses.replace(turn, reply="o" * 1234), 80)
    assert footer(session, 80) == "emo · seed 43 · temp 0.8 · private · /help"
    assert footer(session, 20) == "emo · seed 43"


@pytest.mark.parametrize(
    ("gained_bits", "shown"),
    [
        (None, "learning"),
        (0.0, "learning"),
        (0.4, "learning"),
        (-0.4, "learning"),
        (1.2, "learning, 0.01 bits/char better"),
        (-25.0, "learning, 0.25 bits/char worse"),
    ],
)
def test_the_footer_says_whether_learning_helps(
    gained_bits: float | None, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = conversation_session(seed=42)
    session.set_learning(True)
    learned = None if gained_bits is None else UpdatedModel(session.model, 3, gained_bits, chars=100)
    monkeypatch.setattr(TurnLearner, "known", lambda *_: learned)
    assert footer(session, 80) == f"emo · {shown} · seed 42 · temp 0.8 · private · /help"


def test_the_footer_has_what_is_not_as_usual() -> None:
    session = conversation_session(seed=42)
    for line in ("/top-k 5", "/mirostat 2", "/relevance 0.4", "/fork b", "/stop \\n", "/block so", "/block it goes on"):
        for _ in handle_line(session, line):
            pass
    assert footer(session, 200) == (
        "emo · seed 42 · temp 0.8 · private · branch b · top-k 5 · mirostat 2 · relevance 0.4 · stop '\\n'"
        " · block 'so' 'it goes on' · /help"
    )
    assert footer(session, 80) == "emo · seed 42 · temp 0.8 · private · branch b · top-k 5 · mirostat 2"
    for _ in handle_line(session, "/block and on and on"):
        pass
    assert "block (3) · /help" in footer(session, 200)


def test_the_footer_has_what_is_switched_off() -> None:
    model = FakeChatModel(True)
    model.tokenizer.kind = "subword"
    config = dataclasses.replace(default_config(conversations=True, tokenizer="subword"), seed=1)
    session = Session(FakeModelProvider(emo=model), None, config, 0)
    assert footer(session, 200) == "emo · seed 1 · temp 0.6 · private · /help"
    for line in ("/best-of 1", "/relevance 0", "/repeat-penalty 1"):
        for _ in handle_line(session, line):
            pass
    assert "private · repeat-penalty off · relevance off · best-of off" in footer(session, 200)


def test_where_a_session_was_left_is_told(tmp_path: Path) -> None:
    store = SessionStore(tmp_path)
    with conversation_session(REPLY_TEMPLATE, store=store) as session:
        for line in ("hi", "and\nso \u202e" + "on " * 50, "/save trip"):
            for _ in handle_line(session, line):
                pass
    with conversation_session(REPLY_TEMPLATE, store=store) as session:
        session.load("trip")
        harness = Harness(session, 40)
        harness.screen.print_greeting()
        rows = harness.emulator.rows
        assert rows[-3] == "trip · 2 turns, the last one:"
        assert rows[-2].startswith("› and so on on")
        assert rows[-1] == "Well, seed 8 is as good as any other n…"
        assert cell_len(rows[-2]) <= cell_len(rows[-1]) == 39


@pytest.mark.parametrize(
    ("lines", "told"),
    [(1, "1 turn, at the beginning; /tree shows it"), (2, "2 turns, at the beginning; /tree shows them")],
)
def test_a_session_that_was_left_at_its_beginning_is_no_new_one(tmp_path: Path, lines: int, told: str) -> None:
    store = SessionStore(tmp_path)
    with conversation_session(store=store) as session:
        for line in (*["hi"] * lines, f"/undo {lines}", "/save trip"):
            for _ in handle_line(session, line):
                pass
    with conversation_session(store=store) as session:
        session.load("trip")
        harness = Harness(session, 80)
        harness.screen.print_greeting()
        assert harness.emulator.rows[-1] == f"trip · {told}"


def test_how_to_go_on_is_told_before_the_figures() -> None:
    session = completion_session("x" * 40, seed=(1 << 63) - 1, max_chars=20)
    for _ in session.send("so"):
        pass
    assert session.last is not None
    long = reply_footer(session.last, 80)
    assert long.endswith("limit reached; Enter continues")
    assert long.startswith("seed 9223372036854775807 · ")
    assert len(long) < 80


def test_a_line_that_the_model_cannot_read_in_full_is_told() -> None:
    rows = Harness(conversation_session(REPLY_TEMPLATE, seed=42)).send("hi 漢字")
    assert rows[0] == "2 symbols are not in the model's vocabulary: '漢', '字'"
    malformed = "\u202e漢\ud800" + "αβγδε" * 1000
    rows = Harness(conversation_session(REPLY_TEMPLATE, seed=42), 120).send(malformed)
    assert rows[0].startswith("5,003 symbols are not")
    assert rows[0].endswith(r"vocabulary: '\u202e', '漢', '�', 'α', 'β', …")


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter([b"hi\n\n  \n", b"^C", b"/temp", b" 2\n", b""])

    def read(descriptor: int, count: int) -> bytes:
        chunk = next(typed)
        if chunk == b"^C":
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()
        return chunk

    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("grucli.ui.chat.plain_prompt.os.read", read)
    captured = CapturedTerminal(TtyStream(), TtyStream())
    stdin, keyboard = os.pipe()
    with os.fdopen(stdin) as silent, os.fdopen(keyboard, "w"):
        monkeypatch.setattr(sys, "stdin", silent)
        run_screen(conversation_session(REPLY_TEMPLATE, seed=42), captured.terminal)
    assert "\x1b" not in captured.out + captured.err
    assert "> Well, seed 42 is as good as any other number.\nOr is it?\n" in captured.out
    assert captured.out.count("Or is it?") == 1  # an empty line has no meaning
    assert "press Ctrl-D" in captured.out.split("Or is it?")[1]
    assert "/temp: 2" in captured.out
