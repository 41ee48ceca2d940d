"""`gru chat`: chat with a model."""

import sys
from dataclasses import replace
from typing import Annotated

import typer

from grucli.cli.options import GenerationArguments, JsonLines, OptionalModel, Pace, Threads, generation_options
from grucli.errors import ExitStatus
from grucli.generation.options import random_seed


@generation_options
def chat(
    model: OptionalModel = None,
    continue_: Annotated[bool, typer.Option("--continue", help="Resume the latest session.")] = False,
    opening: Annotated[
        str | None, typer.Option(metavar="FILE", help="File with text to put before the conversation.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Reload the model as training improves it.")] = False,
    learn: Annotated[bool, typer.Option("--learn", help="Learn from the chat; the model on disk stays.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Keep nothing: no session, no history of lines.")] = False,
    commands: Annotated[
        bool, typer.Option("--commands", help="In a pipe, run lines that begin with / as commands.")
    ] = False,
    *,
    generation: GenerationArguments,
    pace: Pace = 150.0,
    threads: Threads = None,
    json: JsonLines = False,
) -> None:
    """Chat with a model. /help lists the commands.

    \b
      gru chat                             with the newest model
      gru chat emo --temp 1.1 --seed 7
      gru chat --continue                  resume the latest session
      gru chat demo --opening scene.txt    each paragraph is a turn, or the start of the text
      gru chat demo < questions.txt        one prompt per line in, one reply per line out
      gru chat emo --follow                while gru train emo is running
      gru chat --learn                     learn while talking; /keep NAME saves it as a model
      gru chat --private                   keep nothing of this chat

    In what you type, and in each line of a pipe, \\n is a newline, \\t a tab and \\\\ a backslash.

    Typed sessions are saved for --continue and /load: named ones (/save) until you remove them, and the last 100
    others. `gru sessions` lists and removes them, /delete removes the one you are in. In a pipe a session is saved only
    with --continue or /save.

    In a pipe every line is a message and gets one reply, also a blank line and one that begins with /. With --commands
    lines are as on a terminal: / begins a command, and an empty line continues a reply that was cut short.
    """
    from grucli.ui.terminal.console import terminal
    from grucli.ui.terminal.live_display import StatusLine, report_compiling
    from grucli.ui.terminal.tty_control import echo

    term = terminal()
    typed = sys.stdin is not None and sys.stdin.isatty()
    with report_compiling(term):
        with echo(on=False), StatusLine(term) as status:
            from grucli.chat import open_chat
            from grucli.read.text_files import read_text_file

            overrides = generation.overrides()
            session = open_chat(
                model,
                lambda default: replace(default, **{"seed": random_seed(), **overrides}),
                preamble=None if opening is None else read_text_file(opening),
                resume_with=overrides if continue_ else None,
                persist=typed and not private,
                private=private,
                follow=follow,
                learn=learn,
                threads=threads,
                pace=pace,
                on_wait=status.update,
            )
        with session:
            if not typed:
                from grucli.ui.chat.pipe import run_pipe

                if not run_pipe(session, term, json=json, commands=commands):
                    raise typer.Exit(ExitStatus.FAILED)
            elif term.data.is_terminal and not json:
                from grucli.ui.chat.typed_chat import run_screen

                run_screen(session, term)
            else:
                from grucli.ui.chat.typed_chat import run_typed

                run_typed(session, term, json=json)
