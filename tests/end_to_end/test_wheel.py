"""The completion scripts in the wheel, installed and used by the shells that are here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pexpect = pytest.importorskip("pexpect")
pytest.importorskip("hatchling")

ROOT = Path(__file__).parents[2]
INSTALLED = {
    "share/bash-completion/completions/gru": "gru.bash",
    "share/zsh/site-functions/_gru": "_gru",
    "share/fish/vendor_completions.d/gru.fish": "gru.fish",
    "share/gru/gru.ps1": "gru.ps1",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind"),
]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory into which the wheel is installed without its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", "--ignore-installed", "--prefix", folder / "prefix", wheel],
        check=True,
    )
    return folder / "prefix"


def environment(prefix: Path) -> dict[str, str]:
    return {
        "PATH": f"{prefix / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(prefix),
        "XDG_DATA_DIRS": str(prefix / "share"),
        "TERM": "dumb",
        "LC_ALL": "C",
    }


def interactive(prefix: Path, setup: str, *command: str) -> Any:
    """Start a shell on a pseudo-terminal and run `setup`, which ends with a line READY."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    shell = pexpect.spawn(command[0], list(command[1:]), env=environment(prefix), encoding="utf-8", timeout=60)
    shell.sendline(f"{setup}; printf '%s\\n' REA''DY")
    shell.expect_exact("READY")
    return shell


@pytest.mark.parametrize("path", INSTALLED)
def test_the_scripts_are_installed_where_shells_look(prefix: Path, path: str) -> None:
    assert (prefix / path).read_bytes() == (ROOT / "completions" / INSTALLED[path]).read_bytes()


def test_bash_completes_from_the_wheel(prefix: Path) -> None:
    script = prefix / "share" / "bash-completion" / "completions" / "gru"
    shell = interactive(prefix, f"source {script}", "bash", "--norc", "--noprofile", "-i")
    shell.send("gru tr\t--tokeni\tsubw\t#")
    shell.expect_exact("gru train --tokenizer subword #")
    shell.close(force=True)


def test_zsh_completes_from_the_wheel(prefix: Path) -> None:
    functions = prefix / "share" / "zsh" / "site-functions"
    setup = f"fpath=({functions} $fpath); autoload -Uz compinit && compinit -u -D; bindkey '^I' list-choices"
    shell = interactive(prefix, setup, "zsh", "-f", "-i")
    shell.send("gru models s\t")
    shell.expect("show *-- ")
    shell.close(force=True)


def test_fish_completes_from_the_wheel(prefix: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    done = subprocess.run(
        ["fish", "-c", "complete -C 'gru tr'"], env=environment(prefix), capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\t")[0].strip() == "train"


def test_the_files_of_the_page_are_installed(prefix: Path) -> None:
    installed = {path.name for path in prefix.rglob("grucli/inspection/page_files/*")}
    assert installed >= {"page.html", "page.css", "page.js"}
