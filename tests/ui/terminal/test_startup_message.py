"""The startup message: early, on terminals only, and overwritten by what follows."""

import sys

import pyte
import pytest

from grucli.__main__ import main
from grucli.ui.terminal import console
from grucli.ui.terminal.startup_message import print_startup_message
from tests.ui.fake_streams import PipeStream, TtyStream

MESSAGE = "loading...\r"


def set_tty_stderr(monkeypatch: pytest.MonkeyPatch) -> TtyStream:
    """Make stderr a terminal. Not a fixture: pytest replaces stderr after the fixtures."""
    monkeypatch.setenv("TERM", "xterm-256color")
    screen = TtyStream()
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def test_it_comes_before_the_consoles_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    err = set_tty_stderr(monkeypatch)
    seen: list[str] = []
    opened = console.open_terminal

    def open_terminal(quiet: int = 0) -> console.Terminal:
        seen.append(err.getvalue())
        return opened(quiet)

    monkeypatch.setattr(console, "open_terminal", open_terminal)
    main(["sample", "--temp", "-1"])
    assert seen[0] == MESSAGE


def test_an_error_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    err = set_tty_stderr(monkeypatch)
    assert main(["sample", "--prompt", "a", "--prompt-file", "b"]) == 2
    shown = pyte.Screen(80, 5)
    pyte.Stream(shown).feed(err.getvalue().replace("\n", "\r\n"))
    assert [line.rstrip() for line in shown.display[:3]] == [
        "gru: both --prompt and --prompt-file are given",
        "     give one of them",
        "",
    ]


@pytest.mark.parametrize("words", [["models"], ["models", "list"], ["sample", "-q", "--temp", "-1"], ["sample", "-h"]])
def test_where_nothing_takes_long_or_quiet_was_asked_for_it_is_not_said(
    monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    err = set_tty_stderr(monkeypatch)
    main(words)
    assert MESSAGE not in err.getvalue()


def test_it_is_for_terminals_that_can_draw_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    err = set_tty_stderr(monkeypatch)
    print_startup_message(0)
    assert err.getvalue() == MESSAGE
    monkeypatch.setenv("TERM", "dumb")
    print_startup_message(0)
    assert err.getvalue() == MESSAGE
    monkeypatch.setenv("TERM", "xterm")
    pipe = PipeStream()
    monkeypatch.setattr(sys, "stderr", pipe)
    print_startup_message(0)
    assert pipe.getvalue() == ""
