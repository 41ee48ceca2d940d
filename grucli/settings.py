"""Settings in `config.toml`: names of options and values, which the options validate.

Flags override `GRU_*` variables, which override `config.toml`, which overrides the defaults. A key at the top applies
to every command that has an option of that name, a key in a table to the command of that name:

    seed = 1

    [train]
    batch = 64
"""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grucli.errors import UsageError

MAX_CONFIG_BYTES = 1 << 20

OptionMap = Mapping[str, str]
"""Options of one command: long name without dashes → name of the parameter."""


def read_config(path: Path) -> dict[str, Any]:
    """Read `config.toml`; the settings are empty if the file does not exist.

    Raises:
        UsageError: the file cannot be read, or is not valid TOML.
    """
    hint = f"correct or remove '{path}'"
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
        if len(content) > MAX_CONFIG_BYTES:
            raise UsageError(f"'{path}' is too large (max {MAX_CONFIG_BYTES:,} bytes)", hint)
        return tomllib.loads(content.decode())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"cannot read '{path}': {error.strerror}", hint) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"'{path}' is not valid TOML: {error}", hint) from None


def config_defaults(
    config: Mapping[str, Any], commands: Mapping[tuple[str, ...], OptionMap], path: Path
) -> dict[str, Any]:
    """Convert settings to nested defaults: command → (subcommand →) parameter → value as on a command line.

    `commands` maps the words of each command, such as ("models", "show"), to its options; a table is named after the
    first word. `path` is the file, for errors.

    Raises:
        UsageError: a key is not an option of any command, or a value is not a number, text, boolean or list of these.
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
                node[options[key]] = _as_cli_value(key, value, path)
    return result


def _by_option(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key.replace("_", "-"): value for key, value in table.items()}


def _check_known(subject: str, table: Mapping[str, Any], known: set[str], path: Path) -> None:
    for key in table:
        if key.replace("_", "-") not in known:
            matches = difflib.get_close_matches(key, sorted(known), n=1)
            hint = f"did you mean '{matches[0]}'?" if matches else "remove it; gru COMMAND --help lists the options"
            raise UsageError(f"unknown {subject}: '{key}' in '{path}'", hint)


def _as_cli_value(key: str, value: object, path: Path) -> str | list[str]:
    if isinstance(value, list) and all(isinstance(item, bool | int | float | str) for item in value):
        return [str(item) for item in value]
    if not isinstance(value, bool | int | float | str):
        raise UsageError(
            f"invalid value of the setting '{key}' in '{path}'", "use a number, a text, a boolean or a list"
        )
    return str(value)
