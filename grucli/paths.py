"""Where things live. `GRU_HOME` moves everything the program writes into one folder.

Nothing here creates a folder: whoever writes makes its own parent, so that asking for a path has no effect.
"""

import os
from pathlib import Path

import platformdirs

from grucli.errors import GruError


def _place(inside_home: str, default: str) -> Path:
    home = chosen_home()
    return home / inside_home if home is not None else Path(default)


def chosen_home() -> Path | None:
    """The folder that `GRU_HOME` names, None where it names none."""
    home = os.environ.get("GRU_HOME")
    return Path(home).expanduser() if home else None


def check_home() -> None:
    """See that `GRU_HOME`, where it is set, is a folder or can become one, so far as can be told without making it.

    Raises:
        GruError: it cannot.
    """
    home = chosen_home()
    if home is None or home.is_dir():
        return
    there = next(path for path in (home, *home.absolute().parents) if os.path.lexists(path))
    if not there.is_dir():
        raise unusable_home(f"'{there}' is not a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise unusable_home(f"nothing may be made in '{there}'")


def unusable_home(why: str) -> GruError:
    """The error for a `GRU_HOME` in which nothing can be kept."""
    return GruError(
        f"GRU_HOME is '{chosen_home()}', which cannot be used: {why}", "let GRU_HOME name a folder of yours"
    )


def data_dir() -> Path:
    """The folder of what the user would miss: models, chat history."""
    return _place(".", platformdirs.user_data_dir("gru", appauthor=False))


def cache_dir() -> Path:
    """The folder of what can be made again: token files, compiled kernels."""
    return _place("cache", platformdirs.user_cache_dir("gru", appauthor=False))


def config_file() -> Path:
    """The user's `config.toml`."""
    return _place(".", platformdirs.user_config_dir("gru", appauthor=False)) / "config.toml"


def models_dir() -> Path:
    """The folder that holds one folder per model."""
    return data_dir() / "models"
