"""The `gru sample` command that gives a reply again: the same texts, options and seed."""

import dataclasses
import re
import sys
import unicodedata
from collections.abc import Iterator

from grucli.chat.session import Session
from grucli.chat.turns import Turn
from grucli.errors import GruError, UsageError
from grucli.generation.options import OPTIONS, GenerationConfig, default_config
from grucli.generation.phrases import escape_text
from grucli.model.store import find_model
from grucli.model.weights import read_model_info

MAX_COMMAND_BYTES, MAX_COMMAND_BYTES_WINDOWS = 100_000, 30_000
"""Most systems limit an argument to 128 KB, and Windows a command to 32 KB."""

_ALWAYS_INCLUDED = ("temp", "max_chars", "seed")
"""Options that the command always names, so that it says how the reply was generated."""

_SAFE_UNQUOTED = re.compile(r"[A-Za-z0-9_./:,+-]+")


def sample_command(session: Session, turn: Turn, *, windows: bool = sys.platform == "win32") -> str:
    """Return the command that gives the reply of `turn` again, exactly, unless `Session.reproducibility_warning` warns.

    It is for a POSIX shell or fish, or with `windows` for PowerShell, and has no line breaks.

    Raises:
        UsageError: the reply was picked from a list, turns before it were dropped, or the texts are too long for a
            command or hold a character that no argument can.
    """
    if turn.picked and turn.config.beam:
        raise UsageError("this is not the first result of the beam search", "use /regen for the first one")
    if turn.picked:
        raise UsageError(
            "this reply was picked from candidates and has no command", "press Enter to continue the reply"
        )
    if turn.stopped == "interrupted" and not turn.reply:
        raise UsageError("this reply is empty", "use /regen to generate it")
    if turn.stopped == "interrupted" and turn.config.best_of > 1:
        raise UsageError("this reply was stopped before the best one was chosen", "use /regen to generate it")
    turns_before = session.state_cache.turns_before(session.tree, turn.context)
    if turns_before is None:
        raise UsageError("the first turns were dropped from the history", "use /cmd in a shorter dialogue")
    texts = [("reply-to", text) for text in turns_before]
    if turn.prefix:
        texts.append(("prompt", turn.prefix))

    quote = _quote_powershell if windows else _quote_posix
    model_ref = turn.provenance.model_ref or session.model_ref
    defaults = _sample_defaults(model_ref) if turns_before else GenerationConfig()
    words = ["gru sample", quote(model_ref)]
    words += [_option(name, quote(escape_text(text))) for name, text in texts]
    words += [_option(name, quote(value)) for name, value in _sampling_arguments(session, turn, defaults)]
    command = " ".join(words)
    if len(command.encode()) > (MAX_COMMAND_BYTES_WINDOWS if windows else MAX_COMMAND_BYTES):
        raise UsageError(f"the command is too long ({len(command):,} characters)", "use /cmd in a shorter dialogue")
    return command


def _sampling_arguments(session: Session, turn: Turn, defaults: GenerationConfig) -> Iterator[tuple[str, str]]:
    """Yield the options that differ from the defaults of `gru sample`, or of the settings of the user."""
    config = turn.config
    if turn.stopped == "interrupted":
        num_chars = len(turn.reply)
        config = dataclasses.replace(config, min_chars=min(config.min_chars, num_chars), max_chars=num_chars)
    for option in OPTIONS:
        value, initial, default = (getattr(each, option.name) for each in (config, session.initial_config, defaults))
        if option.kind is tuple:
            yield from ((option.item_flag, escape_text(text)) for text in value)
            if option.item_help and initial:
                yield option.flag, ""  # no file
        elif config.beam and option.unused_by_beam:
            continue
        elif option.name in _ALWAYS_INCLUDED or initial != default or value != default:
            yield option.flag, _format_number(value)


def _sample_defaults(model_ref: str) -> GenerationConfig:
    try:
        info = read_model_info(find_model(model_ref))
    except (GruError, OSError):  # which `reproducibility_warning` says
        return GenerationConfig()
    return default_config(conversations=info.card.conversations, tokenizer=info.tokenizer)


def _format_number(value: float) -> str:
    """Return the shortest text that is read as exactly this number."""
    return str(int(value)) if value == int(value) else repr(value)


def _option(name: str, quoted: str) -> str:
    # A value that is empty or begins with a dash must be attached to its name.
    return f"--{name}={quoted}" if quoted[:2] in ("''", "'-") or quoted.startswith("-") else f"--{name} {quoted}"


def _quote_posix(text: str) -> str:
    """Quote a text for any POSIX shell and fish. printf prints invisible characters."""
    if "\0" in text:
        raise UsageError("this dialogue has a NUL character, which no argument can hold", "use /reset to start over")
    if _SAFE_UNQUOTED.fullmatch(text):
        return text
    hidden = set(filter(_is_hidden, text))
    if not hidden:
        return _quote_visible(text)
    # With the character after them, as a shell strips newlines, which a path may have, from the end of printed text.
    hidden_runs = re.compile(f"([{re.escape(''.join(hidden))}]+[^\n]?)")
    parts = enumerate(hidden_runs.split(text))
    return "".join(_printf(part) if index % 2 else _quote_visible(part) for index, part in parts if part)


def _is_hidden(char: str) -> bool:
    return not char.isprintable() and unicodedata.category(char) != "Zs"


def _quote_visible(text: str) -> str:
    # fish takes a backslash before a backslash or a quote, which single quotes end here, as an escape.
    return "'" + re.sub(r"\\(?=[\\']|$)|'", lambda match: f"'\\{match[0]}'", text) + "'"


def _printf(text: str) -> str:
    return "\"$(printf '" + "".join(f"\\{byte:03o}" for byte in text.encode()) + "')\""


def _quote_powershell(text: str) -> str:
    hidden = set(filter(_is_hidden, text))
    if not hidden <= {"\r"}:
        raise UsageError("this dialogue has a character that PowerShell cannot quote", "use /reset to start over")
    if not hidden:
        return "'" + text.replace("'", "''") + "'"
    for char, escaped in (("`", "``"), ('"', '`"'), ("$", "`$"), ("\r", "`r")):
        text = text.replace(char, escaped)
    return f'"{text}"'
