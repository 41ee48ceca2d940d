"""Base classes of all commands: parsing, environment variables, help and usage errors.

This is the only module that uses private names of Typer; `pyproject.toml` pins its minor version for that reason.
"""

import contextlib
import copy
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer
from typer._click import Command as AnyCommand
from typer._click import Context, HelpFormatter, Parameter
from typer._click.core import ParameterSource
from typer._click.exceptions import BadOptionUsage, BadParameter, MissingParameter, NoSuchOption
from typer._click.exceptions import UsageError as ParseError
from typer._click.globals import get_current_context
from typer._click.types import FloatParamType, IntParamType
from typer._click.utils import _expand_args as expand_wildcards
from typer._types import TyperChoice
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.models import TyperPath

from grucli import __version__, number_parsing
from grucli.errors import UsageError

if TYPE_CHECKING:
    from grucli.settings import OptionType

__all__ = [
    "AnyCommand",
    "Context",
    "Parameter",
    "ParameterSource",
    "TyperArgument",
    "TyperChoice",
    "TyperGroup",
    "TyperOption",
    "TyperPath",
    "expand_wildcards",
    "get_current_context",
]

MODEL = "MODEL"
"""Metavar of parameters that take a model name or path; completions offer the existing models."""

FILE_METAVARS = ("FILE", "CORPUS", "FOLDER")
"""Metavars of parameters that take files; completions offer files."""

OPTION_GROUPS = {
    "Model": "name cell cells suite hidden layers embed tied tokenizer vocab from",
    "Training": "steps epochs minutes seeds tune batch seq lr weight-decay dropout embed-dropout eval-every",
    "Data": "val val-file words-file split context dynamic ids prompt prompt-file reply-to opening",
    "Input": "column author-column id-column parent-column link-column score-column time-column subreddit-column "
    "thread-column delimiter encoding no-header",
    "Source": "source rate base-url after before limit",
    "Filters": "subreddit author not-author min-score max-score min-chars max-chars language match no-match skip-rule "
    "near-duplicates",
    "Inspection": "gate unit find why corpus reach chars",
    "Generation": "n novelty no-copies",
    "Run": "resume force continue private commands follow learn seed threads workers dry-run all yes comparison",
    "Output": "output html svg dropped replies min-turns pace show list-rules explain explain-columns json",
    "Shell completion": "install-completion show-completion",
    "General": "quiet debug version help",
}
"""Topics of options in help, in order; an option may also name its topic as `rich_help_panel`."""

CONTEXT_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

_GROUP_BY_OPTION = {option: group for group, options in OPTION_GROUPS.items() for option in options.split()}
_MAX_SUMMARY_CHARS = 200
_NAME = re.compile(r"(?<![\w-])--?[a-z][\w-]*|^[a-z]+$")
"""Names of options and commands in the first column of help."""
_EXTRA_ARGUMENT_PREFIX = "Got unexpected extra argument(s)"
_METAVARS = {"int": "N", "float": "X", "str": "TEXT"}
_TYPE_NAMES = {"int": "a whole number", "integer": "a whole number", "float": "a number", "boolean": "true or false"}


@dataclass
class GlobalOptions:
    """Values of the options that every command takes."""

    quiet: int = 0
    debug: bool = False
    json: bool = False
    argv: Sequence[str] = ()
    """The arguments after the name of the command."""


def _get_options(context: Context) -> GlobalOptions:
    return context.ensure_object(GlobalOptions)


def _set_debug(context: Context, parameter: Parameter, value: bool) -> None:
    _get_options(context).debug |= bool(value)


def _set_quiet(context: Context, parameter: Parameter, value: int) -> None:
    # A value from the environment reaches both the group and the command, and must not count twice.
    is_typed = context.get_parameter_source("quiet") is ParameterSource.COMMANDLINE
    options = _get_options(context)
    options.quiet = options.quiet + (value or 0) if is_typed else max(options.quiet, value or 0)


def _show_version(context: Context, parameter: Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        typer.echo(f'{{"version": "{__version__}"}}' if _get_options(context).json else f"gru {__version__}")
        raise typer.Exit


def _global_options() -> list[Parameter]:
    common: dict[str, Any] = {"expose_value": False}
    flag: dict[str, Any] = {**common, "is_flag": True, "is_eager": True}
    return [
        TyperOption(
            param_decls=["-q", "--quiet"],
            type=int,
            count=True,
            callback=_set_quiet,
            help="Hide progress and messages; -qq also hides warnings.",
            **common,
        ),
        TyperOption(param_decls=["--debug"], callback=_set_debug, help="Show tracebacks of errors.", **flag),
        TyperOption(param_decls=["--version"], callback=_show_version, help="Show the version and exit.", **flag),
    ]


def envvar_name(option: str) -> str:
    """The environment variable of an option: `--top-k` → `GRU_TOP_K`."""
    return "GRU_" + option.lstrip("-").replace("-", "_").upper()


def long_options(command: AnyCommand) -> Iterator[tuple[str, TyperOption]]:
    """The options of a command that settings may give, by long name: `--top-k` and its parameter."""
    for parameter in command.params:
        if isinstance(parameter, TyperOption) and (not parameter.is_eager or parameter.name == "debug"):
            for name in parameter.opts[-1:]:
                if name.startswith("--"):
                    yield name, parameter


def option_group(parameter: Parameter) -> str:
    """The heading under which help lists a parameter."""
    if isinstance(parameter, TyperArgument):
        return "Arguments"
    assert isinstance(parameter, TyperOption)
    longest = max(parameter.opts, key=len).lstrip("-")
    return parameter.rich_help_panel or _GROUP_BY_OPTION.get(longest, "Options")


def parameters_by_group(command: AnyCommand, context: Context) -> dict[str, list[Parameter]]:
    """The parameters that help lists, by heading, in the order of the headings."""
    groups: dict[str, list[Parameter]] = {name: [] for name in ("Arguments", "Options", *OPTION_GROUPS)}
    for parameter in command.get_params(context):
        if parameter.get_help_record(context) is not None:
            groups[option_group(parameter)].append(parameter)
    return {name: parameters for name, parameters in groups.items() if parameters}


def _configure_command(command: AnyCommand) -> None:
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
    parse = number_parsing.parse_int if isinstance(param_type, IntParamType) else number_parsing.parse_float
    param_type = copy.copy(param_type)
    param_type._number_class = lambda value: parse(value) if isinstance(value, str) else value
    param_type._describe_range = lambda: ""  # help would show it as x>=1
    return param_type


def _styled(text: str, **style: Any) -> str:
    """A text with an ANSI style, if stdout is a terminal with colors."""
    has_color = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return typer.style(text, **style) if has_color else text


def _write_section(formatter: HelpFormatter, name: str, rows: Iterable[tuple[str, str]]) -> None:
    with formatter.section(_styled(name, bold=True)):
        formatter.write_dl([(_NAME.sub(lambda match: _styled(match[0], fg="cyan"), row[0]), row[1]) for row in rows])


class _CommandMixin(AnyCommand):
    """What `GruCommand` and `GruGroup` share: global options and help."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _configure_command(self)

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Parse the arguments after the name of the command."""
        options = _get_options(ctx)
        options.argv = tuple(args)
        # `--version` ends the program before the option --json is reached.
        options.json |= "--json" in args
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the description and examples first, then usage, commands and options by topic."""
        self.format_help_text(ctx, formatter)
        formatter.write_paragraph()
        usage = " ".join(self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, usage, f"{_styled('Usage:', bold=True)} ")
        if isinstance(self, GruGroup):
            _write_section(formatter, "Commands", self.command_summaries().items())
        for name, parameters in parameters_by_group(self, ctx).items():
            _write_section(formatter, name, filter(None, (each.get_help_record(ctx) for each in parameters)))


class GruCommand(_CommandMixin, TyperCommand):
    """A command of `gru`."""

    def invoke(self, ctx: Context) -> Any:
        """Run the command with a terminal as quiet as requested."""
        quiet = _get_options(ctx).quiet
        with contextlib.ExitStack() as stack:
            if self.name == "chat":
                from grucli.ui.terminal.tty_control import echo

                stack.enter_context(echo(on=False))  # what is typed from now on is shown as the first line of the chat
            if ctx.parent is not None and ctx.parent.parent is None:
                from grucli.ui.terminal.startup_message import print_startup_message

                print_startup_message(quiet)
            _open_terminal(quiet)
        try:
            return super().invoke(ctx)
        finally:
            _report_discarded_kernels()


class GruGroup(_CommandMixin, TyperGroup):
    """A command that has subcommands: `gru` itself, and `gru models`."""

    summaries: Mapping[str, str] | None = None
    """Summaries of the subcommands, where these are not loaded yet."""

    def command_summaries(self) -> dict[str, str]:
        """One line of help for each subcommand."""
        if self.summaries is not None:
            return dict(self.summaries)
        return {name: command.get_short_help_str(_MAX_SUMMARY_CHARS) for name, command in self.commands.items()}

    def invoke(self, ctx: Context) -> Any:
        """Run the subcommand, with defaults from the settings."""
        if ctx.parent is not None:
            _open_terminal(_get_options(ctx).quiet)
        elif ctx.default_map is None:
            from grucli.paths import config_file, validate_home
            from grucli.settings import config_defaults, read_config

            validate_home()
            config = read_config(config_file())
            ctx.default_map = config_defaults(config, settings_by_command(self), config_file()) if config else {}
        return super().invoke(ctx)

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, AnyCommand | None, list[str]]:
        """Find a subcommand by name.

        Raises:
            UsageError: there is no such subcommand; the closest one is named.
        """
        if args and args[0] not in self.commands:
            closest = _closest_match(args[0], list(self.commands), 0.5)
            suggestion = f"did you mean '{ctx.command_path} {closest}'? Or " if closest else ""
            raise UsageError(
                f"unknown command '{ctx.command_path} {args[0]}'", f"{suggestion}see: {ctx.command_path} --help"
            )
        return super().resolve_command(ctx, args)


def _open_terminal(quiet: int) -> None:
    from grucli.ui.terminal.console import open_terminal

    open_terminal(quiet)


def _report_discarded_kernels() -> None:
    """Warn of damaged files of the kernel cache, if this command used it."""
    jit = sys.modules.get("grucli.kernels.jit")
    if jit is not None and jit.CACHE.discarded:
        from grucli.ui.terminal.console import terminal

        damaged = len(jit.CACHE.discarded)
        files = "1 file was" if damaged == 1 else f"{damaged:,} files were"
        terminal().warn(f"{files} damaged in the kernel cache; compiled again: '{jit.CACHE.directory}'")
        jit.CACHE.discarded.clear()


def walk(
    command: AnyCommand, words: tuple[str, ...] = (), parent: Context | None = None
) -> Iterator[tuple[tuple[str, ...], AnyCommand, Context]]:
    """Yield a command and all below it, each with its words after `gru` and a context for its help."""
    context = Context(command, parent=parent, info_name=words[-1] if words else "gru", **CONTEXT_SETTINGS)
    yield words, command, context
    for name, child in command.commands.items() if isinstance(command, TyperGroup) else ():
        yield from walk(child, (*words, name), context)


def settings_by_command(group: TyperGroup) -> dict[tuple[str, ...], dict[str, "OptionType"]]:
    """For the words of each command, the options that settings may give, by name."""
    return {
        words: {option[2:]: _option_type(parameter) for option, parameter in long_options(command)}
        for words, command, _ in walk(group)
        if words
    }


def _option_type(parameter: TyperOption) -> "OptionType":
    from grucli.settings import FLAG, INTEGER, NUMBER, TEXT, OptionType

    kinds = [(IntParamType, INTEGER), (FloatParamType, NUMBER)]
    takes = next((takes for kind, takes in kinds if isinstance(parameter.type, kind)), TEXT)
    return OptionType(str(parameter.name), FLAG if parameter.is_flag else takes, parameter.multiple)


def usage_error_from_click(error: typer.TyperException) -> UsageError:
    """Convert an error of Typer's parser to one line with a hint."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "gru"
    command = path.removeprefix("gru").strip() or path
    hint = f"see: {path} --help"
    if isinstance(error, NoSuchOption):
        closest = _closest_option(error.option_name, context) if context is not None else None
        message = f"unknown option '{error.option_name}'"
        return UsageError(
            message if command == path else f"{command}: {message}",
            f"did you mean '{closest}'? Or {hint}" if closest else hint,
        )
    if isinstance(error, MissingParameter) and error.param is not None:
        name = error.param.human_readable_name if error.param.param_type_name == "argument" else error.param.opts[-1]
        return UsageError(f"{command} needs {name.upper() if name.islower() else name}", hint)
    if isinstance(error, BadParameter) and error.param is not None and not isinstance(error, BadOptionUsage):
        message = f"{_parameter_source(error)}: {_invalid_value_message(error, error.param)}"
        closest = _closest_choice(error.message, error.param)
        return UsageError(message, f"did you mean '{closest}'? Or {hint}" if closest else hint)
    message = error.message if isinstance(error, ParseError) else error.format_message()
    if message.startswith(_EXTRA_ARGUMENT_PREFIX):
        words = message.removeprefix(_EXTRA_ARGUMENT_PREFIX).strip(" ()")
        return UsageError(f"{command}: unexpected argument '{words}'", f"quote arguments that contain spaces; {hint}")
    return UsageError(_lowercase_sentence(message), hint)


def _closest_option(word: str, context: Context) -> str | None:
    # Without the dashes, which all options share and which make none more likely.
    names = [name for option in context.command.get_params(context) for name in option.opts if name.startswith("--")]
    closest = _closest_match(word.lstrip("-"), [name[2:] for name in names])
    return f"--{closest}" if closest else None


def _closest_choice(message: str, parameter: Parameter) -> str | None:
    value = message.partition(" is not one of ")[0].strip("'")
    return _closest_match(value.lower(), [str(choice) for choice in getattr(parameter.type, "choices", ())])


def _closest_match(word: str, names: Sequence[str], cutoff: float = 0.6) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(word, names, n=1, cutoff=cutoff)), None)


def _invalid_value_message(error: BadParameter, parameter: Parameter) -> str:
    value, separator, _ = error.message.partition(" is not ")
    kind = parameter.type.name.split()[0]
    if not separator or kind not in _TYPE_NAMES:
        return _lowercase_sentence(error.message)
    minimum = getattr(parameter.type, "min", None)
    at_least = f", at least {minimum:g}" if minimum is not None else ""
    return f"{value if value.startswith(chr(39)) else repr(value)} is not {_TYPE_NAMES[kind]}{at_least}"


def _parameter_source(error: BadParameter) -> str:
    """The option of a refused value, and where the value came from."""
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
    """The name, short or long, by which an option was last given."""
    if parameter.param_type_name != "option":
        return parameter.human_readable_name
    for word in reversed(argv):
        for name in parameter.opts:
            if word.split("=")[0] == name or (len(name) == 2 and word.startswith(name)):
                return name
    return parameter.opts[-1]


def _lowercase_sentence(message: str) -> str:
    message = message.strip().rstrip(".")
    return message[:1].lower() + message[1:]
