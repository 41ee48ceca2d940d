"""The `gru sample` line that gives a reply again: the same texts read, the same rules, the same seed."""

import dataclasses
import itertools
import re
import sys
import unicodedata
from collections.abc import Iterator

from grucli.chat.session import Session
from grucli.chat.turns import Turn
from grucli.errors import UsageError
from grucli.generation.phrase_matcher import typed_stop
from grucli.generation.sampler import Draw

LONGEST, LONGEST_ON_WINDOWS = 100_000, 30_000
"""Bytes of a line: most systems take arguments of 128 KB at most, Windows lines of 32 KB."""

_ALWAYS = ("temp", "max_chars", "seed")
"""Fields of `Draw` that a line always gives, so that it says how the reply was drawn."""

_NOT_WITH_A_BEAM = ("temp", "top_k", "top_p", "min_p", "mirostat", "seed")
"""Fields of `Draw` that mean nothing to a search, and that `gru sample` refuses with one."""

_REPEATED = {"stop": "stop", "block": "block-word"}
"""Fields of `Draw` that hold several texts, and the options that take one each."""

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of characters that no terminal shows as they are."""

_bare = re.compile(r"[A-Za-z0-9_./:,+-]+")
"""What no shell sees anything in."""

_broken = re.compile(r"(\n+[^\n])")


def flat_line(session: Session, turn: Turn) -> str:
    """As `sample_line`, without a line break in it; nothing where there is no such line."""
    try:
        return sample_line(session, turn, flat=True)
    except UsageError:
        return ""


def sample_line(session: Session, turn: Turn, *, windows: bool = sys.platform == "win32", flat: bool = False) -> str:
    """The line for a POSIX shell or fish, on Windows for PowerShell, that gives the reply of `turn` again, exactly,
    where `Session.doubt` has none. `flat`: no line break stands in it.

    Raises:
        UsageError: there can be none: the reply was picked from a list, or came after turns that are forgotten, or the
            texts before it are too long for a line, or hold what none can.
    """
    if turn.picked and turn.draw.beam:
        raise UsageError(
            "this is not the likeliest that the beam found, but another one",
            "a line gives the likeliest: /regen has it",
        )
    if turn.picked:
        raise UsageError("this was picked from a list, not drawn", "Enter alone goes on from it")
    if turn.stopped == "interrupted" and not turn.reply:
        raise UsageError("nothing of this reply was drawn", "/regen draws it")
    before = session.memory.turns_before(session.tree, turn.place)
    if before is None:
        raise UsageError("what was said at first is forgotten", "a line can be had for a shorter dialogue")
    quoted = _quoted_on_windows if windows else _quoted_flat if flat else _quoted
    texts = [("reply-to", text) for text in before]
    if turn.lead:
        texts.append(("prompt", turn.lead))
    words = ["gru sample", quoted(turn.origin.model or session.address)]
    words += [_option(name, quoted(text)) for name, text in (*texts, *_ways(session, turn))]
    line = " ".join(words)
    if len(line.encode()) > (LONGEST_ON_WINDOWS if windows else LONGEST):
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
        if field.name in _REPEATED:
            typed = map(typed_stop, value) if field.name == "stop" else value
            yield from ((_REPEATED[field.name], text) for text in typed)
            if field.name == "block" and session.begun_with.block:
                yield "block", ""  # no file
        elif draw.beam and field.name in _NOT_WITH_A_BEAM:
            continue
        elif told or value != getattr(usual, field.name):
            yield field.name.replace("_", "-"), _figure(value)


def _figure(value: float) -> str:
    """A number as briefly as it is read exactly."""
    return str(int(value)) if value == int(value) else repr(value)


def _option(name: str, quoted: str) -> str:
    # What begins with a dash, or is nothing at all, is a value only where it hangs on its name.
    return f"--{name}={quoted}" if quoted[:2] in ("''", "'-") or quoted.startswith("-") else f"--{name} {quoted}"


def _quoted(text: str) -> str:
    """A text as every POSIX shell and fish read it, all of it visible; only line breaks stand there as they are.

    Between single quotes fish takes a backslash for more than itself before another one and before the quote, and
    nothing else is special to any of them.
    """
    if "\0" in text:
        raise UsageError("this dialogue has a character in it that no shell takes", "begin anew: /reset")
    if _bare.fullmatch(text):
        return text
    kinds = zip(map(_kind, text, f"{text[1:]}'"), text, strict=True)
    parts = itertools.groupby(kinds, lambda each: each[0])
    return "".join(_part(kind, "".join(sign for _, sign in signs)) for kind, signs in parts) or "''"


def _quoted_flat(text: str) -> str:
    """As `_quoted`, but line breaks are printed, as what nobody sees is.

    Each with the character behind it: a shell takes the last line ends of what is printed away.
    """
    if text.endswith("\n"):
        raise UsageError("a text in it ends with a line break", "on a terminal, or with --json, it can be had")
    parts = enumerate(_broken.split(text))
    return "".join(_part("unseen", part) if odd % 2 else _quoted(part) for odd, part in parts if part) or "''"


def _kind(sign: str, following: str) -> str:
    if sign == "\\" and _kind(following, "'") == "plain":
        return "plain"
    return sign if sign in "\\'" else "unseen" if _unseen(sign) else "plain"


def _part(kind: str, text: str) -> str:
    if kind == "\\":
        return '"' + text * 2 + '"'
    if kind == "'":
        return f'"{text}"'
    if kind == "plain":
        return f"'{text}'"
    return "\"$(printf '" + "".join(f"\\{byte:03o}" for byte in text.encode()) + "')\""


def _unseen(sign: str) -> bool:
    return sign != "\n" and unicodedata.category(sign) in _UNSEEN


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
