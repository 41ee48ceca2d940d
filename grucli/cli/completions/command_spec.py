"""What the completion scripts are made from: the tree of commands, as plain values."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from grucli import cli
from grucli.cli.command_base import (
    CONTEXT_SETTINGS,
    FILE_METAVARS,
    MODEL,
    AnyCommand,
    Context,
    Parameter,
    TyperArgument,
    TyperChoice,
    TyperGroup,
    TyperOption,
    TyperPath,
)

SHELLS = {"bash": "gru.bash", "zsh": "_gru", "fish": "gru.fish", "powershell": "gru.ps1"}
"""Each shell there is a script for, and the file name of that script."""


@dataclass(frozen=True, slots=True)
class ValueSpec:
    """What may stand in a place: one of `choices`, a model, a file, or (all empty) something nobody can guess."""

    choices: tuple[str, ...] = ()
    model: bool = False
    file: bool = False


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """One option: its spellings, what it is for, and its value, None for a flag."""

    names: tuple[str, ...]
    help: str
    value: ValueSpec | None


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command: its words ("" for `gru` itself), what it is for, and what may follow it."""

    words: tuple[str, ...]
    help: str
    options: tuple[OptionSpec, ...]
    arguments: tuple[ValueSpec, ...]
    repeats: bool
    commands: tuple[str, ...]

    @property
    def path(self) -> str:
        """The words as one: "models show"."""
        return " ".join(self.words)


def command_specs() -> list[CommandSpec]:
    """Every command there is, `gru` itself first."""
    tree = cli.build_cli()
    return list(_iter_specs(tree, Context(tree, info_name="gru", **CONTEXT_SETTINGS), ()))


def _iter_specs(command: AnyCommand, parent: Context, words: tuple[str, ...]) -> Iterator[CommandSpec]:
    parameters = command.get_params(parent)
    arguments = [parameter for parameter in parameters if isinstance(parameter, TyperArgument)]
    children = command.commands if isinstance(command, TyperGroup) else {}
    yield CommandSpec(
        words=words,
        help=command.get_short_help_str(100).rstrip("."),
        options=tuple(_option(item) for item in parameters if isinstance(item, TyperOption) and not item.hidden),
        arguments=tuple(_value(argument) for argument in arguments),
        repeats=any(argument.nargs == -1 for argument in arguments),
        commands=tuple(children),
    )
    for name, child in children.items():
        yield from _iter_specs(child, parent, (*words, name))


def _option(option: TyperOption) -> OptionSpec:
    names = tuple(sorted([*option.opts, *option.secondary_opts], key=lambda name: (len(name) > 2, name)))
    # One sentence is enough beside a menu.
    sentence = re.split(r"(?<=\.)\s", option.help or "")[0].rstrip(".")
    return OptionSpec(names, sentence, None if option.is_flag or option.count else _value(option))


def _value(parameter: Parameter) -> ValueSpec:
    """What a parameter takes, by its type or, where that is plain text, by its metavar."""
    if parameter.name == "show_completion":
        return ValueSpec(choices=tuple(SHELLS))
    if isinstance(parameter.type, TyperChoice):
        return ValueSpec(choices=tuple(str(getattr(choice, "value", choice)) for choice in parameter.type.choices))
    words = set(re.findall("[A-Z]+", parameter.metavar or ""))
    return ValueSpec(
        model=MODEL in words, file=isinstance(parameter.type, TyperPath) or bool(words & set(FILE_METAVARS))
    )


def value_kind(value: ValueSpec) -> str:
    """A value in one word or several: @model, @file, the choices, or nothing."""
    return "@model" if value.model else "@file" if value.file else " ".join(value.choices)


def positions(command: CommandSpec) -> Iterator[tuple[str, ValueSpec]]:
    """The positions of a command's arguments as shell patterns, each with what stands there."""
    for index, value in enumerate(command.arguments):
        last = command.repeats and index == len(command.arguments) - 1
        yield ("*" if last else str(index)), value


def render_template(template: str, parts: dict[str, list[str]]) -> str:
    """Put lines in place of each @MARK@ of a template."""
    for placeholder, lines in parts.items():
        template = template.replace(f"@{placeholder}@", "\n".join(lines))
    return template
