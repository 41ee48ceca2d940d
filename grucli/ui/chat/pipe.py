"""A chat without a screen: one prompt a line in, one reply a line out, for scripts. Nothing here is interactive."""

import itertools
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from grucli.chat.commands import hear
from grucli.chat.events import (
    Branch,
    Branched,
    Copyable,
    Ended,
    Event,
    Gated,
    Helped,
    Left,
    Listed,
    Misread,
    Peeked,
    Ranked,
    Recounted,
    Refused,
    Scored,
    SpreadEnded,
    Spreading,
    SpreadSaid,
    Told,
)
from grucli.chat.session import Session
from grucli.chat.turns import BEGINNING, Turn
from grucli.errors import UsageError
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.sanitize import safe, safe_line


def talk(session: Session, terminal: Terminal, *, json: bool = False) -> None:
    """Answer what stands on stdin."""
    answer_lines(session, terminal, () if sys.stdin is None else sys.stdin.buffer, json=json)


def answer_lines(session: Session, terminal: Terminal, lines: Iterable[bytes], *, json: bool = False) -> None:
    """Answer each of `lines`, UTF-8, with one line on stdout, line breaks in a reply as blanks.

    Commands work as they do on a screen; what they have to say goes to stderr. With `json` all of it is on stdout, one
    object a line, and `is` says what it is: a reply, what was told, a mistake.
    """
    heard = (hear(session, line.decode("utf-8", "replace").rstrip("\r\n")) for line in lines)
    for events in itertools.chain([session.remarks()], heard):
        titles: tuple[str, ...] = ()
        for event in _in_order(events):
            if isinstance(event, Left):
                return
            if isinstance(event, Spreading):
                titles = event.titles
            if json:
                for document in _documents(event, titles):
                    terminal.print_json(document)
            else:
                _write(terminal, event, titles)


def _in_order(events: Iterable[Event]) -> Iterator[Event]:
    """The events, with the replies of a spread as they stand side by side, whichever ends first."""
    ended: list[SpreadEnded] = []
    for event in events:
        if isinstance(event, SpreadEnded):
            ended.append(event)
        elif not isinstance(event, SpreadSaid):
            yield from sorted(ended, key=lambda end: end.column)
            ended.clear()
            yield event


def _write(terminal: Terminal, event: Event, titles: tuple[str, ...]) -> None:
    match event:
        case Ended(turn):
            terminal.print(safe_line(turn.reply))
        case Misread():
            terminal.warn(event.words)
        case Refused(what, todo):
            terminal.print_error(UsageError(what, todo))
        case Copyable(_, ""):
            terminal.print_error(UsageError("that line has a line break at the end of a text", "--json gives it whole"))
        case Copyable(_, flat):
            terminal.say(safe(flat))
        case _:
            for line in _lines(event, titles):
                terminal.say(safe_line(line))


def _lines(event: Event, titles: tuple[str, ...]) -> Iterator[str]:
    """What a command has to say, in lines."""
    match event:
        case Told(text):
            yield text
        case Listed() | Helped():
            yield from _rows(event)
        case SpreadEnded(column, turn):
            yield f"{column + 1}  {titles[column]}  {turn.reply}"
        case Ranked(candidates):
            for number, row in enumerate(candidates, 1):
                figures = f"{_figure(row.score)}  {_figure(row.turn.bits_per_char)} bits/char  seed {row.turn.seed}"
                yield f"{number}  {figures}  {row.turn.reply}"
        case Peeked(_, likely):
            for number, (text, probability) in enumerate(likely, 1):
                yield f"{number}  {probability:.1%}  {text!r}" if text else f"{number}  {probability:.1%}  (end)"
        case Scored(pieces, bits_per_char):
            yield f"{bits_per_char:.3f} bits/char"
            yield from (f"{bits:.2f}  {text!r}" for text, bits in pieces)
        case Gated(pieces, of):
            yield of
            yield from (f"{mean:.2f}  {text!r}" for text, mean in pieces)
        case Branched():
            yield from _tree_lines(event)


def _tree_lines(tree: Branched) -> Iterator[str]:
    """A turn a line, and first the beginning, where a branch ends there."""
    if tree.beginning:
        yield f"{'*' if tree.now == BEGINNING else '|'} {BEGINNING} ({', '.join(tree.beginning)})  the beginning"
    for branch in tree.rows:
        here = f" ({', '.join(branch.names)})" if branch.names else ""
        mark = "*" if branch.now else "|" if branch.kept else "."
        # Not blanks, which do not survive on one line: an outline's depth.
        yield f"{mark} {'- ' * branch.depth}{branch.number}{here}  {branch.line} → {branch.reply}"


def _rows(event: Listed | Helped) -> Iterator[str]:
    rows = event.rows if isinstance(event, Listed) else event.commands
    yield from ("  ".join(filter(None, row)) for row in rows)
    if isinstance(event, Helped):
        yield f"settings  {'  '.join(event.settings)}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _documents(event: Event, titles: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """An event as it is printed in JSON; what only tells that something goes on is not."""
    match event:
        case Ended(turn):
            yield {"is": "reply", "turn": turn.number, **_reply(turn)}
        case SpreadEnded(column, turn):
            yield {"is": "offer", "pick": column + 1, "title": titles[column], **_reply(turn)}
        case Ranked(candidates):
            for number, row in enumerate(candidates, 1):
                yield {"is": "offer", "pick": number, "score": row.score, **_reply(row.turn)}
        case Misread(symbols, which):
            yield {"is": "warning", "text": event.words, "symbols": symbols, "which": which}
        case Refused(what, todo):
            yield {"is": "mistake", "what": what, "todo": todo}
        case _ if (answer := _answer(event)) is not None:
            yield answer


def _answer(event: Event) -> dict[str, Any] | None:
    """The answer to a command; None where it is none."""
    match event:
        case Told(text):
            return {"is": "told", "text": text}
        case Copyable(text):
            return {"is": "command", "text": text}
        case Recounted():
            return {"is": "history", "turns": [_turn(turn) for turn in event.turns]}
        case Listed(rows):
            return {"is": "list", "rows": [{"name": name, "value": value, "does": does} for name, value, does in rows]}
        case Helped(commands, settings):
            usages = [{"group": group, "usage": usage, "does": does} for group, usage, does in commands]
            return {"is": "help", "commands": usages, "settings": settings}
        case Branched(branches, beginning):
            return {"is": "tree", "now": event.now, "beginning": beginning, "turns": [_branch(row) for row in branches]}
        case Peeked(lead, likely):
            tokens = [{"pick": number, "text": text, "probability": p} for number, (text, p) in enumerate(likely, 1)]
            return {"is": "peek", "lead": lead, "tokens": tokens}
        case Scored(pieces, bits_per_char):
            parts = [{"text": text, "bits": bits} for text, bits in pieces]
            return {"is": "score", "bits_per_char": bits_per_char, "parts": parts}
        case Gated(pieces, of):
            return {"is": "gates", "of": of, "parts": [{"text": text, "mean": mean} for text, mean in pieces]}
    return None


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "turn": turn.number,
        "parent": turn.parent,
        "model": turn.origin.model,
        "picked": turn.picked,
        **_reply(turn),
    }


def _branch(branch: Branch) -> dict[str, Any]:
    places = {"depth": branch.depth, "names": branch.names, "now": branch.now, "kept": branch.kept}
    return {**_turn(branch.turn), **places}


def _reply(turn: Turn) -> dict[str, Any]:
    return {
        "line": turn.line,
        "reply": turn.reply,
        "seed": turn.seed,
        "tokens": turn.tokens,
        "bits_per_char": turn.bits_per_char,
        "stopped": turn.stopped,
    }
