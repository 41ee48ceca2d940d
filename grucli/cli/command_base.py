"""What every command of `gru` has in common: how it is parsed, helped with, and told what is wrong.

`Command` and `Group` are the classes of all commands. They carry the options that work everywhere, let a variable
`GRU_SOME_NAME` stand for each `--some-name`, and print help that leads with examples.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import typer
from typer._click import Command as AnyCommand
from typer._click import Context, HelpFormatter, Parameter
from typer._click.core import ParameterSource
from typer._click.exceptions import (
    BadOptionUsage,
    BadParameter,
    MissingParameter,
    NoSuchOption,
)
from typer._click.exceptions import UsageError as ParseError
from typer._click.types import FloatParamType, IntParamType
from typer.core import TyperCommand, TyperGroup, TyperOption

from grucli import __version__, number_parsing
from grucli.errors import UsageError

MODEL = "MODEL"
"""The metavar of parameters that take a model, by name or path; completions offer the models there are."""

FILE_METAVARS = ("FILE", "CORPUS", "FOLDER")
"""The metavars of parameters that take files; completions offer files."""

STOP_HELP = r"Also end {} before this text; case matters. \n: a new line, \t: a tab, \\: a backslash. Repeatable."
"""Help of the option --stop, to be told what ends there."""

CONTEXT_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""What every command's context is made with."""

_EXTRA_ARGUMENT_PREFIX = "Got unexpected extra argument(s)"
"""How Typer begins to complain of arguments that nothing takes; they follow in brackets."""

_METAVARS = {"int": "N", "float": "X", "str": "TEXT"}
"""What stands for a value of a plain type in help."""


@dataclass
class GlobalOptions:
    """What the options that work everywhere asked for."""

    quiet: int = 0
    debug: bool = False
    json: bool = False
    argv: Sequence[str] = ()
    """All that stands behind the command's name."""


def _get_options(context: Context) -> GlobalOptions:
    return context.ensure_object(GlobalOptions)


def _set_debug(context: Context, parameter: Parameter, value: bool) -> None:
    _get_options(context).debug |= bool(value)


def _set_quiet(context: Context, parameter: Parameter, value: int) -> None:
    # From the environment it reaches the group and the command alike, and must not count twice.
    number_parsing = context.get_parameter_source("quiet") is ParameterSource.COMMANDLINE
    options = _get_options(context)
    options.quiet = options.quiet + (value or 0) if number_parsing else max(options.quiet, value or 0)


def _show_version(context: Context, parameter: Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        typer.echo(f'{{"version": "{__version__}"}}' if _get_options(context).json else f"gru {__version__}")
        raise typer.Exit


def _detect_json(context: Context, args: list[str]) -> None:
    """Note whether JSON is asked for: `--version` ends the program before any other option is looked at."""
    _get_options(context).json |= "--json" in args


def _global_options() -> list[Parameter]:
    """The options that every command takes, before or after its name."""
    return [
        TyperOption(
            param_decls=["-q", "--quiet"],
            type=int,
            count=True,
            expose_value=False,
            callback=_set_quiet,
            help="No progress and messages; -qq: no warnings either.",
        ),
        TyperOption(
            param_decls=["--debug"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_set_debug,
            help="Show where an error came from.",
        ),
        TyperOption(
            param_decls=["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_show_version,
            help="Show the version and exit.",
        ),
    ]


def envvar_name(option: str) -> str:
    """The environment variable that stands for an option: `--top-k` → `GRU_TOP_K`."""
    return "GRU_" + option.lstrip("-").replace("-", "_").upper()


def _configure_command(command: AnyCommand) -> None:
    """Give a command what all have in common."""
    command.params += _global_options()
    command.context_settings = {**command.context_settings, **CONTEXT_SETTINGS}
    for option, parameter in long_options(command):
        parameter.envvar = envvar_name(option)
        parameter.show_envvar = False
        parameter.metavar = parameter.metavar or _METAVARS.get(parameter.type.name.split()[0])
    for each in command.params:
        if isinstance(each.type, IntParamType | FloatParamType):
            each.type = _strict_number_type(each.type)


def _strict_number_type(param_type: Any) -> Any:
    """A type of numbers that reads what is typed, or set somewhere, by the rule of this program."""
    parse = number_parsing.parse_int if isinstance(param_type, IntParamType) else number_parsing.parse_float
    param_type = copy.copy(param_type)
    param_type._number_class = lambda value: parse(value) if isinstance(value, str) else value
    return param_type


def long_options(command: AnyCommand) -> Iterator[tuple[str, TyperOption]]:
    """The options of a command that settings may give, by their long names: `--top-k` and its parameter."""
    for parameter in command.params:
        if (isinstance(parameter, TyperOption) and not parameter.is_eager) or parameter.name == "debug":
            assert isinstance(parameter, TyperOption)
            for name in parameter.opts[-1:]:
                if name.startswith("--"):
                    yield name, parameter


class _CommandMixin(AnyCommand):
    """What `Command` and `Group` share: the options of all, and their help."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _configure_command(self)

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Parse what stands behind the command's name."""
        _get_options(ctx).argv = tuple(args)
        _detect_json(ctx, args)
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """What a command does and its examples first, then how to call it and what it takes."""
        self.format_help_text(ctx, formatter)
        formatter.write_paragraph()
        self.format_usage(ctx, formatter)
        self.format_options(ctx, formatter)
        self.format_epilog(ctx, formatter)


class GruCommand(_CommandMixin, TyperCommand):
    """A command of `gru`."""

    def invoke(self, ctx: Context) -> Any:
        """Run it, with the terminal as quiet as was asked for. The commands of `gru` itself take their time."""
        quiet = _get_options(ctx).quiet
        if ctx.parent is not None and ctx.parent.parent is None:
            from grucli.ui.terminal.startup_message import print_startup_message

            print_startup_message(quiet)
        from grucli.ui.terminal.console import open_terminal

        open_terminal(quiet)
        return super().invoke(ctx)


class GruGroup(_CommandMixin, TyperGroup):
    """A command that has commands: `gru` itself, and `gru models`."""

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """List the commands before the options."""
        self.format_commands(ctx, formatter)
        records = [parameter.get_help_record(ctx) for parameter in self.get_params(ctx)]
        with formatter.section("Options"):
            formatter.write_dl([record for record in records if record is not None])

    def invoke(self, ctx: Context) -> Any:
        """Run the command inside, which takes its defaults from the settings."""
        if ctx.parent is not None:
            from grucli.ui.terminal.console import open_terminal

            open_terminal(_get_options(ctx).quiet)
        if ctx.parent is None and ctx.default_map is None:
            from grucli.paths import config_file, validate_home
            from grucli.settings import config_defaults, read_config

            validate_home()
            ctx.default_map = config_defaults(read_config(config_file()), dict(commands(self)), config_file())
        return super().invoke(ctx)

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, AnyCommand | None, list[str]]:
        """Find the command that is meant.

        Raises:
            UsageError: there is none of this name; the nearest is given.
        """
        if not args[0].startswith("-") and args[0] not in self.commands:
            import difflib

            matches = difflib.get_close_matches(args[0], list(self.commands), n=1, cutoff=0.5)
            suggestion = f"did you mean '{ctx.command_path} {matches[0]}'? " if matches else ""
            raise UsageError(
                f"there is no command '{ctx.command_path} {args[0]}'",
                f"{suggestion}See them all: {ctx.command_path} --help",
            )
        return super().resolve_command(ctx, args)


def commands(group: TyperGroup, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    """Each command that does something, by its words, with the options that settings may give it."""
    for name, command in group.commands.items():
        yield (*words, name), {option[2:]: str(parameter.name) for option, parameter in long_options(command)}
        if isinstance(command, TyperGroup):
            yield from commands(command, (*words, name))


def usage_error_from_click(error: typer.TyperException) -> UsageError:
    """Say what Typer found wrong with a command line the way everything else here says it."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "gru"
    see_help = f"see: {path} --help"
    command = path.removeprefix("gru").strip()  # every error has "gru: " before it
    if isinstance(error, NoSuchOption):
        closest = _closest_option(error.option_name, context) if context is not None else None
        return UsageError(
            f"{command} has no option '{error.option_name}'"
            if command
            else f"there is no option '{error.option_name}'",
            f"did you mean '{closest}'? Or {see_help}" if closest else see_help,
        )
    if isinstance(error, MissingParameter) and error.param is not None:
        name = error.param.human_readable_name if error.param.param_type_name == "argument" else error.param.opts[-1]
        return UsageError(f"{command or path} needs {name.upper() if name.islower() else name}", see_help)
    if isinstance(error, BadOptionUsage):
        return UsageError(_lowercase_sentence(error.message), see_help)
    if isinstance(error, BadParameter) and error.param is not None:
        return UsageError(f"{_parameter_source(error)}: {_invalid_value_message(error, error.param)}", see_help)
    if isinstance(error, ParseError) and error.message.startswith(_EXTRA_ARGUMENT_PREFIX):
        words = error.message.removeprefix(_EXTRA_ARGUMENT_PREFIX).strip(" ()")
        return UsageError(
            f"{command or path} has no use for '{words}'", f"put quotes around words that are one; {see_help}"
        )
    if isinstance(error, ParseError):
        return UsageError(_lowercase_sentence(error.message), see_help)
    return UsageError(_lowercase_sentence(error.format_message()), see_help)


def _closest_option(word: str, context: Context) -> str | None:
    """The option that was perhaps meant; the dashes, which all have, make none of them likelier."""
    import difflib

    names = [name for option in context.command.get_params(context) for name in option.opts if name.startswith("--")]
    matches = difflib.get_close_matches(word.lstrip("-"), [name[2:] for name in names], n=1)
    return f"--{matches[0]}" if matches else None


def _invalid_value_message(error: BadParameter, parameter: Parameter) -> str:
    """Why a value is refused, in words of people where the parser has words of programs."""
    value, separator, _ = error.message.partition(" is not ")
    kind = parameter.type.name.split()[0]
    expected = {"int": "a whole number", "integer": "a whole number", "float": "a number", "boolean": "true or false"}
    if not separator or kind not in expected:
        return _lowercase_sentence(error.message)
    minimum = getattr(parameter.type, "min", None)
    return f"{value if value.startswith(chr(39)) else repr(value)} is not {expected[kind]}" + (
        f" from {minimum:g} up" if minimum is not None else ""
    )


def _parameter_source(error: BadParameter) -> str:
    """Where the value came from that an option refuses, in words."""
    parameter, context = error.param, error.ctx
    assert parameter is not None
    name = parameter.opts[-1] if parameter.param_type_name == "option" else parameter.human_readable_name
    source = context.get_parameter_source(str(parameter.name)) if context is not None else None
    if source is ParameterSource.ENVIRONMENT:
        return f"{name} (from the variable {parameter.envvar})"
    if source is ParameterSource.DEFAULT_MAP:
        from grucli.paths import config_file

        return f"{name} (from '{config_file()}')"
    return _spelling_used(parameter, _get_options(context).argv) if context is not None else name


def _spelling_used(parameter: Parameter, argv: Sequence[str]) -> str:
    """The name of an option by which its value was given, which is the last one; arguments have but one name."""
    if parameter.param_type_name != "option":
        return parameter.human_readable_name
    for word in reversed(argv):
        for name in parameter.opts:
            if word.split("=")[0] == name or (len(name) == 2 and word.startswith(name)):
                return name
    return parameter.opts[-1]


def _lowercase_sentence(message: str) -> str:
    """A sentence of Typer's as a part of ours."""
    message = message.strip().rstrip(".")
    return message[:1].lower() + message[1:]
