"""Installation of completion scripts."""

import os
import shutil
import subprocess
from pathlib import Path

import shellingham  # comes with typer

from grucli.cli.completions import script
from grucli.errors import UsageError
from grucli.files import atomic_write
from grucli.read.encoding import UTF8, find_mark

_MANUAL_HINT = "print a script with: gru --show-completion bash, zsh, fish or powershell"


def current_shell() -> str:
    """The shell from which the program was started.

    Raises:
        UsageError: it cannot be detected.
    """
    try:
        return str(shellingham.detect_shell()[0])
    except (shellingham.ShellDetectionFailure, OSError):
        login = Path(os.environ.get("SHELL", "")).name
    if not login:
        raise UsageError("cannot detect the shell", _MANUAL_HINT)
    return login


def install(shell: str, home: Path) -> list[Path]:
    """Write the script for a shell, and the line in its startup file that loads it; return the written files.

    A second call changes nothing.

    Raises:
        UsageError: the shell is not supported.
        OSError: a file cannot be written.
    """
    if shell == "bash":
        target, startup_file = home / ".bash_completions" / "gru.sh", home / ".bashrc"
        line = f"source '{target}'"
    elif shell == "zsh":
        target, startup_file = home / ".zfunc" / "_gru", Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
        line = f"fpath=('{target.parent}' $fpath); autoload -Uz compinit && compinit"
    elif shell == "fish":
        config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        target, startup_file, line = config / "fish" / "completions" / "gru.fish", None, ""
    elif shell in {"powershell", "pwsh"}:
        startup_file = _powershell_profile(shell)
        target = startup_file.with_name("gru.ps1")
        line = f". '{target}'"
    else:
        raise UsageError(f"cannot install completion for the shell '{shell}'", _MANUAL_HINT)
    atomic_write(target, script(shell).encode())
    if startup_file is None:
        return [target]
    before = startup_file.read_bytes() if startup_file.is_file() else b""
    # A profile of PowerShell may be UTF-16.
    encoding = find_mark(before)[1] or UTF8
    text = before.decode(encoding, "replace")
    if line not in text.splitlines():
        gap = "" if not text or text.endswith("\n") else "\n"
        atomic_write(startup_file, before + f"{gap}{line}\n".encode(encoding))
    return [target, startup_file]


def _powershell_profile(shell: str) -> Path:
    program = shutil.which(shell)
    if program is None:
        raise UsageError(f"'{shell}' is not on the PATH", _MANUAL_HINT)
    command = [program, "-NoProfile", "-NonInteractive", "-Command", "Write-Output $PROFILE"]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    if not output:
        raise UsageError(f"'{shell}' does not report the path of its profile", _MANUAL_HINT)
    return Path(output)
