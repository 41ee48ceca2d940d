"""Where things live. `GRU_HOME` moves everything the program writes into one folder.

Nothing here creates a folder: whoever writes makes its own parent, so that asking for a path has no effect.
"""

import os
from pathlib import Path

import platformdirs


def _place(inside_home: str, default: str) -> Path:
    home = os.environ.get("GRU_HOME")
    return Path(home).expanduser() / inside_home if home else Path(default)


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
