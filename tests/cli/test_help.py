"""Help: topics, lengths, color, and the reference made from it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from grucli import cli
from grucli.cli.command_base import AnyCommand, Context, Parameter, TyperOption, option_group, walk
from grucli.cli.reference import reference

MAX_HELP_CHARS = 70


def options() -> Iterator[tuple[AnyCommand, Context, Parameter]]:
    for _, command, context in walk(cli.build_cli()):
        for parameter in command.get_params(context):
            if isinstance(parameter, TyperOption):
                yield command, context, parameter


def test_every_option_has_a_topic() -> None:
    assert {
        f"{command.name} {option.opts}" for command, _, option in options() if option_group(option) == "Options"
    } == set()


def test_help_of_options_is_short() -> None:
    texts = {getattr(option, "help", None) or "" for _, _, option in options()}
    assert sorted(text for text in texts if not 0 < len(text) <= MAX_HELP_CHARS) == []


def test_summaries_begin_the_help_of_commands() -> None:
    for name, command in cli.build_cli().commands.items():
        first_sentence = re.split(r"(?<=\.)\s", command.help or "")[0]
        assert cli.COMMANDS[name] == first_sentence.replace("\n", " ")


def test_the_reference_has_every_command_and_option() -> None:
    text = reference()
    for command, context, option in options():
        assert f"## {context.command_path}\n" in text
        assert max(option.opts, key=len) in text, command.name


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals of POSIX")
@pytest.mark.parametrize(
    ("variables", "is_colored"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": ""}, True)],
)
def test_help_is_colored_on_a_terminal(variables: dict[str, str], is_colored: bool) -> None:
    import pty

    terminal, program = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", **variables}
    if "NO_COLOR" not in variables:
        environment.pop("NO_COLOR", None)
    with subprocess.Popen([sys.executable, "-m", "grucli", "sample", "-h"], stdout=program, env=environment):
        os.close(program)
        written = b""
        try:
            while block := os.read(terminal, 4096):
                written += block
        except OSError:  # Linux: the other side is closed
            pass
    os.close(terminal)
    text = written.decode()
    assert ("\x1b[1mGeneration\x1b[0m:" in text) == is_colored
    assert ("\x1b[36m--temp\x1b[0m X" in text) == is_colored
    assert ("\x1b" in text) == is_colored
    assert "--temp" in text


def test_help_in_a_pipe_is_plain() -> None:
    done = subprocess.run([sys.executable, "-m", "grucli", "sample", "-h"], capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stdout
