"""A chat without a screen: one prompt a line in, one reply a line out, for scripts. Nothing here is interactive."""

import sys
from collections.abc import Iterable

from grucli.chat.commands import hear
from grucli.chat.events import Ended, Left, Listed, Misread, Refused, Told
from grucli.chat.session import Session
from grucli.errors import UsageError
from grucli.ui.console import Terminal
from grucli.ui.safe import safe_line


def talk(session: Session, terminal: Terminal) -> None:
    """Answer what stands on stdin."""
    answer_lines(session, terminal, () if sys.stdin is None else sys.stdin.buffer)


def answer_lines(session: Session, terminal: Terminal, lines: Iterable[bytes]) -> None:
    """Answer each of `lines`, UTF-8, with one line on stdout, line breaks in a reply as blanks.

    Commands work as they do on a screen; what they have to say goes to stderr.
    """
    for line in lines:
        for event in hear(session, line.decode("utf-8", "replace").rstrip("\r\n")):
            match event:
                case Ended(turn):
                    terminal.print(safe_line(turn.reply))
                case Misread():
                    terminal.warn(event.words)
                case Told(text):
                    terminal.say(text)
                case Listed(rows):
                    for row in rows:
                        terminal.say(safe_line("  ".join(filter(None, row))))
                case Refused(what, todo):
                    terminal.print_error(UsageError(what, todo))
                case Left():
                    return
