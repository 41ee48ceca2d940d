"""The entry point: every error in two lines and with its status; what works before and behind every command."""

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import typer

from grucli import __version__, cli
from grucli.__main__ import main
from grucli.cli import build_cli
from grucli.cli.command_base import GlobalOptions, envvar_name, settings_by_command
from grucli.cli.train import EXIT_STATUS_BY_REASON
from grucli.errors import (
    CancelledError,
    DivergedError,
    EmptyInputError,
    GruError,
    LockedError,
    ModelFileError,
    UsageError,
)
from grucli.settings import _ACCEPTED, config_defaults
from grucli.training.signals import StopFlag

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals and devices of POSIX")
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRU_HOME", str(tmp_path))
    return tmp_path


def run_gru(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a user does."""
    command = [sys.executable, "-m", "grucli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)


def make_run_raise(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run(arguments: Sequence[str], asked: GlobalOptions) -> int:
        asked.debug = "--debug" in arguments
        raise error

    monkeypatch.setattr(cli, "parse_and_run", run)


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_help_leads_with_examples_and_has_every_command(capsys: Output, words: list[str]) -> None:
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.index("gru train food.csv") < out.index("Usage: gru") < out.index("Commands:")
    for name in ["demo", "fetch", "clean", "purge", "train", "sample", "chat", "eval", "models"]:
        assert f"\n  {name} " in out


def command_paths() -> list[list[str]]:
    subcommands = ("list", "show", "rename", "remove", "path")
    return [["models", name] for name in subcommands] + [[name] for name in cli.COMMANDS]


@pytest.mark.parametrize("words", command_paths(), ids=" ".join)
def test_every_command_helps_with_an_example_first(capsys: Output, words: list[str]) -> None:
    assert main([*words, "-h"]) == 0
    out = capsys.readouterr().out
    assert out.index(" ".join(["gru", *words])) < out.index("Usage:")
    for option in ("--debug", "--quiet", "--version", "--help"):
        assert option in out


def test_help_and_mistakes_load_nothing_heavy() -> None:
    program = (
        "import sys; from grucli.__main__ import main\n"
        "for words in (['--help'], ['train', '--help'], ['models', '--help'], ['--version']): assert main(words) == 0\n"
        "heavy = {'numpy', 'numba', 'llvmlite', 'prompt_toolkit', 'sentencepiece', 'msgspec'}\n"
        "heavy = (heavy | {'rich'}) & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert main(['trian']) == main(['train', '--setps', '3']) == 2\n"
        "heavy = {'numpy', 'numba', 'llvmlite', 'prompt_toolkit', 'sentencepiece', 'msgspec'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [*command_paths(), []], ids=" ".join)
def test_the_version_everywhere(capsys: Output, words: list[str]) -> None:
    assert main([*words, "--version"]) == 0
    assert capsys.readouterr().out == f"gru {__version__}\n"


@pytest.mark.parametrize(
    "words", [["-q", "models"], ["models", "-q"], ["models", "list", "-q"], ["models", "--quiet", "list"]]
)
def test_quiet_everywhere(capsys: Output, words: list[str]) -> None:
    assert main(["models", "list"]) == 0
    assert "no model yet" in capsys.readouterr().err
    assert main(words) == 0
    assert capsys.readouterr() == ("", "")


def test_quiet_from_the_environment(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRU_QUIET", "1")
    assert main(["models", "list"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("words", "what", "todo"),
    [
        (["trian"], "unknown command 'gru trian'", "did you mean 'gru train'?"),
        (["models", "lst"], "unknown command 'gru models lst'", "did you mean 'gru models list'?"),
        (["zzzz"], "unknown command 'gru zzzz'", "gru --help"),
        (["--verison"], "gru: unknown option '--verison'", "did you mean '--version'?"),
        (["train", "x.csv", "--cell", "mutt1"], "--cell: 'mutt1' is not one of", "did you mean 'mut1'?"),
        (["train", "x.csv", "--cell", "MUT1"], "--cell: 'MUT1' is not one of", "did you mean 'mut1'?"),
        (["train", "x.csv", "--cell", "zzz"], "--cell: 'zzz' is not one of", "gru train --help"),
        (["models", "list", "--jsno"], "gru: models list: unknown option '--jsno'", "did you mean '--json'?"),
        (["sample", "--temp", "abc"], "--temp: 'abc' is not a number", "gru sample --help"),
        (["sample", "-n", "x"], "gru: -n: 'x' is not a whole number, at least 1", "gru sample --help"),
        (["sample", "-n0"], "gru: -n: '0' is not a whole number, at least 1", "gru sample --help"),
        (["sample", "--n=0"], "gru: --n: '0' is not a whole number, at least 1", "gru sample --help"),
        (["sample", "--n", "5", "-n", "0"], "gru: -n: '0' is not a whole number, at least 1", "gru sample --help"),
        (["sample", "--temp", "1_0"], "--temp: '1_0' is not a number", "gru sample --help"),
        (["sample", "--temp", "٣"], "--temp: '٣' is not a number", "gru sample --help"),
        (["sample", "-n", "1_0"], "gru: -n: '1_0' is not a whole number, at least 1", "gru sample --help"),
        (["train", "a.csv", "--hidden", "٣"], "--hidden: '٣' is not a whole number", "gru train --help"),
        (["--json", "models"], "--json must follow the command", "gru models --json"),
        (["--json"], "--json must follow the command", "gru COMMAND --json"),
        (["models", "list", "-z"], "gru: models list: unknown option '-z'", "gru models list --help"),
        (["models", "rename", "a"], "gru: models rename needs NAME", "gru models rename --help"),
        (["models", "list", "extra"], "gru: models list: unexpected argument 'extra'", "see: gru models list --help"),
        (
            ["chat", "demo", "an", "extra"],
            "gru: chat: unexpected argument 'an extra'",
            "quote arguments that contain spaces",
        ),
        (["models", "list", "--json=1"], "--json", "gru --help"),
        (["--show-completion"], "--show-completion", "gru --help"),
        (["--show-completion", "tcsh"], "no completion for 'tcsh'", "bash"),
        (["models", "show", "\x1b[31mred"], "no model", "gru demo"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_in_the_command_line(capsys: Output, words: list[str], what: str, todo: str) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("gru: ")
    assert what in first
    assert todo in second
    assert "\x1b" not in err


ERRORS: list[tuple[BaseException, int, str]] = [
    (UsageError("wrong", "do it right"), 2, "wrong"),
    (EmptyInputError("empty", "bring more"), 3, "empty"),
    (ModelFileError("damaged", "take another"), 1, "damaged"),
    (LockedError("busy", "wait"), 1, "busy"),
    (DivergedError("diverged", "smaller --lr"), 1, "diverged"),
    (GruError("so what\nnow", "do"), 1, "so what now"),
    (KeyboardInterrupt(), 130, "Ctrl-C"),
    (typer.Abort(), 130, "Ctrl-C"),
    (OSError(errno.ENOSPC, "No space left on device", "out.csv"), 1, "no space left on device: 'out.csv'"),
    (OSError(errno.ENOSPC, "No space left on device"), 1, "no space left on device\n"),
    (OSError(errno.ENOSPC, "No space left on device", "<stdout>"), 1, "no space left on device: output\n"),
    (OSError(errno.EBADF, "Bad file descriptor", "<stdout>"), 1, "stdout is closed"),
    (PermissionError(errno.EACCES, "Permission denied", "/etc/x"), 1, "permission denied: '/etc/x'"),
    (OSError(errno.EROFS, "Read-only file system", "/x"), 1, "permission denied: '/x'"),
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.txt"), 2, "no such file or directory: 'a.txt'"),
    (IsADirectoryError(errno.EISDIR, "Is a directory", "a"), 2, "is a directory: 'a'"),
    (OSError(errno.EIO, "Input/output error"), 1, "input/output error"),
    (OSError("bare"), 1, "OSError: bare"),
    (MemoryError(), 1, "not enough memory"),
    (RecursionError("deep"), 1, "RecursionError: deep"),
    (ValueError("\x1b[31m[bold]odd"), 1, "ValueError: [31m[bold]odd"),
    (AssertionError(), 1, "AssertionError"),
]


@pytest.mark.parametrize(("error", "status", "says"), ERRORS, ids=[repr(case[0]) for case in ERRORS])
def test_every_error_is_two_lines(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, says: str
) -> None:
    make_run_raise(monkeypatch, error)
    assert main([]) == status
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert says in f"{first}\n"
    assert second.strip()
    assert "Traceback" not in err
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("number", "todo"),
    [
        (errno.ENOENT, "spelling"),
        (errno.EISDIR, "name a file"),
        (errno.ENAMETOOLONG, "shorter path"),
        (errno.ELOOP, "symbolic link"),
        (errno.ENOTDIR, "is a file"),
    ],
)
def test_a_path_that_leads_nowhere_is_put_right_by_what_is_wrong_with_it(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, number: int, todo: str
) -> None:
    make_run_raise(monkeypatch, OSError(number, "no", "somewhere"))
    assert main([]) == 2
    assert todo in capsys.readouterr().err.splitlines()[1]


def test_a_traceback_only_when_asked_for(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run_raise(monkeypatch, ValueError("odd"))
    assert main(["--debug"]) == 1
    err = capsys.readouterr().err
    assert err.index("Traceback") < err.index("gru: internal error")


@pytest.mark.parametrize("words", [["--debug", "models", "show", "x"], ["models", "show", "--debug", "x"]])
def test_debug_everywhere(capsys: Output, words: list[str]) -> None:
    assert main(words) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_exit_within_a_library_is_a_status(monkeypatch: pytest.MonkeyPatch) -> None:
    for error, status in [(SystemExit(1), 1), (SystemExit(0), 0), (SystemExit("text"), 1)]:
        make_run_raise(monkeypatch, error)
        assert main([]) == status


@posix_only
@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_unwinds(monkeypatch: pytest.MonkeyPatch, capsys: Output, name: str, status: int) -> None:
    unwound = []
    number = getattr(signal, name)

    def run(arguments: Sequence[str], asked: GlobalOptions) -> int:
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        finally:
            unwound.append(True)
        return 0

    monkeypatch.setattr(cli, "parse_and_run", run)
    before = signal.signal(number, signal.SIG_DFL)  # under nohup, SIGHUP is ignored
    try:
        assert main([]) == status
        assert unwound
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert capsys.readouterr() == ("", "")


@posix_only
def test_who_was_told_to_outlive_the_terminal_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(arguments: Sequence[str], asked: GlobalOptions) -> int:
        os.kill(os.getpid(), signal.SIGHUP)
        with StopFlag() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
        assert stop.reason is None
        return 0

    monkeypatch.setattr(cli, "parse_and_run", run)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main([]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@posix_only
@pytest.mark.parametrize(("name", "reason", "status"), [("SIGTERM", "terminated", 143), ("SIGHUP", "hung up", 129)])
def test_a_signal_stops_a_run(name: str, reason: str, status: int) -> None:
    with StopFlag() as stop:
        os.kill(os.getpid(), getattr(signal, name))
    assert stop.reason == reason
    assert CancelledError(reason).status == EXIT_STATUS_BY_REASON[reason] == status


@posix_only
@pytest.mark.parametrize("words", [["--help"], ["models", "list", "--json"], ["--show-completion", "bash"]])
def test_a_closed_pipe_is_quiet(words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "grucli", *words]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["--help"], ["models", "list", "--json"]])
def test_a_full_disk_behind_stdout(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "grucli", *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 2
    assert "no space left on device: output" in done.stderr


@pytest.mark.slow
def test_the_program_as_a_user_runs_it() -> None:
    done = run_gru("models", "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert [model["model"] for model in json.loads(done.stdout)] == ["chitchat"]
    done = run_gru("models", "show", "emo")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 2


RunOptions = Callable[..., dict[str, object]]


@pytest.fixture
def run_options() -> RunOptions:
    """A command of its own, which shows what its options came to."""
    from grucli.cli.command_base import GruCommand, GruGroup, usage_error_from_click

    app = typer.Typer(cls=GruGroup, rich_markup_mode=None, add_completion=False)
    received: dict[str, object] = {}

    @app.command(cls=GruCommand)
    def draw(
        top_k: int = 1, temp: float = 0.8, force: bool = typer.Option(False, "--force"), name: str = "none"
    ) -> None:
        received.update(top_k=top_k, temp=temp, force=force, name=name)

    @app.callback()
    def root() -> None: ...

    def run(*words: str) -> dict[str, object]:
        try:
            with typer.main.get_command(app).make_context("gru", ["draw", *words], obj=GlobalOptions()) as context:
                context.command.invoke(context)
        except typer.TyperException as error:
            raise usage_error_from_click(error) from error
        return received

    return run


def test_flags_go_before_variables_before_settings_before_defaults(
    run_options: RunOptions, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_options() == {"top_k": 1, "temp": 0.8, "force": False, "name": "none"}
    (home / "config.toml").write_text('top-k = 2\n[draw]\ntemp = 0.2\nforce = true\nname = "emo"\n')
    assert run_options() == {"top_k": 2, "temp": 0.2, "force": True, "name": "emo"}
    monkeypatch.setenv("GRU_TOP_K", "3")
    monkeypatch.setenv("GRU_FORCE", "false")
    assert run_options() == {"top_k": 3, "temp": 0.2, "force": False, "name": "emo"}
    assert run_options("--top-k", "4", "--force", "--name", "x") == {
        "top_k": 4,
        "temp": 0.2,
        "force": True,
        "name": "x",
    }


def test_a_wrong_value_is_told_with_where_it_came_from(
    run_options: RunOptions, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"^--top-k: 'x' is not a whole number$"):
        run_options("--top-k", "x")
    (home / "config.toml").write_text("top-k = 1.5")
    with pytest.raises(UsageError, match=r"--top-k \(from '.*config.toml'\): '1.5' is not a whole number$"):
        run_options()
    monkeypatch.setenv("GRU_TOP_K", "many")
    with pytest.raises(UsageError, match=r"--top-k \(from the variable GRU_TOP_K\): 'many' is not"):
        run_options()


def test_wrong_settings_stop_a_command_but_not_help(capsys: Output, home: Path) -> None:
    (home / "config.toml").write_text("[trian]\n")
    assert main(["models", "list"]) == 2
    assert "did you mean 'train'?" in capsys.readouterr().err
    assert main(["--help"]) == 0
    assert main(["--version"]) == 0


@pytest.mark.parametrize(
    ("text", "key", "takes"),
    [
        ("[sample]\nn = []", "n", "a whole number"),
        ("debug = []", "debug", "true or false"),
        ("[train]\nlr = 1979-05-27", "lr", "a number"),
        ("[models]\njson = [true]", "json", "true or false"),
        ("[fetch]\nsource = ['reddit']", "source", "a text"),
    ],
)
def test_a_setting_of_another_type_is_named(capsys: Output, home: Path, text: str, key: str, takes: str) -> None:
    (home / "config.toml").write_text(text)
    assert main(["models"]) == 2
    message, hint = capsys.readouterr().err.splitlines()
    assert message.startswith(f"gru: invalid value of the setting '{key}' in '{home / 'config.toml'}': a ")
    assert hint.strip() == f"use {takes}"


def test_no_option_takes_a_table_and_few_take_a_list() -> None:
    settings = settings_by_command(build_cli())
    assert {option.takes for options in settings.values() for option in options.values()} == set(_ACCEPTED)
    repeated = {name for options in settings.values() for name, option in options.items() if option.is_multiple}
    assert {"skip-rule", "block-word"} <= repeated
    assert "n" not in repeated
    for words, options in settings.items():
        for name, option in options.items():
            for value in [{}, *([] if option.is_multiple else [[], ["1"]])]:
                with pytest.raises(UsageError, match=f"setting '{name}'"):
                    config_defaults({words[0]: {name: value}}, {words: options}, Path("config.toml"))


def test_an_option_has_its_variable() -> None:
    assert envvar_name("--top-k") == "GRU_TOP_K"


@pytest.mark.parametrize("words", [["--version"], ["train", "--version"], ["models", "--version"]], ids=" ".join)
def test_the_version_as_json(capsys: Output, words: list[str]) -> None:
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": __version__}


def test_every_command_takes_json() -> None:
    assert all("json" in options for options in settings_by_command(cli.build_cli()).values())


def test_ctrl_c_while_the_program_loads(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt\n")
    done = run_gru("models", PYTHONPATH=os.pathsep.join([str(tmp_path), str(Path(cli.__file__).parents[2])]))
    assert done.returncode == 130
    assert done.stdout == ""
    first, second = done.stderr.splitlines()
    assert first == "gru: interrupted by Ctrl-C"
    assert "no file was left incomplete" in second


@pytest.mark.slow
@posix_only
@pytest.mark.parametrize("words", [["--version"], ["--help"], ["models", "list", "--json"]])
def test_data_that_a_closed_stdout_loses_are_a_failure(words: list[str]) -> None:
    program = shlex.join([sys.executable, "-m", "grucli", *words])
    done = subprocess.run(["sh", "-c", f"{program} >&-"], stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "stdout is closed" in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("words", [["models"], ["sample"], ["train", "x.csv"], ["chat"]], ids=" ".join)
@pytest.mark.parametrize("inside", ["", "deeper/still"])
def test_a_home_that_cannot_be_one(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], inside: str
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRU_HOME", str(tmp_path / "file" / inside))
    assert main(words) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert f"GRU_HOME is '{tmp_path / 'file' / inside}'" in first
    assert "set GRU_HOME to a directory that you own" in second


def test_a_home_that_the_system_does_not_make(capsys: Output, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRU_HOME", str(tmp_path / "nope"))
    make_run_raise(
        monkeypatch, FileNotFoundError(errno.ENOENT, "No such file or directory", str(tmp_path / "nope" / "cache"))
    )
    assert main([]) == 1
    assert f"GRU_HOME is '{tmp_path / 'nope'}'" in capsys.readouterr().err
    make_run_raise(
        monkeypatch, FileNotFoundError(errno.ENOENT, "No such file or directory", str(tmp_path / "mine.txt"))
    )
    assert main([]) == 2
    assert "GRU_HOME" not in capsys.readouterr().err


def test_a_home_that_is_still_to_be_made_is_no_trouble(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRU_HOME", str(tmp_path / "not" / "yet"))
    assert main(["models"]) == 0
    assert "no model yet" in capsys.readouterr().err
    assert not (tmp_path / "not").exists()
