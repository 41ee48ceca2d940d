"""The `gru sample` line that gives a reply again: the same texts read, the same rules, the same seed."""

import dataclasses
import shlex
import sys
import unicodedata
from collections.abc import Iterator

from grucli.chat.session import Session
from grucli.chat.turns import Turn
from grucli.errors import UsageError
from grucli.model.sampler import Draw

LONGEST = 100_000
"""Bytes of a line: systems take arguments of 128 KB at most."""

_ALWAYS = ("temp", "max_chars", "seed")
"""Fields of `Draw` that a line always gives, so that it says how the reply was drawn."""

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of characters that no terminal shows as they are."""


def sample_line(session: Session, turn: Turn, *, windows: bool = sys.platform == "win32") -> str:
    """The line for a shell, bash or zsh or on Windows PowerShell, that gives the reply of `turn` again, exactly.

    Raises:
        UsageError: there can be none: the reply was picked from a list, or came after turns that are forgotten, or the
            texts before it are too long for a line, or hold what none can.
    """
    if turn.picked:
        raise UsageError("this was picked from a list, not drawn", "Enter alone goes on from it")
    if turn.stopped == "interrupted" and not turn.reply:
        raise UsageError("nothing of this reply was drawn", "/regen draws it")
    before = session.memory.turns_before(session.tree, turn.place)
    if before is None:
        raise UsageError("what was said at first is forgotten", "a line can be had for a shorter dialogue")
    quoted = _quoted_on_windows if windows else _quoted
    texts = [("reply-to", text) for text in before]
    if turn.lead:
        texts.append(("prompt", turn.lead))
    words = ["gru sample", quoted(session.address)]
    words += [_option(name, quoted(text)) for name, text in (*texts, *_ways(session, turn))]
    if turn.draw.block:
        words.append(_block(turn.draw.block, windows))
    line = " ".join(words)
    if len(line.encode()) > LONGEST:
        raise UsageError(f"the line would have {len(line):,} characters", "shells take no such line: say less")
    return line


def _ways(session: Session, turn: Turn) -> Iterator[tuple[str, str]]:
    """How the reply was drawn: what is not as `gru sample` has it, or may not be, where settings say otherwise."""
    draw = turn.draw
    if turn.stopped == "interrupted":
        shown = len(turn.reply)
        draw = dataclasses.replace(draw, min_chars=min(draw.min_chars, shown), max_chars=shown)
    usual = Draw()
    for field in dataclasses.fields(Draw):
        value = getattr(draw, field.name)
        told = field.name in _ALWAYS or getattr(session.begun_with, field.name) != getattr(usual, field.name)
        if field.name == "stop":
            yield from (("stop", text) for text in value)
        elif field.name != "block" and (told or value != getattr(usual, field.name)):
            yield field.name.replace("_", "-"), str(value)


def _option(name: str, quoted: str) -> str:
    # What begins with a dash, or is nothing at all, is a value only where it hangs on its name.
    return f"--{name}={quoted}" if quoted[:2] in ("''", "'-") or quoted.startswith("-") else f"--{name} {quoted}"


def _block(phrases: tuple[str, ...], windows: bool) -> str:
    if windows:
        raise UsageError("a line for PowerShell cannot hold the words that are blocked", "/block off, and /regen")
    return f"--block <(printf '%s\\n' {' '.join(map(_quoted, phrases))})"


def _quoted(text: str) -> str:
    """A text as bash and zsh read it, all of it visible and on one line."""
    if "\0" in text:
        raise UsageError("this dialogue has a character in it that no shell takes", "begin anew: /reset")
    if not any(unicodedata.category(sign) in _UNSEEN for sign in text):
        return shlex.quote(text)
    signs = []
    for sign in text:
        if unicodedata.category(sign) in _UNSEEN:
            signs.append({"\n": "\\n", "\t": "\\t"}.get(sign) or "".join(f"\\{byte:03o}" for byte in sign.encode()))
        else:
            signs.append("\\" + sign if sign in "\\'" else sign)
    return "$'" + "".join(signs) + "'"


def _quoted_on_windows(text: str) -> str:
    """A text as PowerShell reads it, all of it visible and on one line."""
    unseen = {sign for sign in text if unicodedata.category(sign) in _UNSEEN}
    if not unseen <= {"\n", "\t", "\r"}:
        raise UsageError("this dialogue has a character in it that PowerShell does not take", "begin anew: /reset")
    if not unseen:
        return "'" + text.replace("'", "''") + "'"
    for sign, typed in (("`", "``"), ('"', '`"'), ("$", "`$"), ("\n", "`n"), ("\t", "`t"), ("\r", "`r")):
        text = text.replace(sign, typed)
    return f'"{text}"'
