"""`gru chat`: talk with a model."""

import sys
from typing import Annotated

import typer

from grucli.cli.grammar import MODEL


def chat(
    model: Annotated[str | None, typer.Argument(metavar=f"[{MODEL}]", help="The newest when left out.")] = None,
    temp: Annotated[float, typer.Option(help="0: always the likeliest; 1: as the model has it; more: wilder.")] = 0.8,
    top_k: Annotated[int, typer.Option(help="Draw from the K likeliest tokens only; 0: from all.")] = 0,
    top_p: Annotated[float, typer.Option(help="Draw from the likeliest tokens that make up this share.")] = 1.0,
    min_p: Annotated[float, typer.Option(help="No token less likely than this share of the likeliest.")] = 0.0,
    repeat_penalty: Annotated[float, typer.Option(help="Above 1: what was said lately becomes less likely.")] = 1.0,
    max_chars: Annotated[int, typer.Option(help="No reply is longer.")] = 500,
    min_chars: Annotated[int, typer.Option(help="No reply is shorter.")] = 1,
    seed: Annotated[int | None, typer.Option(min=0, help="The first reply's; each next one has the next.")] = None,
    pace: Annotated[float, typer.Option(help="Characters a second on a terminal; 0: all at once.")] = 150.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; all of them, when left out.")] = None,
) -> None:
    """Talk with a model. /help lists what can be typed besides.

    \b
      gru chat                             with the newest model
      gru chat emo --temp 1.1 --seed 7
      gru chat demo < questions.txt        one prompt a line in, one reply a line out
    """
    from grucli.ui.console import terminal
    from grucli.ui.waiting import Waiting

    here = terminal()
    with Waiting(here):
        from grucli.chat.session import Session, any_seed
        from grucli.chat.shelf import StoredModels
        from grucli.model.sampler import Draw

        first = any_seed() if seed is None else seed
        draw = Draw(temp, top_k, top_p, min_p, repeat_penalty, max_chars, min_chars, first)
        session = Session(StoredModels(threads), model, draw, pace)
        if sys.stdin is not None and sys.stdin.isatty() and here.data.is_terminal:
            from grucli.ui.chat_screen import talk
        else:
            from grucli.ui.chat_pipe import talk
    talk(session, here)
