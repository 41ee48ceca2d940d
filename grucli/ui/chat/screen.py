"""The screen of a chat: the user's line, replies that stream with a bar, and what the session has to tell.

It draws the events of a session and decides nothing about them. While a reply runs, Ctrl-C stops the reply; the line
has keys of its own.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.text import Text

from grucli.chat.chat_settings import SETTINGS
from grucli.chat.commands import hear, introduction
from grucli.chat.events import (
    Answer,
    Began,
    Ended,
    Left,
    Misread,
    Reading,
    Said,
    SpreadEnded,
    Spreading,
    SpreadSaid,
)
from grucli.chat.session import Session
from grucli.chat.turns import Turn
from grucli.paths import data_dir
from grucli.ui.chat.command_results import print_answer
from grucli.ui.chat.plain_prompt import PlainLine
from grucli.ui.chat.prompt import ChatLine
from grucli.ui.chat.reply_view import ReplyView, last_words
from grucli.ui.chat.spread_view import SpreadView
from grucli.ui.terminal.console import Terminal, can_redraw
from grucli.ui.terminal.formatting import count_of
from grucli.ui.terminal.frame_pacer import Rhythm
from grucli.ui.terminal.progress import fitting
from grucli.ui.terminal.sanitize import safe, safe_line
from grucli.ui.terminal.terminal_echo import silent_keys
from grucli.ui.terminal.wrapping import clipped

HISTORY = "chat_history"


def talk(session: Session, terminal: Terminal) -> None:
    """Let the user talk with `session` until they leave."""
    console = terminal.data
    line: ChatLine | PlainLine = PlainLine(console)
    if can_redraw(console):
        line = ChatLine(session, data_dir() / HISTORY, lambda: standing(session, console.width))
    screen = ChatScreen(session, console)
    if terminal.quiet == 0:
        screen.greet()
    screen.remark()
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
        self._recall()

    def _recall(self) -> None:
        """Of a session that was taken up again: which it is, and what was said last, or that it is at its beginning."""
        last, log, said = self._session.last, self._session.log, len(self._session.tree.turns)
        if log is None or not said:
            return
        if last is None:
            shown = "it" if said == 1 else "them"
            self.hint(f"{log.name} · {count_of(said, 'turn')}, at the beginning; /tree shows {shown}")
            return
        width, plain = self._console.width - 1, self._console.options.ascii_only
        counted = f"{count_of(len(self._session.turns), 'turn')}, the last one:"
        self._print(" · ".join(fitting([log.name or "", counted], width)), "dim")
        lead = "> " if plain else "› "
        for text in filter(None, (f"{lead}{safe_line(last.line)}" if last.line else "", safe_line(last.reply))):
            self._print(clipped(text, width, plain), "dim")
        self._console.print()

    def remark(self) -> None:
        """Tell what there is to tell of the session before anything is said."""
        for event in self._session.remarks():
            self._draw(event, streamed=False)

    def hint(self, text: str) -> None:
        """Say something in passing."""
        self._print(text, "dim")
        self._console.print()

    def answer(self, line: str) -> None:
        """Let the session hear `line`, and draw what comes of it."""
        if not line.strip() and not self._session.can_go_on:
            return
        with silent_keys(), contextlib.ExitStack() as drawing:
            view: ReplyView | SpreadView | None = None
            for event in hear(self._session, line):
                match event:
                    case Reading() | Began() | Said():
                        if not isinstance(view, ReplyView):
                            drawing.close()
                            view = drawing.enter_context(ReplyView(self._console, self._rhythm()))
                        _draw_reply(view, event)
                    case Spreading() | SpreadSaid() | SpreadEnded():
                        if not isinstance(view, SpreadView):
                            drawing.close()
                            view = drawing.enter_context(SpreadView(self._console, self._rhythm()))
                        _draw_spread(view, event)
                    case _:
                        drawing.close()
                        self._draw(event, streamed=view is not None)
                        view = None

    def _rhythm(self) -> Rhythm:
        session = self._session
        return Rhythm(session.pace, lambda: session.stopping, self._clock, self._sleep)

    def _draw(self, event: Answer | Misread | Ended | Left, streamed: bool) -> None:
        """Draw what is not streamed; `streamed`: something was until now."""
        match event:
            case Ended(turn):
                if not streamed:
                    lead = safe(last_words(turn.lead, self._console.width // 2))
                    reply = (safe(turn.reply), "") if turn.reply else (" (nothing)" if lead else "(nothing)", "dim")
                    self._console.print(Text.assemble((lead, "dim"), reply))
                self.hint(summary(turn, self._console.width))
            case Misread():
                self.hint(event.words)
            case Left():
                self.left = True
            case _:
                print_answer(self._console, event)

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


def _draw_spread(view: SpreadView, event: Spreading | SpreadSaid | SpreadEnded) -> None:
    match event:
        case Spreading(titles, lead, seed, limit):
            view.begin(titles, lead, seed, limit)
        case SpreadSaid(column, text, bits_per_char):
            view.say(column, text, bits_per_char)
        case SpreadEnded(column, turn):
            view.end(column, turn)


def summary(turn: Turn, width: int) -> str:
    """What stays under a reply, in fewer than `width` columns: its seed first, which makes it again, if one does."""
    on = "Enter alone goes on"
    ended = {"length": f"at the limit: {on}", "interrupted": on if turn.picked else f"stopped: {on}"}
    bits = "" if turn.bits_per_char is None else f"{turn.bits_per_char:.2f} bits/char"
    length = count_of(len(turn.reply), "character")
    seed, note = "picked" if turn.picked else f"seed {turn.seed}", ended.get(turn.stopped, "")
    # How to go on is worth more than the figures, but stands behind them.
    noted = bool(note) and len(fitting([seed, note], width - 1)) == 2
    figures = fitting([seed, length, bits], width - 1 - (len(note) + 3 if noted else 0))
    return " · ".join([*figures, note] if noted else figures)


def standing(session: Session, width: int) -> str:
    """What stands under the line while the user types: whom they talk with, and how the next reply will be drawn."""
    draw, tree = session.draw, session.tree
    branch = f"branch {safe_line(tree.branch)}" if len(tree.branches) > 1 else ""
    others = (setting for setting in SETTINGS if setting.field not in ("temp", "seed"))
    changed = [safe_line(setting.brief(session)) for setting in others if setting.changed(session)]
    fields = [session.model, f"seed {draw.seed}", f"temp {draw.temp:g}", branch, *changed, "/help"]
    return " · ".join(fitting(fields, width - 1))


@contextlib.contextmanager
def _ctrl_c_stops(session: Session) -> Iterator[None]:
    """Let Ctrl-C stop a reply between two of its pieces, where both what is shown and what is remembered are whole."""
    before = signal.signal(signal.SIGINT, lambda *_: session.stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
