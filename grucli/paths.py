"""Where things live. `GRU_HOME` moves everything the program writes into one folder.

Nothing here creates a folder: whoever writes makes its own parent, so that asking for a path has no effect.
"""

import os
from pathlib import Path

import platformdirs

from grucli.errors import GruError


def _resolve(home_subdir: str, default: str) -> Path:
    home = home_override()
    return home / home_subdir if home is not None else Path(default)


def home_override() -> Path | None:
    """The folder that `GRU_HOME` names, None where it names none."""
    home = os.environ.get("GRU_HOME")
    return Path(home).expanduser() if home else None


def validate_home() -> None:
    """See that `GRU_HOME`, where it is set, is a folder or can become one, so far as can be told without making it.

    Raises:
        GruError: it cannot.
    """
    home = home_override()
    if home is None or home.is_dir():
        return
    existing = next(path for path in (home, *home.absolute().parents) if os.path.lexists(path))
    if not existing.is_dir():
        raise home_error(f"'{existing}' is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise home_error(f"nothing may be made in '{existing}'")


def home_error(reason: str) -> GruError:
    """The error for a `GRU_HOME` in which nothing can be kept."""
    return GruError(
        f"GRU_HOME is '{home_override()}', which cannot be used: {reason}", "let GRU_HOME name a folder of yours"
    )


def data_dir() -> Path:
    """The folder of what the user would miss: models, chat history."""
    return _resolve(".", platformdirs.user_data_dir("gru", appauthor=False))


def cache_dir() -> Path:
    """The folder of what can be made again: token files, compiled kernels."""
    return _resolve("cache", platformdirs.user_cache_dir("gru", appauthor=False))


def config_file() -> Path:
    """The user's `config.toml`."""
    return _resolve(".", platformdirs.user_config_dir("gru", appauthor=False)) / "config.toml"


def models_dir() -> Path:
    """The folder that holds one folder per model."""
    return data_dir() / "models"
