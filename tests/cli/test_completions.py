"""Completion scripts: up to date, right in the shells that are here, and put where those shells look."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import shellingham

from grucli import cli
from grucli.__main__ import main
from grucli.cli.completions import SHELLS, script
from grucli.cli.completions.command_tree import command_tree
from grucli.cli.completions.install import current_shell, install
from grucli.errors import UsageError

COMPLETIONS_DIR = Path(__file__).parents[2] / "completions"
MODEL_FILES = {"emo": "best", "demo-talk": "last", "broken": "optimizer", "a b": "best", "$(touch pwned)": "best"}
MODEL_NAMES = {"chitchat", "demo-talk", "emo"}
FILE_NAMES = {"corpus.csv", "x.safetensors"}

CASES: list[tuple[str, set[str]]] = [
    ("gru ", set(cli.COMMANDS)),
    ("gru t", {"train"}),
    ("gru -q m", {"models"}),
    ("gru models ", {"list", "show", "rename", "remove", "path", "quantize"}),
    ("gru models --json r", {"remove", "rename"}),
    ("gru models show e", {"emo"}),
    ("gru models remove emo d", {"demo-talk"}),
    ("gru sample e", {"emo"}),
    *((f"gru {command} ch", {"chitchat"}) for command in ("chat", "sample", "eval", "models show")),
    ("gru eval emo d", {"demo-talk"}),
    ("gru sample -n 3 e", {"emo"}),
    ("gru sample --top", {"--top-k", "--top-p"}),
    ("gru train --tokenizer ", {"char", "subword", "word"}),
    ("gru train --tokenizer w", {"word"}),
    ("gru train --from e", {"emo"}),
    ("gru train --from n", {"nothing"}),
    ("gru train --from ch", {"chitchat"}),
    ("gru train --batch ", set()),
    ("gru models rename emo ", set()),
    ("gru --show-completion ", set(SHELLS)),
]
IDS = [case[0] for case in CASES]


def needs_shell(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


@pytest.fixture(scope="module")
def completion_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home, some models, some files to complete, and the scripts."""
    home_root = tmp_path_factory.mktemp("completions")
    for name, weights in MODEL_FILES.items():
        directory = home_root / "gru" / "models" / name
        directory.mkdir(parents=True)
        (directory / f"{weights}.safetensors").touch()
    (home_root / "here").mkdir()
    for name in FILE_NAMES:
        (home_root / "here" / name).touch()
    (home_root / "scripts").mkdir()
    for name, file in SHELLS.items():
        (home_root / "scripts" / file).write_text(script(name), "utf-8")
    return home_root


def make_environment(root: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        "GRU_HOME": str(root / "gru"),
        "TERM": "dumb",
        "LC_ALL": "C",
    }


def run_completion(root: Path, *command: str, **variables: str) -> list[str]:
    done = subprocess.run(
        command,
        cwd=root / "here",
        env={**make_environment(root), **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert not (root / "here" / "pwned").exists()
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", SHELLS)
def test_the_shipped_scripts_are_up_to_date(name: str) -> None:
    """When this fails: python -m grucli.cli.completions."""
    assert (COMPLETIONS_DIR / SHELLS[name]).read_text("utf-8") == script(name)


def test_they_cover_every_command_and_option() -> None:
    result = {
        node.path: {name for option in node.options for name in option.names} for node in command_tree(tuple(SHELLS))
    }
    below = {"models": ("list", "show", "rename", "remove", "path", "quantize"), "sessions": ("list", "remove")}
    assert result.keys() == {"", *cli.COMMANDS} | {f"{group} {name}" for group in below for name in below[group]}
    for names in result.values():
        assert {"-q", "--quiet", "--debug", "--version", "-h", "--help"} <= names
    for name in SHELLS:
        text = script(name)
        for option in result["train"] - {"-q", "-h"}:
            assert option.lstrip("-") in text


def test_they_start_no_python() -> None:
    for name in SHELLS:
        code = "\n".join(line for line in script(name).splitlines() if not line.startswith("#"))
        assert "python" not in code.lower()
        assert not re.search(r"\$\(gru|`gru|_GRU_COMPLETE", code)


def test_the_zsh_script_begins_as_zsh_asks() -> None:
    assert script("zsh").splitlines()[0] == "#compdef gru"


BASH_PROGRAM = """
source "$1"; shift
compopt() { printf 'FILES\\n'; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _gru
(( ${#COMPREPLY[@]} == 0 )) || printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete_in_bash(root: Path, *words: str, **variables: str) -> set[str]:
    return set(
        run_completion(
            root, "bash", "--norc", "-c", BASH_PROGRAM, "bash", str(root / "scripts" / "gru.bash"), *words, **variables
        )
    )


@needs_shell("bash")
@pytest.mark.parametrize(("line", "expected"), CASES, ids=IDS)
def test_bash(completion_home: Path, line: str, expected: set[str]) -> None:
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    assert complete_in_bash(completion_home, *words) == expected


@needs_shell("bash")
def test_bash_at_an_equals_sign_and_where_files_stand(completion_home: Path) -> None:
    # Bash makes three words of --tokenizer=w.
    assert complete_in_bash(completion_home, "gru", "train", "--tokenizer", "=", "w") == {"word"}
    assert complete_in_bash(completion_home, "gru", "train", "--tokenizer", "=") == {"char", "subword", "word"}
    assert complete_in_bash(completion_home, "gru", "train", "--tokenizer", "=", "word", "") == {"FILES"}
    assert complete_in_bash(completion_home, "gru", "train", "a.csv", "b") == {"FILES"}
    assert complete_in_bash(completion_home, "gru", "sample", "no-such-model") == {"FILES"}
    assert complete_in_bash(completion_home, "gru", "eval", "emo", "corp") == {"FILES"}
    assert complete_in_bash(completion_home, "gru", "models", "remove", "chitchat") == {"FILES"}
    assert complete_in_bash(completion_home, "gru", "models", "rename", "chitchat") == {"FILES"}


@needs_shell("bash")
def test_bash_finds_the_models_where_gru_keeps_them(completion_home: Path, tmp_path: Path) -> None:
    assert complete_in_bash(completion_home, "gru", "sample", "", GRU_HOME="~/gru") == MODEL_NAMES
    assert (
        complete_in_bash(completion_home, "gru", "sample", "", GRU_HOME="", XDG_DATA_HOME=str(completion_home))
        == MODEL_NAMES
    )
    assert complete_in_bash(completion_home, "gru", "sample", "", GRU_HOME=str(tmp_path)) == {"chitchat"}
    if sys.platform.startswith("linux"):
        (tmp_path / ".local" / "share").mkdir(parents=True)
        (tmp_path / ".local" / "share" / "gru").symlink_to(completion_home / "gru")
        assert complete_in_bash(completion_home, "gru", "sample", "", GRU_HOME="", HOME=str(tmp_path)) == MODEL_NAMES


def complete_in_fish(root: Path, line: str) -> list[str]:
    program = f"source {shlex.quote(str(root / 'scripts' / 'gru.fish'))}; complete -C {shlex.quote(line)}"
    return [answer.split("\t")[0] for answer in run_completion(root, "fish", "--no-config", "-c", program)]


@needs_shell("fish")
@pytest.mark.parametrize(("line", "expected"), CASES, ids=IDS)
def test_fish(completion_home: Path, line: str, expected: set[str]) -> None:
    assert set(complete_in_fish(completion_home, line)) == expected


@needs_shell("fish")
def test_fish_at_an_equals_sign_and_where_files_stand(completion_home: Path) -> None:
    assert complete_in_fish(completion_home, "gru train --tokenizer=w") == ["--tokenizer=word"]
    assert complete_in_fish(completion_home, "gru train co") == ["corpus.csv"]


@pytest.mark.slow
@needs_shell("zsh")
def test_zsh(completion_home: Path) -> None:
    """Tab in a real zsh on a pseudo-terminal, bound to list what would be completed."""
    pexpect = pytest.importorskip("pexpect")
    child = pexpect.spawn(
        "zsh",
        ["-f", "-i"],
        env=make_environment(completion_home),
        cwd=completion_home / "here",
        encoding="utf-8",
        dimensions=(50, 150),
        timeout=20,
    )
    child.sendline(
        f"fpath=({shlex.quote(str(completion_home / 'scripts'))} $fpath); autoload -Uz compinit && compinit -u -D; "
        "PS1='> '; LISTMAX=0; bindkey '^I' list-choices; print REA''DY"
    )
    child.expect_exact("READY")
    listed = {
        "gru ": ["demo *-- ", "eval *-- ", "models *-- "],
        "gru models s": ["show *-- Show"],
        "gru models show ": ["chitchat +demo-talk +emo +x.safetensors"],
        "gru models rename ": ["demo-talk +emo +x.safetensors"],
        "gru sample --top": ["--top-k *-- ", "--top-p *-- "],
        "gru train --tokenizer=": ["char +subword +word"],
        "gru train --from ": ["chitchat +demo-talk +emo +nothing +x.safetensors"],
        "gru train co": [r"\s+corpus.csv"],
    }
    for line, expected in listed.items():
        child.send(f"{line}\t")
        for pattern in expected:
            child.expect(pattern)
        child.send("\x15")
    child.close(force=True)
    assert not (completion_home / "here" / "pwned").exists()


@pytest.mark.parametrize(("name", "words"), [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_they_parse(name: str, words: list[str]) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        [name, *words, str(COMPLETIONS_DIR / SHELLS[name])], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_script_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for name in SHELLS:
        assert main(["--show-completion", name]) == 0
        assert capsys.readouterr().out == script(name)


@pytest.fixture
def shell_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.mark.parametrize(("name", "start_up"), [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_installing_keeps_the_start_up_file_and_adds_one_line_once(shell_home: Path, name: str, start_up: str) -> None:
    (shell_home / start_up).write_bytes(b"alias x=y # \xff no newline")
    first = install(name, shell_home)
    content = (shell_home / start_up).read_bytes()
    assert content.startswith(b"alias x=y # \xff no newline\n")
    assert content.count(b"\n") == 2
    assert install(name, shell_home) == first
    assert (shell_home / start_up).read_bytes() == content
    assert first[0].read_text() == script(name)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("bash", ["-i", "-c", "complete -p gru"]),
        ("zsh", ["-i", "-c", "print $_comps[gru]"]),
        ("fish", ["-c", "complete -C 'gru tr'"]),
    ],
)
def test_an_installed_script_is_found_by_its_shell(shell_home: Path, name: str, command: list[str]) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    install(name, shell_home)
    # Fish looks for the completion of a program only where there is one.
    (shell_home / "gru").write_text("#!/bin/sh\n")
    (shell_home / "gru").chmod(0o755)
    done = subprocess.run(
        [name, *command],
        env={"PATH": f"{shell_home}:{os.environ['PATH']}", "HOME": str(shell_home), "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split("\t")[0].strip() in {"complete -F _gru gru", "_gru", "train"}


def test_installing_from_the_command_line(
    shell_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Path, "home", lambda: shell_home)
    monkeypatch.setattr(shellingham, "detect_shell", lambda: ("fish", "/usr/bin/fish"))
    assert main(["--install-completion"]) == 0
    target = shell_home / ".config" / "fish" / "completions" / "gru.fish"
    assert target.read_text() == script("fish")
    assert str(target) in capsys.readouterr().err.replace("\n", "")


def test_the_shell_may_be_unknown_or_strange(shell_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise shellingham.ShellDetectionFailure

    monkeypatch.setattr(shellingham, "detect_shell", fail)
    monkeypatch.setenv("SHELL", "/bin/zsh")
    assert current_shell() == "zsh"
    monkeypatch.delenv("SHELL")
    with pytest.raises(UsageError, match="cannot detect"):
        current_shell()
    with pytest.raises(UsageError, match="'tcsh'"):
        install("tcsh", shell_home)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="not on the PATH"):
        install("pwsh", shell_home)


@pytest.mark.skipif(sys.platform == "win32", reason="stands in for PowerShell with a shell script")
def test_installing_into_powershell(shell_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = shell_home / "pwsh"
    profile = shell_home / "PowerShell" / "profile.ps1"
    program.write_text(f"#!/bin/sh\necho {shlex.quote(str(profile))}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(shell_home))
    target, start_up = install("pwsh", shell_home)
    assert start_up == profile
    assert profile.read_text() == f". '{target}'\n"
    assert target.read_text() == script("powershell")
    profile.write_text("Set-Alias g gru", "utf-16")
    for _ in range(2):
        install("pwsh", shell_home)
        assert profile.read_text("utf-16") == f"Set-Alias g gru\n. '{target}'\n"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(UsageError, match="does not report"):
        install("pwsh", shell_home)
