"""The reference of all commands as Markdown: python -m grucli.cli.reference > docs/cli.md."""

import inspect
import re
import sys
from collections.abc import Iterator

from grucli import cli
from grucli.cli.command_base import AnyCommand, Context, GruGroup, parameters_by_group, walk

_HEADER = """# Command-line reference

Printed by `python -m grucli.cli.reference`; a test compares. Every command also takes the general options of
[`gru`](#gru).
"""
_MARKUP = re.compile(r"([*_<>|\\])")


def reference() -> str:
    """Every command with its description, examples, usage and options by topic."""
    sections = ("\n".join(_section(words, command, context)) for words, command, context in walk(cli.build_cli()))
    return "\n".join([_HEADER, *sections])


def _section(words: tuple[str, ...], command: AnyCommand, context: Context) -> Iterator[str]:
    yield f"## {context.command_path}\n"
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        # Typer does not wrap a paragraph after \b: the examples.
        examples = paragraph.removeprefix("\b\n")
        yield f"{_escape(paragraph)}\n" if examples == paragraph else f"```\n{inspect.cleandoc(examples)}\n```\n"
    yield f"Usage: `{context.command_path} {' '.join(command.collect_usage_pieces(context))}`\n"
    if isinstance(command, GruGroup):
        for name, summary in command.command_summaries().items():
            path = f"{context.command_path} {name}"
            yield f"- [`{path}`](#{path.replace(' ', '-')}): {_escape(summary)}"
        yield ""
    for group, parameters in parameters_by_group(command, context).items():
        if group != "General" or not words:
            yield f"| {group} | |\n|---|---|"
            for parameter in parameters:
                name, text = parameter.get_help_record(context) or ("", "")
                name = name.replace("|", r"\|")
                yield f"| `{name}` | {_escape(' '.join(text.split()))} |"
            yield ""


def _escape(text: str) -> str:
    """Escape what Markdown would take for markup, outside of code."""
    return "`".join(part if odd % 2 else _MARKUP.sub(r"\\\1", part) for odd, part in enumerate(text.split("`")))


if __name__ == "__main__":
    sys.stdout.write(reference())
