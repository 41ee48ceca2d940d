"""A chat without a screen: one prompt a line in, one reply a line out, for scripts. Nothing here is interactive."""

import itertools
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from grucli.chat.commands import handle_line
from grucli.chat.events import (
    Candidates,
    ChatEvent,
    CommandError,
    GateValues,
    Help,
    History,
    Listing,
    Message,
    NextTokens,
    Quit,
    ReplyFinished,
    SampleCommand,
    SpreadDelta,
    SpreadFinished,
    SpreadStarted,
    TextSurprisal,
    TreeRow,
    TurnTreeView,
    UnknownSymbols,
)
from grucli.chat.session import Session
from grucli.chat.turns import ROOT, Turn
from grucli.errors import UsageError
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.sanitize import sanitize, sanitize_line


def run_pipe(session: Session, terminal: Terminal, *, json: bool = False) -> None:
    """Answer what stands on stdin."""
    handle_lines(session, terminal, () if sys.stdin is None else sys.stdin.buffer, json=json)


def handle_lines(session: Session, terminal: Terminal, lines: Iterable[bytes], *, json: bool = False) -> None:
    """Answer each of `lines`, UTF-8, with one line on stdout, line breaks in a reply as blanks.

    Commands work as they do on a screen; what they have to say goes to stderr. With `json` all of it is on stdout, one
    object a line, and `is` says what it is: a reply, what was told, a mistake.
    """
    results = (handle_line(session, line.decode("utf-8", "replace").rstrip("\r\n")) for line in lines)
    for events in itertools.chain([session.pop_notices()], results):
        titles: tuple[str, ...] = ()
        for event in _in_order(events):
            if isinstance(event, Quit):
                return
            if isinstance(event, SpreadStarted):
                titles = event.titles
            if json:
                for document in _json_events(event, titles):
                    terminal.print_json(document)
            else:
                _write(terminal, event, titles)


def _in_order(events: Iterable[ChatEvent]) -> Iterator[ChatEvent]:
    """The events, with the replies of a spread as they stand side by side, whichever ends first."""
    pending: list[SpreadFinished] = []
    for event in events:
        if isinstance(event, SpreadFinished):
            pending.append(event)
        elif not isinstance(event, SpreadDelta):
            yield from sorted(pending, key=lambda end: end.column)
            pending.clear()
            yield event


def _write(terminal: Terminal, event: ChatEvent, titles: tuple[str, ...]) -> None:
    match event:
        case ReplyFinished(turn):
            terminal.print_data(sanitize_line(turn.reply))
        case UnknownSymbols():
            terminal.warn(event.message)
        case CommandError(message, hint):
            terminal.print_error(UsageError(message, hint))
        case SampleCommand(_, ""):
            terminal.print_error(UsageError("that line has a line break at the end of a text", "--json gives it whole"))
        case SampleCommand(_, one_line):
            terminal.info(sanitize(one_line))
        case _:
            for line in _text_lines(event, titles):
                terminal.info(sanitize_line(line))


def _text_lines(event: ChatEvent, titles: tuple[str, ...]) -> Iterator[str]:
    """What a command has to say, in lines."""
    match event:
        case Message(text):
            yield text
        case Listing() | Help():
            yield from _rows(event)
        case SpreadFinished(column, turn):
            yield f"{column + 1}  {titles[column]}  {turn.reply}"
        case Candidates(candidates):
            for number, row in enumerate(candidates, 1):
                figures = f"{_format_optional(row.score)}  {_format_optional(row.turn.bits_per_char)} bits/char  seed {row.turn.seed}"
                yield f"{number}  {figures}  {row.turn.reply}"
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
    """A turn a line, and first the beginning, where a branch ends there."""
    if tree.root_branches:
        yield f"{'*' if tree.head == ROOT else '|'} {ROOT} ({', '.join(tree.root_branches)})  the beginning"
    for branch in tree.rows:
        branch_names = f" ({', '.join(branch.names)})" if branch.names else ""
        marker = "*" if branch.is_head else "|" if branch.on_path else "."
        # Not blanks, which do not survive on one line: an outline's depth.
        yield f"{marker} {'- ' * branch.depth}{branch.number}{branch_names}  {branch.line} → {branch.reply}"


def _rows(event: Listing | Help) -> Iterator[str]:
    rows = event.rows if isinstance(event, Listing) else event.commands
    yield from ("  ".join(filter(None, row)) for row in rows)
    if isinstance(event, Help):
        yield f"settings  {'  '.join(event.settings)}"


def _format_optional(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _json_events(event: ChatEvent, titles: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """An event as it is printed in JSON; what only tells that something goes on is not."""
    match event:
        case ReplyFinished(turn):
            yield {"is": "reply", "turn": turn.number, **_json_reply(turn)}
        case SpreadFinished(column, turn):
            yield {"is": "offer", "pick": column + 1, "title": titles[column], **_json_reply(turn)}
        case Candidates(candidates):
            for number, row in enumerate(candidates, 1):
                yield {"is": "offer", "pick": number, "score": row.score, **_json_reply(row.turn)}
        case UnknownSymbols(count, distinct):
            yield {"is": "warning", "text": event.message, "symbols": count, "which": distinct}
        case CommandError(message, hint):
            yield {"is": "mistake", "what": message, "todo": hint}
        case _ if (result := _json_result(event)) is not None:
            yield result


def _json_result(event: ChatEvent) -> dict[str, Any] | None:
    """The answer to a command; None where it is none."""
    match event:
        case Message(text):
            return {"is": "told", "text": text}
        case SampleCommand(text):
            return {"is": "command", "text": text}
        case History():
            return {"is": "history", "turns": [_json_turn(turn) for turn in event.turns]}
        case Listing(rows):
            return {"is": "list", "rows": [{"name": name, "value": value, "does": does} for name, value, does in rows]}
        case Help(commands, settings):
            usages = [{"group": group, "usage": usage, "does": does} for group, usage, does in commands]
            return {"is": "help", "commands": usages, "settings": settings}
        case TurnTreeView(branches, root_branches):
            return {
                "is": "tree",
                "now": event.head,
                "beginning": root_branches,
                "turns": [_json_branch(row) for row in branches],
            }
        case NextTokens(prefix, top_tokens):
            tokens = [
                {"pick": number, "text": text, "probability": p} for number, (text, p) in enumerate(top_tokens, 1)
            ]
            return {"is": "peek", "lead": prefix, "tokens": tokens}
        case TextSurprisal(pieces, bits_per_char):
            parts = [{"text": text, "bits": bits} for text, bits in pieces]
            return {"is": "score", "bits_per_char": bits_per_char, "parts": parts}
        case GateValues(pieces, label):
            return {"is": "gates", "of": label, "parts": [{"text": text, "mean": mean} for text, mean in pieces]}
    return None


def _json_turn(turn: Turn) -> dict[str, Any]:
    return {
        "turn": turn.number,
        "parent": turn.parent,
        "model": turn.provenance.model_ref,
        "picked": turn.picked,
        **_json_reply(turn),
    }


def _json_branch(branch: TreeRow) -> dict[str, Any]:
    position_fields = {"depth": branch.depth, "names": branch.names, "now": branch.is_head, "kept": branch.on_path}
    return {**_json_turn(branch.turn), **position_fields}


def _json_reply(turn: Turn) -> dict[str, Any]:
    return {
        "line": turn.line,
        "reply": turn.reply,
        "seed": turn.seed,
        "tokens": turn.tokens,
        "bits_per_char": turn.bits_per_char,
        "stopped": turn.stopped,
    }
