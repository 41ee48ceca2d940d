"""How replies are drawn and shown, as the user sets it by name: one table for `/temp 0.3`, `/set temp 0.3` and Tab."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from grucli.chat.session import Session
from grucli.errors import UsageError
from grucli.generation.phrase_matcher import unescape_stop
from grucli.generation.sampler import GenerationConfig
from grucli.number_parsing import parse_float, parse_int

OFF = "off"
_MAX_QUOTED_CHARS = 200  # characters
_MAX_SHORT_CHARS = 24  # characters
_OFF_BY_DEFAULT = {"top_k", "top_p", "min_p", "mirostat", "repeat_penalty", "relevance", "beam"}
"""Fields of `Draw` that mean nothing at the value they have at first."""

_MODEL_LIST_HINTS = ("see which there are: gru models", "See them all: gru models")


@dataclass(frozen=True, slots=True)
class ChatSetting:
    """One thing that can be set: its name, what it takes, what it is good for, and values worth a try.

    `field` is its name in `Draw`, or "pace". `read` makes a value of what was typed; `typed` is what a value is called.
    """

    name: str
    field: str
    metavar: str
    help_text: str
    completions: Sequence[str]
    parse: Callable[[str], Any]
    type_name: str = ""

    def current(self, session: Session) -> str:
        """The value that is in force, as it would be typed; texts are quoted."""
        value = getattr(session if self.field == "pace" else session.config, self.field)
        if isinstance(value, tuple):
            return " ".join(map(repr, value)) or OFF
        return format(value, "d" if isinstance(value, int) else "g")

    def confirmation(self, session: Session) -> str:
        """The same in a few words, for whoever has just set it."""
        if self.field == "stop":
            return (
                f"ends at {_join_quoted(session.config.stop)}"
                if session.config.stop
                else "no text ends a reply any more"
            )
        if self.field == "block":
            return (
                f"never says {_join_quoted(session.config.block)}"
                if session.config.block
                else "nothing is blocked any more"
            )
        if self.field == "pace":
            return f"{session.pace:g} characters a second" if session.pace else "no limit"
        return OFF if self.field in _OFF_BY_DEFAULT and not self.is_modified(session) else self.current(session)

    def is_modified(self, session: Session) -> bool:
        """Whether replies are drawn otherwise than they would be without a word."""
        return self.field != "pace" and getattr(session.config, self.field) != getattr(GenerationConfig(), self.field)

    def short_form(self, session: Session) -> str:
        """The setting with its value, or of several texts their number."""
        value = getattr(session.config, self.field, None)
        if isinstance(value, tuple) and len(self.current(session)) > _MAX_SHORT_CHARS:
            return f"{self.name} ({len(value)})"
        return f"{self.name} {self.current(session)}"

    def set(self, session: Session, text: str) -> None:
        """Have the next replies drawn by the value that was typed.

        Raises:
            UsageError: it is none, or one out of range.
        """
        value = self._parse_value(session, text)
        try:
            if self.field == "pace":
                session.set_pace(value)
            else:
                session.config = dataclasses.replace(session.config, **{self.field: value})
        except UsageError as error:
            raise UsageError(flags_to_commands(error.message), flags_to_commands(error.hint)) from None

    def _parse_value(self, session: Session, text: str) -> Any:
        if self.metavar == "TEXT":
            previous: tuple[str, ...] = getattr(session.config, self.field)
            return () if text == OFF else (*previous, self.parse(text))
        try:
            return self.parse(text)
        except ValueError:
            example = f"/{self.name} {self.current(session)}"
            raise UsageError(
                f"'{truncate(text)}' is not {self.type_name}", f"/{self.name} takes {self.type_name}, such as {example}"
            ) from None


def _join_quoted(texts: Sequence[str]) -> str:
    return ", ".join(map(repr, texts))


def flags_to_commands(text: str) -> str:
    """Name the commands where an error names the options, or the commands, of the shell."""
    for words in _MODEL_LIST_HINTS:
        text = text.replace(words, "/model alone lists them")
    for setting in SETTINGS:
        text = text.replace(f"--{setting.field.replace('_', '-')}", f"/{setting.name}")
    return text


def truncate(text: str) -> str:
    """The beginning of what may be a pasted book."""
    return text if len(text) <= _MAX_QUOTED_CHARS else f"{text[:_MAX_QUOTED_CHARS]}…"


def _float_setting(name: str, field: str, help_text: str, *completions: str) -> ChatSetting:
    return ChatSetting(name, field, "N", help_text, completions, parse_float, "a number")


def _int_setting(name: str, field: str, help_text: str, *completions: str) -> ChatSetting:
    return ChatSetting(name, field, "N", help_text, completions, parse_int, "a whole number")


def _text_setting(name: str, help_text: str, parse: Callable[[str], str] = str) -> ChatSetting:
    return ChatSetting(name, name, "TEXT", help_text, (OFF,), parse)


SETTINGS: tuple[ChatSetting, ...] = (
    _float_setting("temp", "temp", "how daring: 0.2 careful, 0.8 lively, 1.5 wild", "0.2", "0.5", "0.8", "1", "1.5"),
    _int_setting("top-k", "top_k", "only the N likeliest tokens; 0: off", "0", "10", "40", "100"),
    _float_setting("top-p", "top_p", "only the likeliest that share N; 1: off", "0.5", "0.9", "0.95", "1"),
    _float_setting("min-p", "min_p", "only those at least N times the likeliest; 0: off", "0", "0.02", "0.05", "0.1"),
    _float_setting("mirostat", "mirostat", "aim at N bits of surprise a token; 0: off", "0", "1", "2", "3"),
    _float_setting("repeat-penalty", "repeat_penalty", "shun what was just said; 1: off", "1", "1.1", "1.3"),
    _float_setting("relevance", "relevance", "shun what fits any question; 0: off", "0", "0.2", "0.3", "0.5"),
    _int_setting("beam", "beam", "search for the likeliest reply, N at a time; 0: off", "0", "4", "16"),
    _text_setting("stop", r"also end a reply at TEXT (\n: a new line); /stop off forgets all", unescape_stop),
    _text_setting("block", "never say TEXT, a word or phrase (word*: all that begins so); /block off forgets all"),
    _int_setting("seed", "seed", "of the next reply: the same seed, the same reply"),
    _int_setting("max", "max_chars", "longest reply, in characters", "100", "200", "500", "1000", "2000"),
    _int_setting("min", "min_chars", "shortest reply, in characters", "1", "20", "50", "100"),
    _float_setting("pace", "pace", "characters a second; 0: no limit", "0", "30", "60", "150", "300"),
)
