"""The tree of commands as plain values, for completion scripts.

The kind of a value is MODEL_KIND with the names that need no model of the user, FILE_KIND, the choices, or "" for
anything else; words are separated by spaces.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grucli import cli
from grucli.cli.command_base import (
    FILE_METAVARS,
    MODEL,
    AnyCommand,
    Context,
    GruGroup,
    Parameter,
    TyperArgument,
    TyperChoice,
    TyperOption,
    TyperPath,
    walk,
)
from grucli.model import packaged
from grucli.model.store import NOTHING

MODEL_KIND, FILE_KIND = "@model", "@file"

_OWN_MODELS = {"old", "names"}
"""Arguments that take models of the user alone: that of the package cannot be renamed or removed."""


@dataclass(frozen=True, slots=True)
class OptionNode:
    """One option: its names, help, and the kind of its value, None for a flag."""

    names: tuple[str, ...]
    help: str
    kind: str | None


@dataclass(frozen=True, slots=True)
class CommandNode:
    """One command: its path ("" for `gru` itself), options, kinds of arguments, and subcommands with their help.

    The last argument repeats if `repeats`.
    """

    path: str
    options: tuple[OptionNode, ...]
    arguments: tuple[str, ...]
    repeats: bool
    commands: dict[str, str]

    def positions(self) -> Iterator[tuple[str, str]]:
        """The position of each argument (from 0; * for all further ones), and its kind."""
        for index, kind in enumerate(self.arguments):
            is_last = self.repeats and index == len(self.arguments) - 1
            yield ("*" if is_last else str(index)), kind


def command_tree(shells: Sequence[str]) -> list[CommandNode]:
    """Every command, `gru` itself first. `shells` are the choices of --show-completion."""
    return [_command(" ".join(words), command, context, shells) for words, command, context in walk(cli.build_cli())]


def _command(path: str, command: AnyCommand, context: Context, shells: Sequence[str]) -> CommandNode:
    parameters = command.get_params(context)
    arguments = [parameter for parameter in parameters if isinstance(parameter, TyperArgument)]
    repeats = [argument.nargs == -1 for argument in arguments]
    if any(repeats):  # What follows may be one more of the same kind; all shells offer files where no model fits.
        arguments = arguments[: repeats.index(True) + 1]
    options = [parameter for parameter in parameters if isinstance(parameter, TyperOption) and not parameter.hidden]
    summaries = command.command_summaries() if isinstance(command, GruGroup) else {}
    return CommandNode(
        path,
        tuple(_option(option, shells) for option in options),
        tuple(map(_kind, arguments)),
        any(repeats),
        {name: _first_sentence(summary) for name, summary in summaries.items()},
    )


def _option(option: TyperOption, shells: Sequence[str]) -> OptionNode:
    names = tuple(sorted([*option.opts, *option.secondary_opts], key=lambda name: (len(name) > 2, name)))
    is_flag = option.is_flag or option.count
    kind = " ".join(shells) if option.name == "show_completion" else _kind(option)
    return OptionNode(names, _first_sentence(option.help or ""), None if is_flag else kind)


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=\.)\s", text)[0].rstrip(".")


def _names_without_model(parameter: Parameter) -> Iterator[str]:
    if parameter.name not in _OWN_MODELS:
        yield packaged.NAME
    if parameter.name == "start_from":
        yield NOTHING


def _kind(parameter: Parameter) -> str:
    if isinstance(parameter.type, TyperChoice):
        return " ".join(str(getattr(choice, "value", choice)) for choice in parameter.type.choices)
    words = set(re.findall("[A-Z]+", parameter.metavar or ""))
    if MODEL in words:
        return " ".join([MODEL_KIND, *_names_without_model(parameter)])
    return FILE_KIND if isinstance(parameter.type, TyperPath) or words & set(FILE_METAVARS) else ""
