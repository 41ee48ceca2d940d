"""Settings in `config.toml`: names of options and values, which the options validate.

Flags override `GRU_*` variables, which override `config.toml`, which overrides the defaults. A key at the top applies
to every command that has an option of that name, a key in a table to the command of that name:

    seed = 1

    [train]
    batch = 64
"""

import codecs
import datetime
import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grucli.errors import UsageError, quote

MAX_CONFIG_BYTES = 1 << 20
_MAX_INTEGER_BITS = 128

FLAG, INTEGER, NUMBER, TEXT = "true or false", "a whole number", "a number", "a text"
"""What an option takes, as messages say it."""

_ACCEPTED = {FLAG: (bool, int, str), INTEGER: (int, float, str), NUMBER: (int, float, str), TEXT: (str, int, float)}
"""Types of TOML for each; the option itself checks the value, which it gets as text."""

_TYPE_NAMES = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
    datetime.datetime: "a date",
    datetime.date: "a date",
    datetime.time: "a time",
}
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LONG_NUMBER = re.compile(r"^\s*([^\s=]+)\s*=[^#\n]*[0-9_]{4300}", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class OptionType:
    """An option that settings may give: the name of its parameter, what it takes, and whether it may be repeated."""

    parameter: str
    takes: str = TEXT
    is_multiple: bool = False


OptionMap = Mapping[str, OptionType]
"""Options of one command, by long name without dashes."""


def read_config(path: Path) -> dict[str, Any]:
    """Read `config.toml`; the settings are empty if the file does not exist.

    Raises:
        UsageError: the file cannot be read, or is not valid TOML.
    """
    hint = f"correct or remove '{path}'"
    if path.is_fifo():  # opening it would wait for a writer
        raise UsageError(f"not a regular file: '{path}'", hint)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
        if len(content) > MAX_CONFIG_BYTES:
            raise UsageError(f"'{path}' is too large (max {MAX_CONFIG_BYTES:,} bytes)", hint)
        return _parse_toml(_decode(content))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"cannot read '{path}': {error.strerror}", hint) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"'{path}' is not {error.encoding}: {error.reason}", "save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"'{path}' is not valid TOML: {error}", hint) from None


def _decode(content: bytes) -> str:
    """Decode a file with or without a byte-order mark.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    if content.startswith(_UTF_16_MARKS) or b"\0" in content[:2]:
        raise UnicodeDecodeError("UTF-8", content, 0, 2, "it is UTF-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        reason = f"line {line} has the byte 0x{content[error.start]:02x}"
        raise UnicodeDecodeError("UTF-8", content, error.start, error.end, reason) from None


def _parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ValueError: it is not valid.
        RecursionError: it is nested too deeply.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # Python's limit on the digits of a number
        key = _LONG_NUMBER.search(text)
        raise ValueError(f"the number{f' {quote(key[1])}' if key else ''} has too many digits") from None


def config_defaults(
    config: Mapping[str, Any], commands: Mapping[tuple[str, ...], OptionMap], path: Path
) -> dict[str, Any]:
    """Convert settings to nested defaults: command → (subcommand →) parameter → value as on a command line.

    `commands` maps the words of each command, such as ("models", "show"), to its options; a table is named after the
    first word. `path` is the file, for errors.

    Raises:
        UsageError: a key is not an option of any command, or a value is of another type than the option takes.
    """
    tables = {key: value for key, value in config.items() if isinstance(value, dict)}
    top = {key: value for key, value in config.items() if key not in tables}
    _check_known("table", tables, {words[0] for words in commands}, path)
    _check_known("setting", top, {option for options in commands.values() for option in options}, path)
    for name, table in tables.items():
        command_options = {option for words, options in commands.items() if words[0] == name for option in options}
        _check_known(f"setting in [{name}]", table, command_options, path)
    result: dict[str, Any] = {}
    for words, options in commands.items():
        node = result
        for word in words:
            node = node.setdefault(word, {})
        for key, value in {**_by_option(top), **_by_option(tables.get(words[0], {}))}.items():
            if key in options:
                node[options[key].parameter] = _as_cli_value(key, value, options[key], path)
    return result


def _by_option(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key.replace("_", "-"): value for key, value in table.items()}


def _check_known(subject: str, table: Mapping[str, Any], known: set[str], path: Path) -> None:
    for key in table:
        if key.replace("_", "-") not in known:
            matches = difflib.get_close_matches(key, sorted(known), n=1)
            hint = f"did you mean '{matches[0]}'?" if matches else "remove it; gru COMMAND --help lists the options"
            raise UsageError(f"unknown {subject}: {quote(key)} in '{path}'", hint)


def _as_cli_value(key: str, value: object, option: OptionType, path: Path) -> str | list[str]:
    """Return a value as the option takes it on the command line: a text, or a list of texts if it may be repeated."""
    values = value if option.is_multiple and isinstance(value, list) else [value]
    for each in values:
        accepted = isinstance(each, _ACCEPTED[option.takes]) and (option.takes == FLAG or not isinstance(each, bool))
        is_long = isinstance(each, int) and each.bit_length() > _MAX_INTEGER_BITS
        if not accepted or is_long:
            kind = "a number with too many digits" if is_long else _TYPE_NAMES.get(type(each), "another type")
            raise UsageError(
                f"invalid value of the setting '{key}' in '{path}': {kind}",
                f"use {option.takes}{', or a list of them' if option.is_multiple else ''}",
            )
    return [*map(str, values)] if option.is_multiple else str(value)
