"""A chat without a screen, for scripts: one prompt per line in, one reply per line out."""

import codecs
import sys
from collections.abc import Callable, Iterable, Iterator

from grucli.chat.commands import handle_line
from grucli.chat.events import (
    Candidates,
    ChatEvent,
    CommandError,
    GateValues,
    Help,
    Listing,
    Message,
    NextTokens,
    Quit,
    ReplyFinished,
    SampleCommand,
    SpreadDelta,
    SpreadFinished,
    TextSurprisal,
    TurnTreeView,
    UnknownSymbols,
)
from grucli.chat.session import Session
from grucli.chat.turns import ROOT, preview
from grucli.errors import UsageError
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.sanitize import mark_line_breaks, sanitize, sanitize_line


def run_pipe(session: Session, terminal: Terminal, *, json: bool = False, commands: bool = False) -> bool:
    """Answer the lines of stdin as `handle_lines` does."""
    return handle_lines(session, terminal, () if sys.stdin is None else sys.stdin.buffer, json=json, commands=commands)


def handle_lines(
    session: Session, terminal: Terminal, lines: Iterable[bytes], *, json: bool = False, commands: bool = False
) -> bool:
    """Answer each of `lines`, UTF-8, as `PipeWriter` does, and return False if one of them failed.

    Every line is a message, also a blank one. With `commands` those that begin with `/` are commands, and an empty line
    continues a truncated reply.
    """
    writer = PipeWriter(session, terminal, json=json, commands=commands)
    writer.print_notices()
    for number, line in enumerate(lines):
        text = line.removeprefix(codecs.BOM_UTF8) if number == 0 else line
        writer.handle(text.decode("utf-8", "replace").rstrip("\r\n"))
        if writer.quit_requested:
            break
    return not writer.failed


class PipeWriter:
    """Writes each reply as one line on stdout, where its line breaks are spaces, and all else on stderr.

    With `json` everything is printed to stdout, one object per line, whose `type` is "reply", "message", "error" and so
    on. `quit_requested` becomes True when the user asks to leave, and `failed` when an error was reported. `on_event`
    is called at each event.
    """

    def __init__(
        self,
        session: Session,
        terminal: Terminal,
        on_event: Callable[[], None] = lambda: None,
        *,
        json: bool = False,
        commands: bool = True,
    ) -> None:
        self.quit_requested = self.failed = False
        self._session, self._terminal, self._on_event = session, terminal, on_event
        self._json, self._commands = json, commands

    def print_notices(self) -> None:
        """Print the notices of the session."""
        self._print(self._session.pop_notices())

    def print_hint(self, text: str) -> None:
        """Print a message."""
        self._terminal.info(text)

    def handle(self, line: str) -> None:
        """Run `line` and print its events."""
        replied = self._print(handle_line(self._session, line, commands=self._commands))
        if not replied and not self._commands and not self._json:
            self._terminal.print_data("")  # so that the n-th line is the reply to the n-th prompt

    def _print(self, events: Iterable[ChatEvent]) -> bool:
        """Print events, and return True if a reply was among them."""
        replied = False
        for event in _in_order(events):
            self._on_event()
            replied |= isinstance(event, ReplyFinished)
            self.failed |= isinstance(event, CommandError)
            self.quit_requested |= isinstance(event, Quit)
            if not self._json:
                _write(self._terminal, event)
            else:
                for document in event.to_json():
                    self._terminal.print_json(document)
        return replied


def _in_order(events: Iterable[ChatEvent]) -> Iterator[ChatEvent]:
    """Yield the events with the replies of a spread in the order of their columns, not that in which they end."""
    pending: list[SpreadFinished] = []
    for event in events:
        if isinstance(event, SpreadFinished):
            pending.append(event)
        elif not isinstance(event, SpreadDelta):
            yield from sorted(pending, key=lambda end: end.column)
            pending.clear()
            yield event


def _write(terminal: Terminal, event: ChatEvent) -> None:
    match event:
        case ReplyFinished(turn):
            terminal.print_data(sanitize_line(turn.reply))
        case UnknownSymbols():
            terminal.warn(event.message)
        case CommandError(message, hint):
            terminal.print_error(UsageError(message, hint))
        case SampleCommand(text):
            terminal.info(sanitize(text))
        case _:
            for line in _text_lines(event):
                terminal.info(sanitize_line(line))


def _text_lines(event: ChatEvent) -> Iterator[str]:
    match event:
        case Message(text):
            yield text
        case Listing(rows):
            yield from ("  ".join(filter(None, row)) for row in rows)
        case Help(commands, settings):
            yield from ("  ".join(filter(None, row)) for row in commands)
            yield f"settings  {'  '.join(settings)}"
        case SpreadFinished(column, turn, title):
            yield f"{column + 1}  {title}  {mark_line_breaks(turn.reply)}"
        case Candidates(candidates):
            for number, candidate in enumerate(candidates, 1):
                score, turn = _format_optional(candidate.score), candidate.turn
                bits = _format_optional(turn.bits_per_char)
                yield f"{number}  {score}  {bits} bits/char  seed {turn.seed}  {mark_line_breaks(turn.reply)}"
        case NextTokens(_, top_tokens):
            for number, (text, probability) in enumerate(top_tokens, 1):
                yield f"{number}  {probability:.1%}  {text!r}" if text else f"{number}  {probability:.1%}  (end)"
        case TextSurprisal(pieces, bits_per_char):
            yield f"{bits_per_char:.3f} bits/char"
            yield from (f"{bits:.2f}  {text!r}" for text, bits in pieces)
        case GateValues(pieces, label):
            yield label
            yield from (f"{mean:.2f}  {text!r}" for text, mean in pieces)
        case TurnTreeView():
            yield from _tree_lines(event)


def _tree_lines(tree: TurnTreeView) -> Iterator[str]:
    if tree.root_branches:
        yield f"{'*' if tree.head == ROOT else '|'} {ROOT} ({', '.join(tree.root_branches)})  the beginning"
    for row in tree.rows:
        names = f" ({', '.join(row.names)})" if row.names else ""
        marker = "*" if row.is_head else "|" if row.on_path else "."
        # Dashes, as `sanitize_line` collapses spaces.
        line, reply = preview(row.turn.line), preview(row.turn.reply)
        yield f"{marker} {'- ' * row.depth}{row.turn.number}{names}  {line} → {reply}"


def _format_optional(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
