"""`gru chat`: chat with a model."""

import sys
from typing import Annotated

import typer
from typer._click.core import ParameterSource

from grucli.cli.command_base import MODEL, STOP_HELP

_SAMPLING_OPTIONS = (
    *("temp", "top_k", "top_p", "min_p", "mirostat", "repeat_penalty", "relevance", "beam", "stop"),
    *("block", "max_chars", "min_chars", "seed"),
)
"""The options that are fields of `GenerationConfig`."""


def chat(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(metavar=f"[{MODEL}]", help="Model name or path. [default: newest]")
    ] = None,
    continue_: Annotated[bool, typer.Option("--continue", help="Resume the latest session.")] = False,
    opening: Annotated[
        str | None, typer.Option(metavar="FILE", help="File with text to put before the conversation.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Reload the model as training improves it.")] = False,
    temp: Annotated[float, typer.Option(help="0: always the likeliest; 1: as the model has it; more: wilder.")] = 0.8,
    top_k: Annotated[int, typer.Option(help="Draw from the K likeliest tokens only; 0: from all.")] = 0,
    top_p: Annotated[float, typer.Option(help="Draw from the likeliest tokens that make up this share.")] = 1.0,
    min_p: Annotated[float, typer.Option(help="No token less likely than this share of the likeliest.")] = 0.0,
    mirostat: Annotated[float, typer.Option(help="Aim at this surprise, in bits a token; 0: do not.")] = 0.0,
    repeat_penalty: Annotated[float, typer.Option(help="Above 1: what was said lately becomes less likely.")] = 1.0,
    relevance: Annotated[float, typer.Option(help="Up to 0.99: prefer replies that would not fit any line.")] = 0.0,
    beam: Annotated[int, typer.Option(help="Search for the likeliest reply, so many at a time; 0: draw.")] = 0,
    stop: Annotated[list[str] | None, typer.Option(help=STOP_HELP.format("a reply"))] = None,
    block: Annotated[
        str | None, typer.Option(metavar="FILE", help="Words and phrases that are never said, one a line.")
    ] = None,
    max_chars: Annotated[int, typer.Option(help="No reply is longer.")] = 500,
    min_chars: Annotated[int, typer.Option(help="No reply is shorter.")] = 1,
    seed: Annotated[int | None, typer.Option(min=0, help="The first reply's; each next one has the next.")] = None,
    pace: Annotated[float, typer.Option(help="Characters per second on a terminal; 0 disables.")] = 150.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Number of threads. [default: all cores]")] = None,
    json: Annotated[bool, typer.Option("--json", help="Output JSON, one object per line.")] = False,
) -> None:
    """Chat with a model. /help lists the commands.

    \b
      gru chat                             with the newest model
      gru chat emo --temp 1.1 --seed 7
      gru chat --continue                  resume the latest session
      gru chat demo --opening scene.txt    each paragraph is a turn, or the start of the text
      gru chat demo < questions.txt        one prompt per line in, one reply per line out
      gru chat emo --follow                while gru train emo is running

    Sessions on a terminal are saved for --continue and /load: named ones (/save) until you delete them, and the last
    100 others. In a pipe a session is saved only with --continue or /save.
    """
    from grucli.ui.terminal.console import terminal
    from grucli.ui.terminal.status_line import StatusLine
    from grucli.ui.terminal.terminal_echo import echo_disabled

    term = terminal()
    on_screen = sys.stdin is not None and sys.stdin.isatty() and term.data.is_terminal and not json
    with echo_disabled(), StatusLine(term) as status:
        from pathlib import Path

        from grucli.chat import open_chat
        from grucli.chat.preamble import read_preamble
        from grucli.chat.session import random_seed
        from grucli.generation.options import GenerationConfig
        from grucli.generation.phrase_matcher import read_phrases, unescape_stop

        options = {
            **{name: value for name, value in context.params.items() if name in _SAMPLING_OPTIONS},
            "stop": tuple(map(unescape_stop, stop or ())),
            "block": () if block is None else read_phrases(Path(block)),
            "seed": random_seed() if seed is None else seed,
        }
        explicit = {name for name in options if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
        session = open_chat(
            model,
            GenerationConfig(**options),
            preamble=None if opening is None else read_preamble(opening),
            resume_with={name: options[name] for name in explicit} if continue_ else None,
            persist=on_screen,
            follow=follow,
            threads=threads,
            pace=pace,
            on_wait=status.update,
        )
    with session:
        if on_screen:
            from grucli.ui.chat.screen import run_screen

            run_screen(session, term)
        else:
            from grucli.ui.chat.pipe import run_pipe as answer

            answer(session, term, json=json)
