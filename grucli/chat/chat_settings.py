"""Chat settings: the generation options and the pace, by the names of `/temp 0.3`, `/set temp 0.3` and Tab."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grucli.chat.session import Session
from grucli.errors import UsageError, command_line_name
from grucli.generation.options import OPTIONS, GenerationOption
from grucli.generation.phrases import unescape_text
from grucli.number_parsing import parse_float, parse_int

OFF = "off"
_MAX_QUOTED_CHARS = 200
_MAX_SHORT_CHARS = 24
_PACE = GenerationOption(
    name="pace", help="Characters per second; 0 disables the limit.", examples=("0", "30", "60", "150", "300"), off=0
)


@dataclass(frozen=True, slots=True)
class ChatSetting:
    """One value that the user can set in a chat."""

    option: GenerationOption

    @property
    def name(self) -> str:
        """The name that is typed: `max` of /max."""
        return self.option.chat_name or self.option.flag

    @property
    def metavar(self) -> str:
        """What stands for the value in help."""
        return self.option.chat_metavar if self._is_list else "N"

    @property
    def help_text(self) -> str:
        """Its line in the list of settings."""
        text = self.option.chat_help or self.option.help.rstrip(".")
        return text[0].lower() + text[1:]

    def completions(self, session: Session) -> Sequence[str]:
        """Values to try."""
        if self._is_list:
            return (OFF, *self.option.typed_removals(self._value(session)))
        return tuple(OFF if float(example) == self.option.off else example for example in self.option.examples)

    @property
    def _is_list(self) -> bool:
        return self.option.kind is tuple

    def current(self, session: Session) -> str:
        """The current value as it would be typed, `off` where it disables the setting; texts are quoted."""
        value = self._value(session)
        if isinstance(value, tuple):
            return " ".join(map(self.option.show_text, value)) or OFF
        return OFF if value == self.option.off else _format_number(value)

    def confirmation(self, session: Session) -> str:
        """The new value in a few words."""
        value = self._value(session)
        if isinstance(value, tuple):
            return (
                f"{self.option.when_set} {', '.join(map(self.option.show_text, value))}"
                if value
                else self.option.when_empty
            )
        current = self.current(session)
        return f"{current} characters per second" if self.option is _PACE and current != OFF else current

    def is_modified(self, session: Session) -> bool:
        """Return True if the value is not the default of the model."""
        return self.option is not _PACE and self._value(session) != getattr(session.default_config, self.option.name)

    def short_form(self, session: Session) -> str:
        """The setting with its value, or of a long list of texts their number."""
        value = self._value(session)
        if isinstance(value, tuple) and len(self.current(session)) > _MAX_SHORT_CHARS:
            return f"{self.name} ({len(value)})"
        return f"{self.name} {self.current(session)}"

    def set(self, session: Session, text: str) -> None:
        """Apply a typed value to the next replies.

        Raises:
            UsageError: the text is not a value of this setting, or the value is out of range.
        """
        value = self._parse(session, text)
        if self.option is _PACE:
            session.set_pace(value)
        else:
            config = dataclasses.replace(session.config, **{self.option.name: value})
            session.model.check_config(config)
            session.config = config

    def _value(self, session: Session) -> Any:
        return getattr(session if self.option is _PACE else session.config, self.option.name)

    def _parse(self, session: Session, text: str) -> Any:
        if self._is_list:
            return () if text == OFF else self.option.change_texts(self._value(session), unescape_text(text))
        off = self.option.off
        if text == OFF and off is not None:
            return self.option.kind(off)
        try:
            return parse_int(text) if self.option.kind is int else parse_float(text)
        except ValueError:
            kind, or_off = self.option.type_name, "" if off is None else " or off"
            hint = f"/{self.name} takes {kind}{or_off}, such as /{self.name} {_format_number(self._value(session))}"
            raise UsageError(f"'{truncate(text)}' is not {kind}", hint) from None


def _format_number(value: float) -> str:
    return format(value, "d" if isinstance(value, int) else "g")


SETTINGS: tuple[ChatSetting, ...] = tuple(map(ChatSetting, (*OPTIONS, _PACE)))


def chat_name(reference: str) -> str:
    """Return what a chat calls an option, or the list of models, in an error message."""
    names = {"models": "model", **{setting.option.name: setting.name for setting in SETTINGS}}
    return f"/{names[reference]}" if reference in names else command_line_name(reference)


def truncate(text: str) -> str:
    """The beginning of a text that may be arbitrarily long."""
    return text if len(text) <= _MAX_QUOTED_CHARS else f"{text[:_MAX_QUOTED_CHARS]}…"
