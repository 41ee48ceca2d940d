"""README's table of commands and docs/cli.md against the program."""

import re
import subprocess
import sys
from pathlib import Path

from grucli import cli

ROOT = Path(__file__).parents[2]


def test_readme_lists_every_command() -> None:
    rows = re.findall(r"^\| `gru (\w+)[^`]*`", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(cli.build_cli().commands)


def test_the_reference_is_up_to_date() -> None:
    """When this fails: make reference."""
    done = subprocess.run([sys.executable, "-m", "grucli.cli.reference"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (ROOT / "docs" / "cli.md").read_text("utf-8") == done.stdout
