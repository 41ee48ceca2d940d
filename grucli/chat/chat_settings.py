"""How replies are drawn and shown, as the user sets it by name: one table for `/temp 0.3`, `/set temp 0.3` and Tab."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from grucli.chat.session import Session
from grucli.errors import UsageError
from grucli.generation.phrase_matcher import read_stop
from grucli.generation.sampler import Draw
from grucli.number_parsing import number, whole

OFF = "off"
_QUOTED = 200  # characters
_BRIEF = 24  # characters
_OFF_AT_FIRST = {"top_k", "top_p", "min_p", "mirostat", "repeat_penalty", "relevance", "beam"}
"""Fields of `Draw` that mean nothing at the value they have at first."""

_LISTS_MODELS = ("see which there are: gru models", "See them all: gru models")


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set: its name, what it takes, what it is good for, and values worth a try.

    `field` is its name in `Draw`, or "pace". `read` makes a value of what was typed; `typed` is what a value is called.
    """

    name: str
    field: str
    takes: str
    does: str
    values: Sequence[str]
    read: Callable[[str], Any]
    typed: str = ""

    def now(self, session: Session) -> str:
        """The value that is in force, as it would be typed; texts are quoted."""
        value = getattr(session if self.field == "pace" else session.draw, self.field)
        if isinstance(value, tuple):
            return " ".join(map(repr, value)) or OFF
        return format(value, "d" if isinstance(value, int) else "g")

    def told(self, session: Session) -> str:
        """The same in a few words, for whoever has just set it."""
        if self.field == "stop":
            return f"ends at {_texts_of(session.draw.stop)}" if session.draw.stop else "no text ends a reply any more"
        if self.field == "block":
            return (
                f"never says {_texts_of(session.draw.block)}" if session.draw.block else "nothing is blocked any more"
            )
        if self.field == "pace":
            return f"{session.pace:g} characters a second" if session.pace else "no limit"
        return OFF if self.field in _OFF_AT_FIRST and not self.changed(session) else self.now(session)

    def changed(self, session: Session) -> bool:
        """Whether replies are drawn otherwise than they would be without a word."""
        return self.field != "pace" and getattr(session.draw, self.field) != getattr(Draw(), self.field)

    def brief(self, session: Session) -> str:
        """The setting with its value, or of several texts their number."""
        value = getattr(session.draw, self.field, None)
        if isinstance(value, tuple) and len(self.now(session)) > _BRIEF:
            return f"{self.name} ({len(value)})"
        return f"{self.name} {self.now(session)}"

    def set(self, session: Session, text: str) -> None:
        """Have the next replies drawn by the value that was typed.

        Raises:
            UsageError: it is none, or one out of range.
        """
        value = self._value(session, text)
        try:
            if self.field == "pace":
                session.keep_pace(value)
            else:
                session.draw = dataclasses.replace(session.draw, **{self.field: value})
        except UsageError as error:
            raise UsageError(as_typed(error.what), as_typed(error.todo)) from None

    def _value(self, session: Session, text: str) -> Any:
        if self.takes == "TEXT":
            held: tuple[str, ...] = getattr(session.draw, self.field)
            return () if text == OFF else (*held, self.read(text))
        try:
            return self.read(text)
        except ValueError:
            example = f"/{self.name} {self.now(session)}"
            raise UsageError(
                f"'{short(text)}' is not {self.typed}", f"/{self.name} takes {self.typed}, such as {example}"
            ) from None


def _texts_of(texts: Sequence[str]) -> str:
    return ", ".join(map(repr, texts))


def as_typed(text: str) -> str:
    """Name the commands where an error names the options, or the commands, of the shell."""
    for words in _LISTS_MODELS:
        text = text.replace(words, "/model alone lists them")
    for setting in SETTINGS:
        text = text.replace(f"--{setting.field.replace('_', '-')}", f"/{setting.name}")
    return text


def short(text: str) -> str:
    """The beginning of what may be a pasted book."""
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


def _number(name: str, field: str, does: str, *values: str) -> Setting:
    return Setting(name, field, "N", does, values, number, "a number")


def _whole(name: str, field: str, does: str, *values: str) -> Setting:
    return Setting(name, field, "N", does, values, whole, "a whole number")


def _texts(name: str, does: str, read: Callable[[str], str] = str) -> Setting:
    return Setting(name, name, "TEXT", does, (OFF,), read)


SETTINGS: tuple[Setting, ...] = (
    _number("temp", "temp", "how daring: 0.2 careful, 0.8 lively, 1.5 wild", "0.2", "0.5", "0.8", "1", "1.5"),
    _whole("top-k", "top_k", "only the N likeliest tokens; 0: off", "0", "10", "40", "100"),
    _number("top-p", "top_p", "only the likeliest that share N; 1: off", "0.5", "0.9", "0.95", "1"),
    _number("min-p", "min_p", "only those at least N times the likeliest; 0: off", "0", "0.02", "0.05", "0.1"),
    _number("mirostat", "mirostat", "aim at N bits of surprise a token; 0: off", "0", "1", "2", "3"),
    _number("repeat-penalty", "repeat_penalty", "shun what was just said; 1: off", "1", "1.1", "1.3"),
    _number("relevance", "relevance", "shun what fits any question; 0: off", "0", "0.2", "0.3", "0.5"),
    _whole("beam", "beam", "search for the likeliest reply, N at a time; 0: off", "0", "4", "16"),
    _texts("stop", r"also end a reply at TEXT (\n: a new line); /stop off forgets all", read_stop),
    _texts("block", "never say TEXT, a word or phrase (word*: all that begins so); /block off forgets all"),
    _whole("seed", "seed", "of the next reply: the same seed, the same reply"),
    _whole("max", "max_chars", "longest reply, in characters", "100", "200", "500", "1000", "2000"),
    _whole("min", "min_chars", "shortest reply, in characters", "1", "20", "50", "100"),
    _number("pace", "pace", "characters a second; 0: no limit", "0", "30", "60", "150", "300"),
)
