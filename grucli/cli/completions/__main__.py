"""Writes the completion scripts into the folder `completions` of a checkout: python -m grucli.cli.completions."""

from pathlib import Path

from grucli.cli.completions import SHELLS, script
from grucli.files import atomic_write

FOLDER = Path(__file__).parents[3] / "completions"

if __name__ == "__main__":
    for shell, name in SHELLS.items():
        atomic_write(FOLDER / name, script(shell).encode())
