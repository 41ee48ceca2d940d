"""The screen of a chat: the user's line, replies that stream with a bar, and what the session has to tell.

It draws the events of a session and decides nothing about them. While a reply runs, Ctrl-C stops the reply; the line
has keys of its own.
"""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grucli.chat.commands import hear, introduction
from grucli.chat.events import Began, Ended, Left, Listed, Misread, Reading, Refused, Said, Told
from grucli.chat.session import Session
from grucli.chat.turns import Turn
from grucli.paths import data_dir
from grucli.ui.chat_line import ChatLine
from grucli.ui.console import Terminal, can_redraw
from grucli.ui.plain_line import PlainLine
from grucli.ui.reply_view import ReplyView, fitting
from grucli.ui.safe import safe_line

if sys.platform != "win32":
    import termios

HISTORY = "chat_history"
_NARROW = 60  # columns: below, each description has a line of its own


def talk(session: Session, terminal: Terminal) -> None:
    """Let the user talk with `session` until they leave."""
    console = terminal.data
    line: ChatLine | PlainLine = PlainLine(console)
    if can_redraw(console):
        line = ChatLine(session, data_dir() / HISTORY, lambda: standing(session, console.width))
    screen = ChatScreen(session, console)
    if terminal.quiet == 0:
        screen.greet()
    with _ctrl_c_stops(session):
        while not screen.left:
            try:
                said = line.ask()
            except KeyboardInterrupt:
                screen.hint("Ctrl-D leaves, and so does /quit")
            except EOFError:
                return
            else:
                screen.answer(said)


class ChatScreen:
    """Draws what a session does with a line on `console`. `left` becomes true when the user asked to leave.

    `clock` gives seconds and `sleep` takes them; tests have their own.
    """

    def __init__(
        self,
        session: Session,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.left = False
        self._session, self._console, self._clock, self._sleep = session, console, clock, sleep

    def greet(self) -> None:
        """Say how to talk with the model, and how to leave."""
        self._print(introduction(self._session), "bold")
        self.hint("Ctrl-C stops a reply · Ctrl-D leaves · /help")

    def hint(self, text: str) -> None:
        """Say something in passing."""
        self._print(text, "dim")
        self._console.print()

    def answer(self, line: str) -> None:
        """Let the session hear `line`, and draw what comes of it."""
        if not line.strip() and not self._session.can_go_on:
            return
        with _silent_keys(), contextlib.ExitStack() as drawing:
            session = self._session
            view = ReplyView(self._console, session.pace, lambda: session.stopping, self._clock, self._sleep)
            for event in hear(session, line):
                if isinstance(event, Reading | Began | Said):
                    if not view.open:
                        drawing.enter_context(view)
                    _draw_reply(view, event)
                else:
                    drawing.close()
                    self._draw(event)

    def _draw(self, event: Ended | Told | Misread | Listed | Refused | Left) -> None:
        match event:
            case Ended(turn):
                self.hint(summary(turn, self._console.width))
            case Told(text):
                self.hint(text)
            case Misread():
                self.hint(event.words)
            case Listed(rows):
                self._list(rows)
            case Refused(what, todo):
                self._console.print(Text.assemble((safe_line(what), "bold red")), soft_wrap=False)
                self.hint(todo)
            case Left():
                self.left = True

    def _list(self, rows: tuple[tuple[str, str, str], ...]) -> None:
        narrow = self._console.width < _NARROW
        table = Table.grid(padding=(0, 2, 0, 0))
        for name, value, text in rows:
            head = (Text(safe_line(name), "cyan"), Text(safe_line(value), "bold"))
            if narrow:
                self._console.print(Text(" ").join(head))
                if text:
                    self._console.print(Padding(Text(safe_line(text), "dim"), (0, 0, 0, 2)))
            else:
                table.add_row(*head, Text(safe_line(text), "dim"))
        if not narrow:
            self._console.print(table)
        self._console.print()

    def _print(self, text: str, style: str) -> None:
        self._console.print(Text(safe_line(text), style))


def _draw_reply(view: ReplyView, event: Reading | Began | Said) -> None:
    match event:
        case Reading(done, total):
            view.read(done, total)
        case Began(lead, seed, limit):
            view.begin(seed, limit)
            view.lead(lead)
        case Said(text, bits_per_char):
            view.say(text, bits_per_char)


def summary(turn: Turn, width: int) -> str:
    """What stays under a reply, in fewer than `width` columns: its seed first, which makes it again."""
    ended = {"length": "at the limit: Enter alone goes on", "interrupted": "stopped: Enter alone goes on"}
    bits = "" if turn.bits_per_char is None else f"{turn.bits_per_char:.2f} bits/char"
    length = f"{len(turn.reply)} character{'' if len(turn.reply) == 1 else 's'}"
    seed, note = f"seed {turn.seed}", ended.get(turn.stopped, "")
    # How to go on is worth more than the figures, but stands behind them.
    noted = bool(note) and len(fitting([seed, note], width - 1)) == 2
    figures = fitting([seed, length, bits], width - 1 - (len(note) + 3 if noted else 0))
    return " · ".join([*figures, note] if noted else figures)


def standing(session: Session, width: int) -> str:
    """What stands under the line while the user types: whom they talk with, and how the next reply will be drawn."""
    draw = session.draw
    return " · ".join(fitting([session.model, f"seed {draw.seed}", f"temp {draw.temp:g}", "/help"], width - 1))


@contextlib.contextmanager
def _ctrl_c_stops(session: Session) -> Iterator[None]:
    """Let Ctrl-C stop a reply between two of its pieces, where both what is shown and what is remembered are whole."""
    before = signal.signal(signal.SIGINT, lambda *_: session.stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


@contextlib.contextmanager
def _silent_keys() -> Iterator[None]:
    """Keep what is typed meanwhile out of the reply: it is not shown, and waits for the next line."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)
    silent = termios.tcgetattr(stdin)
    silent[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(stdin, termios.TCSANOW, silent)
    try:
        yield
    finally:
        termios.tcsetattr(stdin, termios.TCSANOW, before)
