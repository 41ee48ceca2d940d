"""A chat without a screen, for scripts: one prompt per line in, one reply per line out."""

import itertools
import sys
from collections.abc import Iterable, Iterator

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
from grucli.ui.terminal.sanitize import sanitize, sanitize_line


def run_pipe(session: Session, terminal: Terminal, *, json: bool = False) -> None:
    """Answer the lines of stdin."""
    handle_lines(session, terminal, () if sys.stdin is None else sys.stdin.buffer, json=json)


def handle_lines(session: Session, terminal: Terminal, lines: Iterable[bytes], *, json: bool = False) -> None:
    """Answer each of `lines`, UTF-8, with one line on stdout, where line breaks in a reply are spaces.

    Commands work as on a screen and print to stderr. With `json` everything is printed to stdout, one object per line,
    whose `type` is "reply", "message", "error" and so on.
    """
    results = (handle_line(session, line.decode("utf-8", "replace").rstrip("\r\n")) for line in lines)
    for events in itertools.chain([session.pop_notices()], results):
        for event in _in_order(events):
            if isinstance(event, Quit):
                return
            if not json:
                _write(terminal, event)
                continue
            for document in event.to_json():
                terminal.print_json(document)


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
            yield f"{column + 1}  {title}  {turn.reply}"
        case Candidates(candidates):
            for number, candidate in enumerate(candidates, 1):
                score, turn = _format_optional(candidate.score), candidate.turn
                bits = _format_optional(turn.bits_per_char)
                yield f"{number}  {score}  {bits} bits/char  seed {turn.seed}  {turn.reply}"
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
