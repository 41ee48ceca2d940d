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

MAX_BYTES = 1 << 20

Options = Mapping[str, str]
"""The options of one command: long name without dashes → the name of its parameter."""


def read_config(path: Path) -> dict[str, Any]:
    """The settings in `config.toml`; none where there is no such file.

    Raises:
        UsageError: it cannot be read, or is no TOML.
    """
    todo = f"correct '{path}', or move it away"
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UsageError(f"the settings in '{path}' are larger than {MAX_BYTES} bytes", todo)
        return tomllib.loads(content.decode())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"the settings in '{path}' cannot be read: {error.strerror}", todo) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the settings in '{path}' are no TOML: {error}", todo) from None


def defaults(config: Mapping[str, Any], commands: Mapping[tuple[str, ...], Options], path: Path) -> dict[str, Any]:
    """Turn settings into nested defaults: command → (its subcommand →) parameter → value as on a command line.

    `commands` has the words of each command, such as ("models", "show"); a table is named for the first of them.
    `path` is that of the settings, for errors.

    Raises:
        UsageError: a key that no command knows (the nearest is named), or a value that no option can take.
    """
    tables = {key: value for key, value in config.items() if isinstance(value, dict)}
    top = {key: value for key, value in config.items() if key not in tables}
    _check("the table", tables, {words[0] for words in commands}, path)
    _check("the setting", top, {option for options in commands.values() for option in options}, path)
    for name, table in tables.items():
        of_command = {option for words, options in commands.items() if words[0] == name for option in options}
        _check(f"in [{name}], the setting", table, of_command, path)
    found: dict[str, Any] = {}
    for words, options in commands.items():
        place = found
        for word in words:
            place = place.setdefault(word, {})
        for key, value in {**_by_option(top), **_by_option(tables.get(words[0], {}))}.items():
            if key in options:
                place[options[key]] = _as_typed(key, value, path)
    return found


def _by_option(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table with its keys as options are spelt: `top_k` may stand for `top-k`."""
    return {key.replace("_", "-"): value for key, value in table.items()}


def _check(what: str, table: Mapping[str, Any], known: set[str], path: Path) -> None:
    for key in table:
        if key.replace("_", "-") not in known:
            near = difflib.get_close_matches(key, sorted(known), n=1)
            todo = f"did you mean '{near[0]}'?" if near else "take it out; gru COMMAND --help lists what there is"
            raise UsageError(f"{what} '{key}' in '{path}' is not known", todo)


def _as_typed(key: str, value: object, path: Path) -> str | list[str]:
    """A value as it would be typed, so that each option judges it as it judges what stands on a command line."""
    if isinstance(value, list) and all(isinstance(item, bool | int | float | str) for item in value):
        return [str(item) for item in value]
    if not isinstance(value, bool | int | float | str):
        raise UsageError(f"the setting '{key}' in '{path}' has no value that an option takes", "write a number or text")
    return str(value)
