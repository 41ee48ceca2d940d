"""Options that several commands share, declared once, and the options made from the table of generation options."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from grucli.cli.command_base import MODEL, ParameterSource, get_current_context
from grucli.errors import UsageError
from grucli.generation.options import OPTIONS, GenerationConfig, GenerationOption, random_seed
from grucli.generation.phrases import read_phrases, unescape_text
from grucli.read.fields import FIELDS
from grucli.read.schema import ReadOptions

Json = Annotated[bool, typer.Option("--json", help="Output JSON.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Output JSON, one object per line.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Number of threads. [default: all cores]")]
Pace = Annotated[float, typer.Option(help="Characters per second on a terminal; 0 disables the limit.")]
OptionalModel = Annotated[
    str | None, typer.Argument(metavar=f"[{MODEL}]", help="Model name or path. [default: newest]")
]


@dataclass(frozen=True, slots=True)
class GenerationArguments:
    """The generation options of one command line, before files are read and values are checked.

    `values` maps parameter names to values; `explicit` holds the names of all parameters of the command that were given
    anywhere, `typed` of those on the command line.
    """

    values: Mapping[str, Any]
    explicit: frozenset[str]
    typed: frozenset[str]

    def config(self, defaults: GenerationConfig) -> GenerationConfig:
        """Read files of texts, choose a seed where none was given, and check every value.

        Raises:
            UsageError: a value is out of range, or a file is not text.
            OSError: a file cannot be read.
        """
        return replace(defaults, **{"seed": random_seed(), **self.overrides()})

    def overrides(self) -> dict[str, Any]:
        """The fields of the config that were given anywhere, with their values.

        Raises:
            UsageError: a file is not text.
            OSError: a file cannot be read.
        """
        given = [option for option in OPTIONS if self.explicit & {option.name, _item_name(option)}]
        return {option.name: self._read(option) for option in given}

    def check_beam(self, **others: bool) -> None:
        """Refuse options on the command line that have no effect with --beam; `others` are further such options.

        Values from variables and settings are meant for other calls, and are ignored.

        Raises:
            UsageError: there are such options.
        """
        if not self.values["beam"]:
            return
        disabled = {each.name: each.off for each in OPTIONS if each.unused_by_beam}
        values = {name: self.values[name] for name in disabled} | others
        used = {name for name, value in values.items() if value and value != disabled.get(name)}
        flags = [f"--{name.replace('_', '-')}" for name in values if name in used & self.typed]
        if flags:
            verb = "has" if len(flags) == 1 else "have"
            raise UsageError(
                f"{' and '.join(flags)} {verb} no effect with --beam",
                "beam search does not sample: use one or the other",
            )

    def _read(self, option: GenerationOption) -> Any:
        value = self.values[option.name]
        if option.kind is not tuple:
            return value
        if option.item_help:
            items = map(unescape_text, self.values[_item_name(option)] or ())
            return (*(read_phrases(Path(value)) if value else ()), *items)
        return tuple(map(unescape_text, value or ()))


def replace_parameter(
    command: Callable[..., Any],
    name: str,
    options: Sequence[inspect.Parameter],
    build: Callable[[dict[str, Any]], object],
) -> Callable[..., Any]:
    """Replace the keyword parameter `name` of a command by `options`; `build` makes its value from theirs."""

    @functools.wraps(command)
    def run(**arguments: Any) -> Any:
        values = {each.name: arguments.pop(each.name) for each in options}
        return command(**arguments, **{name: build(values)})

    signature = inspect.signature(command)
    parameters: list[inspect.Parameter] = []
    for each in signature.parameters.values():
        parameters += options if each.name == name else [each]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return run


def read_options(*fields: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace the parameter `read` of a command, `ReadOptions`, by the options for these columns and for the format."""
    columns = {FIELDS[name].flag.removeprefix("--").replace("-", "_"): name for name in fields}
    options = [_read_option(name, FIELDS[field].flag, str, FIELDS[field].help_text) for name, field in columns.items()]
    options += [
        _read_option("delimiter", "--delimiter", str, "Delimiter of a table: a character, or tab."),
        _read_option("encoding", "--encoding", str, "Encoding of a text file, such as cp1252."),
        _read_option("no_header", "--no-header", bool, "The first line of a table is a row."),
    ]

    def build(values: dict[str, Any]) -> ReadOptions:
        return ReadOptions(
            columns={field: values[name] for name, field in columns.items() if values[name] is not None},
            delimiter=values["delimiter"],
            encoding=values["encoding"],
            has_header=False if values["no_header"] else None,
        )

    return lambda command: replace_parameter(command, "read", options, build)


def _read_option(name: str, flag: str, kind: Any, help_text: str) -> inspect.Parameter:
    option = typer.Option(flag, help=help_text)
    annotation, default = (Annotated[bool, option], False) if kind is bool else (Annotated[kind | None, option], None)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def generation_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Replace the parameter `generation` of a command, `GenerationArguments`, by one option per row of the table."""
    options = [parameter for option in OPTIONS for parameter in _parameters(option)]
    return replace_parameter(command, "generation", options, _generation_arguments)


def _generation_arguments(values: dict[str, Any]) -> GenerationArguments:
    context = get_current_context()
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return GenerationArguments(
        values,
        frozenset(name for name, source in sources.items() if source is not ParameterSource.DEFAULT),
        frozenset(name for name, source in sources.items() if source is ParameterSource.COMMANDLINE),
    )


def _parameters(option: GenerationOption) -> Iterator[inspect.Parameter]:
    texts = list[str] | None
    if option.item_help:
        yield _parameter(option.name, option.flag, str | None, None, option.help, metavar="FILE")
        yield _parameter(_item_name(option), option.item_flag, texts, None, option.item_help)
    elif option.kind is tuple:
        yield _parameter(option.name, option.flag, texts, None, option.help, metavar=option.metavar or None)
    elif option.name == "seed":
        yield _parameter(option.name, option.flag, int | None, None, option.help)
    elif option.in_replies is not None:
        help_text = f"{option.help} [default: {option.default:g}; replies {option.in_replies:g}]"
        yield _parameter(option.name, option.flag, option.kind | None, None, help_text)
    else:
        yield _parameter(option.name, option.flag, option.kind, option.default, option.help)


def _parameter(name: str, flag: str, kind: Any, default: Any, help_text: str, **info: Any) -> inspect.Parameter:
    option = typer.Option(f"--{flag}", help=help_text, rich_help_panel="Generation", **info)
    annotation = Annotated[kind, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _item_name(option: GenerationOption) -> str:
    return option.item_flag.replace("-", "_")
