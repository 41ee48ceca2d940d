"""`gru inspect`: what a model does while it reads a text."""

from pathlib import Path
from typing import Annotated

import typer

from grucli.cli.options import Json, OptionalModel, read_options
from grucli.errors import UsageError, quote
from grucli.number_parsing import parse_int
from grucli.read.schema import ReadOptions, describe_inputs


@read_options("body", "thread")
def inspect(
    model: OptionalModel = None,
    text: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT|FILE]", help="What it reads. [default: what it writes itself]"),
    ] = None,
    gate: Annotated[str | None, typer.Option(metavar="L:NAME", help="Color the text by a gate: 1:update.")] = None,
    unit: Annotated[str | None, typer.Option(metavar="L:N", help="Color the text by a unit: layer 1, unit 37.")] = None,
    find: Annotated[str | None, typer.Option(metavar="PATTERN", help="Units that tell where a regex matches.")] = None,
    why: Annotated[
        int | None, typer.Option(metavar="POSITION", help="Tokens on which a character depends; -1 is the last.")
    ] = None,
    match: Annotated[
        str | None,
        typer.Option(metavar="START:END", help="Find similar places of --corpus.", rich_help_panel="Inspection"),
    ] = None,
    corpus: Annotated[str | None, typer.Option(metavar="FILE", help="Where --match searches.")] = None,
    reach: Annotated[bool, typer.Option("--reach", help="How far back states reach; takes several models.")] = False,
    chars: Annotated[int, typer.Option(help="Characters to read.")] = 2_000,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page to explore it all.")] = None,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a picture.")] = None,
    *,
    read: ReadOptions,
    json: Json = False,
) -> None:
    """See what a model's gates and units do while it reads a text.

    \b
      gru inspect emo "Well, I never!"         gates, surprise, the most telling units
      gru inspect emo talk.csv --html page.html
      gru inspect emo talk.csv --unit 1:37     color the text by unit 37 of layer 1
      gru inspect emo talk.csv --find "[A-Z]"  units that tell capital letters
      gru inspect emo "so it goes" --why -1    on what the last character depends
      gru inspect emo "so it goes" --match 4:5 --corpus talk.csv
      gru inspect a-gru a-lstm a-rnn --reach --svg reach.svg
    """
    from grucli.ui.terminal.console import terminal
    from grucli.ui.terminal.live_display import StatusLine
    from grucli.ui.views.inspect_view import InspectView

    layer_gate = None if gate is None else _layer_gate(gate)
    view = InspectView(terminal(), gate=layer_gate, html=html, svg=svg, json=json)
    words = [] if model is None else [model, *(text or ())]
    chosen_unit = None if unit is None else _pair("--unit", unit, "a layer and a unit, such as 1:37")
    span = None if match is None else _pair("--match", match, "the numbers of two characters, such as 10:20")
    with StatusLine(terminal()) as status:
        from grucli.api import inspect as api

        models, texts = api.split_models(words) if reach else (words[:1], words[1:])
        if len(texts) > 1:
            raise UsageError(f"unexpected argument {quote(texts[1])}", "quote the text; several models need --reach")
        word = next(iter(texts), None)
        is_file = word is not None and api.is_file(word)
        status.progress("reading", 0, None)
        result = api.inspect(
            next(iter(models), None),
            None if is_file else word,
            file=word if is_file else None,
            characters=chars,
            unit=chosen_unit,
            find=find,
            why=why,
            similar_to=span,
            corpus=corpus,
            reach=reach or html is not None,
            others=models[1:],
            read=read,
            on_progress=status.progress,
        )
        status.progress("writing", 0, None)
        view.write(result)
    for line in describe_inputs(result.text.inputs):
        terminal().info(line)
    for message in result.notices:
        terminal().warn(message)
    view.show(result)


def _pair(option: str, text: str, takes: str) -> tuple[int, int]:
    """Parse two whole numbers with a colon between them.

    Raises:
        UsageError: they are not.
    """
    first, _, second = text.partition(":")
    try:
        return parse_int(first), parse_int(second)
    except ValueError:
        raise UsageError(f"{option} is {quote(text)}", f"use {takes}") from None


def _layer_gate(text: str) -> tuple[int, str]:
    layer, _, name = text.partition(":")
    try:
        return parse_int(layer), name
    except ValueError:
        raise UsageError(f"--gate is {quote(text)}", "use a layer and a gate, such as 1:update") from None
