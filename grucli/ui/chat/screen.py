"""The screen of a chat: streaming replies with a progress bar, and the results of commands.

It renders the events of a session and has no logic.
"""

import contextlib
import time
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from grucli.chat.chat_settings import SETTINGS
from grucli.chat.commands import greeting, handle_line
from grucli.chat.events import (
    CommandResult,
    PromptProgress,
    Quit,
    ReplyDelta,
    ReplyFinished,
    ReplyStarted,
    SpreadDelta,
    SpreadFinished,
    SpreadStarted,
    UnknownSymbols,
)
from grucli.chat.session import Session
from grucli.chat.turns import Turn
from grucli.errors import pluralize
from grucli.ui.chat.command_results import print_command_result
from grucli.ui.chat.reply_view import ReplyView, tail
from grucli.ui.chat.spread_view import SpreadView
from grucli.ui.terminal.formatting import fit_fields
from grucli.ui.terminal.live_text import FramePacer
from grucli.ui.terminal.sanitize import sanitize, sanitize_line
from grucli.ui.terminal.wrapping import truncate


class ChatScreen:
    """Renders what a session does with each line. `quit_requested` becomes True when the user asks to leave.

    `on_event` is called at each event. `clock` returns seconds and `sleep` takes them; tests replace both.
    """

    def __init__(
        self,
        session: Session,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        on_event: Callable[[], None] = lambda: None,
    ) -> None:
        self.quit_requested = False
        self._session, self._console, self._on_event = session, console, on_event
        self._clock, self._sleep = clock, sleep

    def print_greeting(self) -> None:
        """Print how to use the model, and how to leave."""
        self._print(greeting(self._session), "bold")
        self.print_hint("Ctrl-C stops a reply · Ctrl-D leaves · /help")
        self._print_resumed()

    def _print_resumed(self) -> None:
        last, log, num_turns = self._session.last, self._session.log, len(self._session.tree.turns)
        if log is None or not num_turns:
            return
        if last is None:
            pronoun = "it" if num_turns == 1 else "them"
            self.print_hint(f"{log.name} · {pluralize(num_turns, 'turn')}, at the beginning; /tree shows {pronoun}")
            return
        width, ascii_only = self._console.width - 1, self._console.options.ascii_only
        counted = f"{pluralize(len(self._session.turns), 'turn')}, the last one:"
        self._print(" · ".join(fit_fields([log.name or "", counted], width)), "dim")
        prompt = "> " if ascii_only else "› "
        for text in filter(
            None, (f"{prompt}{sanitize_line(last.line)}" if last.line else "", sanitize_line(last.reply))
        ):
            self._print(truncate(text, width, ascii_only), "dim")
        self._console.print()

    def print_notices(self) -> None:
        """Print the notices of the session."""
        for event in self._session.pop_notices():
            self._render_event(event, was_streamed=False)

    def print_hint(self, text: str) -> None:
        """Print a dim line and an empty one."""
        self._print(text, "dim")
        self._console.print()

    def handle(self, line: str) -> None:
        """Run `line` and render its events."""
        with contextlib.ExitStack() as view_stack:
            view: ReplyView | SpreadView | None = None
            for event in handle_line(self._session, line):
                self._on_event()
                match event:
                    case PromptProgress() | ReplyStarted() | ReplyDelta():
                        if not isinstance(view, ReplyView):
                            view_stack.close()
                            view = view_stack.enter_context(ReplyView(self._console, self._new_pacer()))
                        _render_reply(view, event)
                    case SpreadStarted() | SpreadDelta() | SpreadFinished():
                        if not isinstance(view, SpreadView):
                            view_stack.close()
                            view = view_stack.enter_context(SpreadView(self._console, self._new_pacer()))
                        _render_spread(view, event)
                    case _:
                        view_stack.close()
                        self._render_event(event, was_streamed=view is not None)
                        view = None

    def _new_pacer(self) -> FramePacer:
        session = self._session
        return FramePacer(session.pace, session.should_stop, self._clock, self._sleep)

    def _render_event(self, event: CommandResult | UnknownSymbols | ReplyFinished | Quit, was_streamed: bool) -> None:
        """Render an event that does not stream; `was_streamed`: the one before did."""
        match event:
            case ReplyFinished(turn):
                if not was_streamed:
                    prefix = sanitize(tail(turn.prefix, self._console.width // 2))
                    reply = (
                        (sanitize(turn.reply), "") if turn.reply else (" (nothing)" if prefix else "(nothing)", "dim")
                    )
                    self._console.print(Text.assemble((prefix, "dim"), reply))
                self.print_hint(reply_footer(turn, self._console.width))
            case UnknownSymbols():
                self.print_hint(event.message)
            case Quit():
                self.quit_requested = True
            case _:
                print_command_result(self._console, event)

    def _print(self, text: str, style: str) -> None:
        self._console.print(Text(sanitize_line(text), style))


def _render_reply(view: ReplyView, event: PromptProgress | ReplyStarted | ReplyDelta) -> None:
    match event:
        case PromptProgress(done, total):
            view.read(done, total)
        case ReplyStarted(prefix, seed, max_chars):
            view.start(prefix, seed, max_chars)
        case ReplyDelta(text, bits_per_char):
            view.write(text, bits_per_char)


def _render_spread(view: SpreadView, event: SpreadStarted | SpreadDelta | SpreadFinished) -> None:
    match event:
        case SpreadStarted(titles, prefix, seed, max_chars):
            view.start(titles, prefix, seed, max_chars)
        case SpreadDelta(column, text, bits_per_char):
            view.write(column, text, bits_per_char)
        case SpreadFinished(column, turn):
            view.finish(column, turn)


def reply_footer(turn: Turn, width: int) -> str:
    """Return the line below a reply, in fewer than `width` columns: its seed first, which reproduces it."""
    continue_hint = "Enter continues"
    notices = {
        "length": f"limit reached; {continue_hint}",
        "interrupted": continue_hint if turn.picked else f"stopped; {continue_hint}",
    }
    bits = "" if turn.bits_per_char is None else f"{turn.bits_per_char:.2f} bits/char"
    length = pluralize(len(turn.reply), "character")
    seed, notice = "picked" if turn.picked else f"seed {turn.seed}", notices.get(turn.stopped, "")
    # The hint matters more than the figures, but comes after them.
    notice_fits = bool(notice) and len(fit_fields([seed, notice], width - 1)) == 2
    fields = fit_fields([seed, length, bits], width - 1 - (len(notice) + 3 if notice_fits else 0))
    return " · ".join([*fields, notice] if notice_fits else fields)


def _learning_field(session: Session) -> str:
    """Say that the session learns, and by how many bits per character it predicts the user's lines better."""
    if not session.learner.mode.on:
        return ""
    learned = session.learner.known(session.tree.head)
    gain = learned.gained_bits / learned.chars if learned is not None and learned.chars else 0.0
    if not round(gain, 2):
        return "learning"
    return f"learning, {abs(gain):.2f} bits/char {'better' if gain > 0 else 'worse'}"


def footer(session: Session, width: int) -> str:
    """Return the line below the input: the model, and how it will generate the next reply."""
    config, tree = session.config, session.tree
    private = "private" if session.store is None else ""
    branch = f"branch {sanitize_line(tree.branch)}" if len(tree.branches) > 1 else ""
    others = (setting for setting in SETTINGS if setting.option.name not in ("temp", "seed"))
    modified = [sanitize_line(setting.short_form(session)) for setting in others if setting.is_modified(session)]
    fields = [
        session.model_name,
        _learning_field(session),
        f"seed {config.seed}",
        f"temp {config.temp:g}",
        private,
        branch,
        *modified,
        "/help",
    ]
    return " · ".join(fit_fields(fields, width - 1))
