import dataclasses
import io
import os
import signal
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from grucli.chat.commands import hear
from grucli.chat.session import Session
from grucli.chat.session_store import Archive
from grucli.ui.chat.screen import ChatScreen, _ctrl_c_stops, standing, summary, talk
from tests.chat.fakes import FakeShelf, FakeVoice, talker, writer
from tests.ui.chat.test_reply_view import Clock
from tests.ui.emulator import Emulator
from tests.ui.fake_streams import Screen, Terminals

SAYS = "Well, seed {seed} is as good as any other number.\nOr is it?"


class Stage:
    """A chat screen on an emulated terminal; what is typed goes straight to it."""

    def __init__(self, session: Session, width: int = 80, environment: dict[str, str] | None = None) -> None:
        self.session = session
        self.clock = Clock()
        self.emulator = Emulator(width, 60)
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

    def type(self, *lines: str) -> list[str]:
        for line in lines:
            self.screen.answer(line)
        return self.emulator.rows


def test_a_reply_and_what_stays_under_it() -> None:
    stage = Stage(talker(SAYS, seed=42, pace=100))
    stage.screen.greet()
    assert stage.type("hi") == [
        "emo takes turns: say something, and it answers.",
        "Ctrl-C stops a reply · Ctrl-D leaves · /help",
        "",
        "Well, seed 42 is as good as any other number.",
        "Or is it?",
        "seed 42 · 55 characters · 0.72 bits/char",
    ]


def test_what_was_picked_stands_behind_its_beginning_and_has_no_seed() -> None:
    stage = Stage(talker("abcdef", max_chars=3))
    rows = stage.type("hi", "/peek", "/pick 1")
    assert rows[-2:] == ["abca", "picked · 1 character · Enter alone goes on"]
    stage = Stage(talker("abcdef", max_chars=3))
    rows = stage.type("hi", "/peek", "/pick 2")
    assert rows[-2:] == ["abc (nothing)", "picked · 0 characters"]


def test_a_narrow_reply() -> None:
    stage = Stage(talker(SAYS, seed=42), width=20)
    assert stage.type("hi") == ["Well, seed 42 is as", "good as any other", "number.", "Or is it?", "seed 42"]


def test_a_wide_reply() -> None:
    stage = Stage(talker(SAYS * 4, seed=42), width=200)
    rows = stage.type("hi")
    assert rows[-1] == "seed 42 · 220 characters · 0.72 bits/char"
    assert len(rows) == 6


def test_a_continued_line_stands_before_its_end() -> None:
    stage = Stage(writer(" and so on", seed=1))
    assert stage.type("Once upon a time") == ["Once upon a time and so on", "seed 1 · 10 characters · 0.72 bits/char"]


def test_the_limit_says_how_to_go_on() -> None:
    stage = Stage(talker("abcdefgh", seed=1, max_chars=5))
    assert stage.type("hi", "") == [
        "abcde",
        "seed 1 · 5 characters · 0.72 bits/char · at the limit: Enter alone goes on",
        "",
        "abcdeabcde",
        "seed 2 · 5 characters · 0.72 bits/char · at the limit: Enter alone goes on",
    ]


def test_an_empty_line_without_a_meaning_draws_nothing() -> None:
    stage = Stage(talker())
    assert stage.type("", "   ") == []


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_every_command_fits_its_terminal(width: int) -> None:
    stage = Stage(talker(SAYS), width)
    rows = stage.type("hi", "/help", "/temp 0.3", "/temp x", "/bogus", "/model", "/regen", "/history", "/reset")
    assert all(cell_len(row) <= width for row in rows)
    text = " ".join(" ".join(rows).split())
    for said in ("/repeat-penalty", "draw the last reply again", "there is no command /bogus", "bard", "begins anew"):
        assert said in text


def test_a_list_on_a_wide_terminal_has_columns() -> None:
    rows = Stage(talker()).type("/set")
    temp, seed = (next(row for row in rows if row.startswith(name)) for name in ("temp", "seed"))
    assert temp.split(maxsplit=2) == ["temp", "0.8", "how daring: 0.2 careful, 0.8 lively, 1.5 wild"]
    assert seed.split(maxsplit=2) == ["seed", "7", "of the next reply: the same seed, the same reply"]
    assert temp.index("how") == seed.index("of the next")


def test_a_list_on_a_narrow_terminal_has_its_descriptions_below() -> None:
    rows = Stage(talker(), width=40).type("/set")
    temp = rows.index("temp 0.8")
    assert rows[temp + 1 : temp + 3] == ["  how daring: 0.2 careful, 0.8 lively,", "  1.5 wild"]


def test_help_fits_a_screen() -> None:
    rows = Stage(talker()).type("/help")
    assert len(rows) <= 24
    assert rows[0].split(maxsplit=1)[0] == "replies"
    assert any(row.split(maxsplit=1)[:1] == ["settings"] for row in rows)


def test_help_on_a_narrow_terminal_has_groups_above() -> None:
    rows = Stage(talker(), width=40).type("/help")
    assert rows[rows.index("places") + 1] == "  /undo [N]"
    assert all(len(row) <= 40 for row in rows)


def test_an_error_says_what_and_what_to_do() -> None:
    rows = Stage(talker()).type("/tepm 1")
    assert rows[0] == "there is no command /tepm"
    assert rows[1].startswith("did you mean /temp?")


def test_quit_leaves() -> None:
    stage = Stage(talker())
    stage.type("/quit")
    assert stage.screen.left


def test_a_dumb_terminal_gets_plain_text() -> None:
    stage = Stage(talker(SAYS, seed=42), environment={"TERM": "dumb"})
    stage.type("hi", "/seed")
    assert "\x1b" not in stage.emulator.written
    assert "Or is it?" in stage.emulator.rows


def test_no_color_means_none() -> None:
    stage = Stage(talker(SAYS, seed=42), environment={"TERM": "xterm-256color", "NO_COLOR": "1"})
    stage.type("hi", "/help", "/nothing")
    assert not any(f"\x1b[{code}" in stage.emulator.written for code in ("31", "36", "1;31", "1;36"))


def test_what_a_model_says_or_is_called_steers_nothing() -> None:
    evil = "\x1b]0;title\x07\x1b[2J\x9b5A\u202ereversed[bold red]x"
    session = Session(FakeShelf(**{evil: FakeVoice(True, evil)}), None, talker().draw, 0)
    stage = Stage(session)
    stage.screen.greet()
    stage.type("hi", "/help", "/model", f"/model {evil}", f"/{evil}", "/history", evil)
    assert not any(sign in stage.emulator.written for sign in ("\x07", "\x9b", "\u202e", "\x1b]0", "\x1b[2J"))
    assert "[bold red]x" in "".join(stage.emulator.rows)


def test_ctrl_c_stops_the_reply_and_keeps_it() -> None:
    session = talker("abcdefgh" * 50, pace=20)
    stage = Stage(session)
    naps = 0

    def sleep(seconds: float) -> None:
        nonlocal naps
        naps += 1
        stage.clock.sleep(seconds)
        if naps == 10:
            os.kill(os.getpid(), signal.SIGINT)

    stage.screen = ChatScreen(session, stage.screen._console, stage.clock, sleep)
    before = signal.getsignal(signal.SIGINT)
    with _ctrl_c_stops(session):
        rows = stage.type("hi")
        stage.type("/temp 1")
    assert signal.getsignal(signal.SIGINT) is before
    assert session.turns[-1].stopped == "interrupted"
    assert rows[0] == session.turns[-1].reply
    assert 0 < len(rows[0]) < 40
    assert rows[1].endswith("stopped: Enter alone goes on")


def test_a_book_shows_how_far_it_was_read_and_can_be_stopped() -> None:
    session = talker(pace=0)
    stage = Stage(session)
    voice = session.voice
    assert isinstance(voice, FakeVoice)
    read = voice.read

    def read_some(state: object, text: str) -> object:
        if len(voice.heard) == 20:
            session.stop()
        stage.clock.now += 1
        return read(state, text)  # type: ignore[arg-type]

    voice.read = read_some  # type: ignore[assignment, method-assign]
    rows = stage.type("word " * 100_000)
    assert "reading" in stage.emulator.written
    assert rows == ["stopped: none of this line was heard"]
    assert len(voice.heard) == 21


def test_the_footers_keep_the_seed_however_narrow() -> None:
    session = talker(seed=42)
    Stage(session).type("hi")
    turn = session.turns[-1]
    assert summary(turn, 80) == "seed 42 · 4 characters · 0.72 bits/char"
    assert summary(turn, 20) == "seed 42"
    assert "· 1 character ·" in summary(dataclasses.replace(turn, reply="o"), 80)
    assert "· 1,234 characters ·" in summary(dataclasses.replace(turn, reply="o" * 1234), 80)
    assert standing(session, 80) == "emo · seed 43 · temp 0.8 · /help"
    assert standing(session, 20) == "emo · seed 43"


def test_the_footer_has_what_is_not_as_usual() -> None:
    session = talker(seed=42)
    for line in ("/top-k 5", "/mirostat 2", "/relevance 0.4", "/fork b", "/stop \\n", "/block so", "/block it goes on"):
        for _ in hear(session, line):
            pass
    assert standing(session, 200) == (
        "emo · seed 42 · temp 0.8 · branch b · top-k 5 · mirostat 2 · relevance 0.4 · stop '\\n'"
        " · block 'so' 'it goes on' · /help"
    )
    assert standing(session, 80) == "emo · seed 42 · temp 0.8 · branch b · top-k 5 · mirostat 2 · relevance 0.4"
    for _ in hear(session, "/block and on and on"):
        pass
    assert "block (3) · /help" in standing(session, 200)


def test_where_a_session_was_left_is_told(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    with talker(SAYS, archive=archive) as session:
        for line in ("hi", "and\nso \u202e" + "on " * 50, "/save trip"):
            for _ in hear(session, line):
                pass
    with talker(SAYS, archive=archive) as session:
        session.load("trip")
        stage = Stage(session, 40)
        stage.screen.greet()
        rows = stage.emulator.rows
        assert rows[-3] == "trip · 2 turns, the last one:"
        assert rows[-2].startswith("› and so on on")
        assert rows[-1] == "Well, seed 8 is as good as any other n…"
        assert cell_len(rows[-2]) <= cell_len(rows[-1]) == 39


@pytest.mark.parametrize(
    ("lines", "told"),
    [(1, "1 turn, at the beginning; /tree shows it"), (2, "2 turns, at the beginning; /tree shows them")],
)
def test_a_session_that_was_left_at_its_beginning_is_no_new_one(tmp_path: Path, lines: int, told: str) -> None:
    archive = Archive(tmp_path)
    with talker(archive=archive) as session:
        for line in (*["hi"] * lines, f"/undo {lines}", "/save trip"):
            for _ in hear(session, line):
                pass
    with talker(archive=archive) as session:
        session.load("trip")
        stage = Stage(session, 80)
        stage.screen.greet()
        assert stage.emulator.rows[-1] == f"trip · {told}"


def test_how_to_go_on_is_told_before_the_figures() -> None:
    session = writer("x" * 40, seed=(1 << 63) - 1, max_chars=20)
    for _ in session.say("so"):
        pass
    assert session.last is not None
    long = summary(session.last, 80)
    assert long.endswith("at the limit: Enter alone goes on")
    assert long.startswith("seed 9223372036854775807 · ")
    assert len(long) < 80


def test_a_line_that_the_model_cannot_read_in_full_is_told() -> None:
    rows = Stage(talker(SAYS, seed=42)).type("hi 漢字")
    assert rows[0] == "the model does not know 2 symbols of what it was given to read: '漢', '字'"
    odd = "\u202e漢\ud800" + "αβγδε" * 1000
    rows = Stage(talker(SAYS, seed=42), 120).type(odd)
    assert rows[0].startswith("the model does not know 5,003 symbols")
    assert rows[0].endswith(r"read: '\u202e', '漢', '�', 'α', 'β', …")


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = io.StringIO("hi\n^C\n/temp 2\n")

    class Keyboard:
        def isatty(self) -> bool:
            return False

        def readline(self) -> str:
            line = typed.readline()
            if line == "^C\n":
                os.kill(os.getpid(), signal.SIGINT)
                signal.pause()
            return line

    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdin", Keyboard())
    both = Terminals(Screen(), Screen())
    talk(talker(SAYS, seed=42), both.terminal)
    assert "\x1b" not in both.out + both.err
    assert "> Well, seed 42 is as good as any other number.\nOr is it?\n" in both.out
    assert "Ctrl-D leaves" in both.out.split("Or is it?")[1]
    assert "/temp: 2" in both.out
