"""Completion scripts for bash, zsh, fish and PowerShell, made from the tree of commands.

They are static: a Tab starts no Python. Only the names of models are looked up, in the folder of models, by the shell
itself. `python -m grucli.cli.completions` writes them into `completions/`, and a test says when that is due.
"""

from grucli.cli.completions.bash import bash
from grucli.cli.completions.command_spec import SHELLS, command_specs
from grucli.cli.completions.fish import fish
from grucli.cli.completions.powershell import powershell
from grucli.cli.completions.zsh import zsh
from grucli.errors import UsageError

__all__ = ["SHELLS", "script"]


def script(shell: str) -> str:
    """The completion script for a shell.

    Raises:
        UsageError: there is none for this shell.
    """
    makers = {"bash": bash, "zsh": zsh, "fish": fish, "powershell": powershell, "pwsh": powershell}
    if shell not in makers:
        raise UsageError(f"no completion for '{shell}'", f"choose one of {', '.join(SHELLS)}")
    return makers[shell](command_specs())
