"""The texts, and how each is obtained."""

import gzip
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grucli.api.clean import clean
from grucli.api.demo import demo_corpus
from grucli.errors import GruError, UsageError
from grucli.files import atomic_writer
from grucli.paths import cache_dir

_DICTIONARY_PACKAGE = "dict-gcide"


@dataclass(frozen=True)
class Text:
    """What is trained on, for how many minutes.

    description: for readers. minutes: the budgets. open: obtains the text, and returns it as options of `gru train`.
    """

    description: str
    minutes: tuple[float, ...]
    open: Callable[[], dict[str, Any]]


def _test_data(name: str) -> str:
    directory = os.environ.get("GRU_TEST_DATA")
    if not directory:
        raise UsageError("GRU_TEST_DATA is not set", f"set it to the folder of {name}")
    path = Path(directory).absolute() / name
    if not path.is_file():
        raise UsageError(f"file not found: '{path}'", "set GRU_TEST_DATA to the folder of the test data")
    return str(path)


def _open_shakespeare() -> dict[str, Any]:
    return {"sources": [_test_data("tinyshakespeare.txt")]}


def _open_goemotions() -> dict[str, Any]:
    return {"sources": [_test_data("goemotions-train.tsv")], "val_file": _test_data("goemotions-test.tsv")}


def _open_chitchat() -> dict[str, Any]:
    return {"sources": [demo_corpus()]}


def _open_reddit() -> dict[str, Any]:
    dump = _test_data("RC_2005-12.zst")
    corpus = _texts_dir() / "RC_2005-12.csv"
    clean(dump, corpus, force=True)
    return {"sources": [str(corpus)]}


def _open_dictionary() -> dict[str, Any]:
    path = _texts_dir() / "gcide.txt"
    if not path.exists():
        _unpack_dictionary(path)
    return {"sources": [str(path)], "val": 0.02}


def _unpack_dictionary(path: Path) -> None:
    """Download the Debian package of the dictionary and write its text to `path`.

    Raises:
        GruError: the package cannot be downloaded or unpacked.
    """
    with tempfile.TemporaryDirectory() as directory:
        try:
            for command in (
                ["apt-get", "download", _DICTIONARY_PACKAGE],
                ["sh", "-c", f"dpkg-deb -x {_DICTIONARY_PACKAGE}_*.deb ."],
            ):
                subprocess.run(command, cwd=directory, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise GruError(
                f"cannot unpack the Debian package {_DICTIONARY_PACKAGE}: {error}",
                f"run apt-get update on Debian, or write the text of the dictionary to '{path}'",
            ) from error
        packed = Path(directory) / "usr" / "share" / "dictd" / "gcide.dict.dz"
        with gzip.open(packed) as source, atomic_writer(path) as target:
            shutil.copyfileobj(source, target)


def _texts_dir() -> Path:
    directory = cache_dir() / "texts"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


TEXTS = {
    "tinyshakespeare": Text("plays, 1.1 M characters; the last tenth is held out", (3, 20), _open_shakespeare),
    "goemotions": Text("43,410 comments, 3.0 M characters; measured on its test file", (2, 10), _open_goemotions),
    "chitchat": Text(
        "7,168 conversations of chitchat-dataset, 12.6 M characters; a tenth of them is held out",
        (1, 10),
        _open_chitchat,
    ),
    "RC_2005-12": Text(
        "the first month of Reddit, cleaned by `gru clean`, 280 k characters; a tenth of the comments is held out",
        (1, 5),
        _open_reddit,
    ),
    "gcide": Text(
        "Debian's package dict-gcide, a dictionary with quotations (GPL), 40 M characters; the last 2 % are held out",
        (10,),
        _open_dictionary,
    ),
}
"""By name."""
