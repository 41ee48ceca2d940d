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
from grucli.generation.options import OPTIONS

MAX_COMMAND_BYTES, MAX_COMMAND_BYTES_WINDOWS = 100_000, 30_000
"""Bytes of a line: most systems take arguments of 128 KB at most, Windows lines of 32 KB."""

_ALWAYS_INCLUDED = ("temp", "max_chars", "seed")
"""Options that the command always names, so that it says how the reply was generated."""

_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of characters that no terminal shows as they are."""

_SAFE_UNQUOTED = re.compile(r"[A-Za-z0-9_./:,+-]+")
"""What no shell sees anything in."""

_LINE_BREAKS = re.compile(r"(\n+[^\n])")


def sample_command_one_line(session: Session, turn: Turn) -> str:
    """As `sample_line`, without a line break in it; nothing where there is no such line."""
    try:
        return sample_command(session, turn, one_line=True)
    except UsageError:
        return ""


def sample_command(
    session: Session, turn: Turn, *, windows: bool = sys.platform == "win32", one_line: bool = False
) -> str:
    """The line for a POSIX shell or fish, on Windows for PowerShell, that gives the reply of `turn` again, exactly,
    where `Session.doubt` has none. `flat`: no line break stands in it.

    Raises:
        UsageError: there can be none: the reply was picked from a list, or came after turns that are forgotten, or the
            texts before it are too long for a line, or hold what none can.
    """
    if turn.picked and turn.config.beam:
        raise UsageError(
            "this is not the likeliest that the beam found, but another one",
            "a line gives the likeliest: /regen has it",
        )
    if turn.picked:
        raise UsageError("this was picked from a list, not drawn", "Enter alone goes on from it")
    if turn.stopped == "interrupted" and not turn.reply:
        raise UsageError("nothing of this reply was drawn", "/regen draws it")
    turns_before = session.state_cache.turns_before(session.tree, turn.context)
    if turns_before is None:
        raise UsageError("what was said at first is forgotten", "a line can be had for a shorter dialogue")
    quote = _quote_powershell if windows else _quote_posix_printf if one_line else _quote_posix
    texts = [("reply-to", text) for text in turns_before]
    if turn.prefix:
        texts.append(("prompt", turn.prefix))
    words = ["gru sample", quote(turn.provenance.model_ref or session.model_ref)]
    words += [_option(name, quote(text)) for name, text in (*texts, *_sampling_arguments(session, turn))]
    line = " ".join(words)
    if len(line.encode()) > (MAX_COMMAND_BYTES_WINDOWS if windows else MAX_COMMAND_BYTES):
        raise UsageError(f"the line would have {len(line):,} characters", "shells take no such line: say less")
    return line


def _sampling_arguments(session: Session, turn: Turn) -> Iterator[tuple[str, str]]:
    """How the reply was drawn: what is not as `gru sample` has it, or may not be, where settings say otherwise."""
    config = turn.config
    if turn.stopped == "interrupted":
        num_chars = len(turn.reply)
        config = dataclasses.replace(config, min_chars=min(config.min_chars, num_chars), max_chars=num_chars)
    for option in OPTIONS:
        value, initial = getattr(config, option.name), getattr(session.initial_config, option.name)
        if option.kind is tuple:
            yield from ((option.item_flag, option.format_text(text)) for text in value)
            if option.item_help and initial:
                yield option.flag, ""  # no file
        elif config.beam and option.unused_by_beam:
            continue
        elif option.name in _ALWAYS_INCLUDED or initial != option.default or value != option.default:
            yield option.flag, _format_number(value)


def _format_number(value: float) -> str:
    """A number as briefly as it is read exactly."""
    return str(int(value)) if value == int(value) else repr(value)


def _option(name: str, quoted: str) -> str:
    # What begins with a dash, or is nothing at all, is a value only where it hangs on its name.
    return f"--{name}={quoted}" if quoted[:2] in ("''", "'-") or quoted.startswith("-") else f"--{name} {quoted}"


def _quote_posix(text: str) -> str:
    """A text as every POSIX shell and fish read it, all of it visible; only line breaks stand there as they are.

    Between single quotes fish takes a backslash for more than itself before another one and before the quote, and
    nothing else is special to any of them.
    """
    if "\0" in text:
        raise UsageError("this dialogue has a character in it that no shell takes", "begin anew: /reset")
    if _SAFE_UNQUOTED.fullmatch(text):
        return text
    kinds = zip(map(_char_class, text, f"{text[1:]}'"), text, strict=True)
    parts = itertools.groupby(kinds, lambda each: each[0])
    return "".join(_quote_run(kind, "".join(sign for _, sign in signs)) for kind, signs in parts) or "''"


def _quote_posix_printf(text: str) -> str:
    """As `_quoted`, but line breaks are printed, as what nobody sees is.

    Each with the character behind it: a shell takes the last line ends of what is printed away.
    """
    if text.endswith("\n"):
        raise UsageError("a text in it ends with a line break", "on a terminal, or with --json, it can be had")
    parts = enumerate(_LINE_BREAKS.split(text))
    return "".join(_quote_run("unseen", part) if odd % 2 else _quote_posix(part) for odd, part in parts if part) or "''"


def _char_class(char: str, following: str) -> str:
    if char == "\\" and _char_class(following, "'") == "plain":
        return "plain"
    return char if char in "\\'" else "unseen" if _is_invisible(char) else "plain"


def _quote_run(kind: str, text: str) -> str:
    if kind == "\\":
        return '"' + text * 2 + '"'
    if kind == "'":
        return f'"{text}"'
    if kind == "plain":
        return f"'{text}'"
    return "\"$(printf '" + "".join(f"\\{byte:03o}" for byte in text.encode()) + "')\""


def _is_invisible(char: str) -> bool:
    return char != "\n" and unicodedata.category(char) in _INVISIBLE_CATEGORIES


def _quote_powershell(text: str) -> str:
    """A text as PowerShell reads it, all of it visible and on one line."""
    invisible = {sign for sign in text if unicodedata.category(sign) in _INVISIBLE_CATEGORIES}
    if not invisible <= {"\n", "\t", "\r"}:
        raise UsageError("this dialogue has a character in it that PowerShell does not take", "begin anew: /reset")
    if not invisible:
        return "'" + text.replace("'", "''") + "'"
    for sign, escaped in (("`", "``"), ('"', '`"'), ("$", "`$"), ("\n", "`n"), ("\t", "`t"), ("\r", "`r")):
        text = text.replace(sign, escaped)
    return f'"{text}"'
