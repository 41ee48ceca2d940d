"""What `config.toml` asks for. Ground floor: it knows the names of options, not what they mean.

Flags win over `GRU_*` variables, those over `config.toml`, and that over the defaults. There, a key at the top
applies to every command that has an option of that name, one in a table to the command the table is named for:

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
"""The options of one command: long name without dashes → the name of its parameter."""


def read_config(path: Path) -> dict[str, Any]:
    """The settings in `config.toml`; none where there is no such file.

    Raises:
        UsageError: it cannot be read, or is no TOML.
    """
    hint = f"correct '{path}', or move it away"
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
        if len(content) > MAX_CONFIG_BYTES:
            raise UsageError(f"the settings in '{path}' are larger than {MAX_CONFIG_BYTES} bytes", hint)
        return tomllib.loads(content.decode())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"the settings in '{path}' cannot be read: {error.strerror}", hint) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the settings in '{path}' are no TOML: {error}", hint) from None


def config_defaults(
    config: Mapping[str, Any], commands: Mapping[tuple[str, ...], OptionMap], path: Path
) -> dict[str, Any]:
    """Turn settings into nested defaults: command → (its subcommand →) parameter → value as on a command line.

    `commands` has the words of each command, such as ("models", "show"); a table is named for the first of them.
    `path` is that of the settings, for errors.

    Raises:
        UsageError: a key that no command knows (the nearest is named), or a value that no option can take.
    """
    tables = {key: value for key, value in config.items() if isinstance(value, dict)}
    top = {key: value for key, value in config.items() if key not in tables}
    _check_known("the table", tables, {words[0] for words in commands}, path)
    _check_known("the setting", top, {option for options in commands.values() for option in options}, path)
    for name, table in tables.items():
        command_options = {option for words, options in commands.items() if words[0] == name for option in options}
        _check_known(f"in [{name}], the setting", table, command_options, path)
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
    """A table with its keys as options are spelt: `top_k` may stand for `top-k`."""
    return {key.replace("_", "-"): value for key, value in table.items()}


def _check_known(subject: str, table: Mapping[str, Any], known: set[str], path: Path) -> None:
    for key in table:
        if key.replace("_", "-") not in known:
            matches = difflib.get_close_matches(key, sorted(known), n=1)
            hint = f"did you mean '{matches[0]}'?" if matches else "take it out; gru COMMAND --help lists what there is"
            raise UsageError(f"{subject} '{key}' in '{path}' is not known", hint)


def _as_cli_value(key: str, value: object, path: Path) -> str | list[str]:
    """A value as it would be typed, so that each option judges it as it judges what stands on a command line."""
    if isinstance(value, list) and all(isinstance(item, bool | int | float | str) for item in value):
        return [str(item) for item in value]
    if not isinstance(value, bool | int | float | str):
        raise UsageError(f"the setting '{key}' in '{path}' has no value that an option takes", "write a number or text")
    return str(value)
