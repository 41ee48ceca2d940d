"""Directories of the program. `GRU_HOME` moves all files that it writes into one directory.

Functions here create nothing; writers create the directories that they need.
"""

import os
from pathlib import Path

import platformdirs

from grucli.errors import GruError


def _resolve(home_subdir: str, default: str) -> Path:
    home = home_override()
    return home / home_subdir if home is not None else Path(default)


def home_override() -> Path | None:
    """The directory in `GRU_HOME`, or None."""
    home = os.environ.get("GRU_HOME")
    return Path(home).expanduser() if home else None


def validate_home() -> None:
    """Check that `GRU_HOME`, if set, is a directory or can be created, without creating it.

    Raises:
        GruError: it cannot be used.
    """
    home = home_override()
    if home is None or home.is_dir():
        return
    existing = next(path for path in (home, *home.absolute().parents) if os.path.lexists(path))
    if not existing.is_dir():
        raise home_error(f"'{existing}' is not a directory")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise home_error(f"no permission to write in '{existing}'")


def home_error(reason: str) -> GruError:
    """The error for a `GRU_HOME` that cannot be used."""
    return GruError(
        f"GRU_HOME is '{home_override()}', which cannot be used: {reason}", "set GRU_HOME to a directory that you own"
    )


def data_dir() -> Path:
    """Directory of user data: models, chat sessions."""
    return _resolve(".", platformdirs.user_data_dir("gru", appauthor=False))


def cache_dir() -> Path:
    """Directory of what can be regenerated: token files, compiled kernels."""
    return _resolve("cache", platformdirs.user_cache_dir("gru", appauthor=False))


def config_file() -> Path:
    """The user's `config.toml`."""
    return _resolve(".", platformdirs.user_config_dir("gru", appauthor=False)) / "config.toml"


def models_dir() -> Path:
    """Directory with one directory per model."""
    return data_dir() / "models"


def comparisons_dir() -> Path:
    """Directory with one directory per comparison of cells."""
    return data_dir() / "comparisons"
