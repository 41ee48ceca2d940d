"""A chat whose lines are typed at a terminal: the loop of prompts, and Ctrl-C."""

import contextlib
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Protocol, TextIO

from rich.console import Console

from grucli.chat.session import Session
from grucli.errors import pluralize
from grucli.ui.chat.pipe import PipeWriter
from grucli.ui.chat.plain_prompt import PlainPrompt
from grucli.ui.chat.prompt import ChatPrompt, create_terminal_output
from grucli.ui.chat.screen import ChatScreen, footer
from grucli.ui.terminal.console import Terminal, supports_cursor_control
from grucli.ui.terminal.tty_control import echo


class Prompt(Protocol):
    """Asks for lines."""

    @property
    def interrupted(self) -> bool:
        """True if Ctrl-C was typed after the last line."""

    def read_line(self) -> str:
        """Return the line that the user entered; raise EOFError at the end, KeyboardInterrupt for Ctrl-C."""

    def interrupt(self) -> None:
        """Handle the signal of Ctrl-C."""

    def read_ahead(self) -> None:
        """Queue what was typed since, without waiting."""

    def drop_queued(self) -> int:
        """Drop what was typed after the last line, and return the number of lines; `interrupted` is False then."""


class View(Protocol):
    """Shows what a session does with each line. `quit_requested` becomes True when the user asks to leave."""

    quit_requested: bool

    def print_notices(self) -> None:
        """Print the notices of the session."""

    def print_hint(self, text: str) -> None:
        """Print a message."""

    def handle(self, line: str) -> None:
        """Run `line` and show its events."""


def run_screen(session: Session, terminal: Terminal) -> None:
    """Run a chat on the terminal until the user leaves."""
    prompt = _open_prompt(session, terminal.data, sys.stdout)
    screen = ChatScreen(session, terminal.data, on_event=_on_event(session, prompt))
    if terminal.quiet == 0:
        screen.print_greeting()
    _run(session, prompt, screen)


def run_typed(session: Session, terminal: Terminal, *, json: bool = False) -> None:
    """Answer typed lines on stdout as in a pipe, with the prompts on stderr, until the user leaves."""
    if not terminal.data.is_terminal:
        terminal.info(f"replies go to {describe_output(sys.stdout)}, one per line; Ctrl-D leaves, /help lists commands")
    prompt = _open_prompt(session, terminal.messages, sys.stderr)
    _run(session, prompt, PipeWriter(session, terminal, _on_event(session, prompt), json=json))


def describe_output(stream: TextIO) -> str:
    """Return where the text written to `stream` goes: the path of a file where the system tells, or its kind."""
    status = os.fstat(stream.fileno())
    if stat.S_ISREG(status.st_mode):
        with contextlib.suppress(OSError):
            return f"'{Path(f'/proc/self/fd/{stream.fileno()}').readlink()}'"
        return "a file"
    return "a pipe" if stat.S_ISFIFO(status.st_mode) else "stdout, which is not a terminal"


def _open_prompt(session: Session, console: Console, stream: TextIO) -> Prompt:
    if not supports_cursor_control(console):
        return PlainPrompt(console)
    return ChatPrompt(session, lambda: footer(session, console.width), terminal_output=create_terminal_output(stream))


def _on_event(session: Session, prompt: Prompt) -> Callable[[], None]:
    def on_event() -> None:
        prompt.read_ahead()
        if prompt.interrupted:  # perhaps before the reply began
            session.stop()

    return on_event


def _run(session: Session, prompt: Prompt, view: View) -> None:
    view.print_notices()
    with _handle_sigint(session, prompt), echo(on=False):
        while not view.quit_requested:
            num_dropped, hint = 0, ""
            try:
                line = prompt.read_line()
                if prompt.interrupted:
                    num_dropped = 1
                elif line.strip() or session.can_continue:
                    view.handle(line)
                if not prompt.interrupted:
                    continue
            except KeyboardInterrupt:
                hint = "press Ctrl-D or type /quit to leave"
            except EOFError:
                return
            num_dropped += prompt.drop_queued()
            if num_dropped:
                hint = f"{pluralize(num_dropped, 'queued line')} dropped"
            if hint:
                view.print_hint(hint)


@contextlib.contextmanager
def _handle_sigint(session: Session, prompt: Prompt) -> Iterator[None]:
    """Make Ctrl-C interrupt the prompt, or stop a reply between two chunks, where view and session agree."""

    def handle(signum: int, frame: FrameType | None) -> None:
        prompt.interrupt()
        session.stop()

    previous_handler = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous_handler or signal.SIG_DFL)
