"""Write the completion scripts to the folder `completions` of a checkout: python -m grucli.cli.completions."""

from pathlib import Path

from grucli.cli.completions import SHELLS, script
from grucli.files import atomic_write

OUTPUT_DIR = Path(__file__).parents[3] / "completions"

if __name__ == "__main__":
    for shell, name in SHELLS.items():
        atomic_write(OUTPUT_DIR / name, script(shell).encode())
