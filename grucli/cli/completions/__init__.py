"""Completion scripts for bash, zsh, fish and PowerShell: a template per shell, filled from the tree of commands.

The scripts are static: Tab starts no Python, and only the names of models are read, by the shell, from the models
folder. `python -m grucli.cli.completions` writes them to `completions/`; a test fails when that is due.
"""

from importlib.resources import files

from grucli.cli.completions import shells
from grucli.cli.completions.command_tree import command_tree
from grucli.errors import UsageError

SHELLS = {"bash": "gru.bash", "zsh": "_gru", "fish": "gru.fish", "powershell": "gru.ps1"}
"""File name of the script for each shell."""

_FILLERS = {"bash": shells.bash, "zsh": shells.zsh, "fish": shells.fish, "powershell": shells.powershell}


def script(shell: str) -> str:
    """The completion script for a shell.

    Raises:
        UsageError: there is none for this shell.
    """
    shell = "powershell" if shell == "pwsh" else shell
    if shell not in SHELLS:
        raise UsageError(f"no completion for '{shell}'", f"choose one of {', '.join(SHELLS)}")
    text = (files(__name__) / "templates" / SHELLS[shell]).read_text("utf-8")
    for placeholder, lines in _FILLERS[shell](command_tree(tuple(SHELLS))).items():
        text = text.replace(f"@{placeholder}@", "\n".join(lines))
    return text
