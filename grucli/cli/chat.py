"""`gru chat`: talk with a model."""

import sys
from typing import Annotated

import typer

from grucli.cli.options import GenerationArguments, JsonLines, OptionalModel, Pace, Threads, generation_options


@generation_options
def chat(
    model: OptionalModel = None,
    continue_: Annotated[bool, typer.Option("--continue", help="Resume the latest session.")] = False,
    opening: Annotated[
        str | None, typer.Option(metavar="FILE", help="File with text to put before the conversation.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Reload the model as training improves it.")] = False,
    *,
    generation: GenerationArguments,
    pace: Pace = 150.0,
    threads: Threads = None,
    json: JsonLines = False,
) -> None:
    """Talk with a model. /help lists what can be typed besides.

    \b
      gru chat                             with the newest model
      gru chat emo --temp 1.1 --seed 7
      gru chat --continue                  where you left off
      gru chat demo --opening scene.txt    each of its paragraphs is a turn, or the text goes on from it
      gru chat demo < questions.txt        one prompt a line in, one reply a line out
      gru chat emo --follow                while gru train emo is at work

    Every session on a terminal is kept, for --continue and /load: those that /save gave a name for good, of the others
    the last 100. Of a chat in a pipe nothing is kept, unless --continue or /save asks for it.
    """
    from grucli.ui.terminal.console import terminal
    from grucli.ui.terminal.status_line import StatusLine
    from grucli.ui.terminal.terminal_echo import echo_disabled

    term = terminal()
    on_screen = sys.stdin is not None and sys.stdin.isatty() and term.data.is_terminal and not json
    with echo_disabled(), StatusLine(term) as waiting:
        from grucli.chat.model_loader import ModelLoader
        from grucli.chat.open_session import open_session
        from grucli.chat.preamble import read_preamble
        from grucli.chat.session_store import default_session_store

        config = generation.config()
        session = open_session(
            ModelLoader(threads),
            model,
            config,
            pace,
            preamble=None if opening is None else read_preamble(opening),
            store=default_session_store(),
            persist=on_screen,
            follow=follow,
            resume_with=generation.overrides(config) if continue_ else None,
            on_wait=waiting.update,
        )
    with session:
        if on_screen:
            from grucli.ui.chat.screen import run_screen

            run_screen(session, term)
        else:
            from grucli.ui.chat.pipe import run_pipe as answer

            answer(session, term, json=json)
