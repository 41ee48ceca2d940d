"""`gru demo`: the whole story on a small corpus of real conversations."""

import contextlib
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from grucli.cli.error_handling import unless_unread
from grucli.cli.train import STOPPED, resuming
from grucli.errors import GruError

if TYPE_CHECKING:
    from grucli.generation.sampler import Sample

_NAME = "demo"
_SAID = (
    "Hi, how are you?",
    "What do you do for fun?",
    "Have you seen a good movie lately?",
    "Do you like dogs or cats?",
    "What did you eat today?",
)
_TEMP = 0.6
_MOST_CHARS = 240
_HIDDEN = 256
"""In so short a time a small network gets further than a large one."""
_HELD_OUT = 0.002
"""Enough to see whether it learns; of one minute, most should go into learning."""


def demo(
    minutes: Annotated[float, typer.Option(help="About how long to train.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same comments.")] = 1,
    pace: Annotated[float, typer.Option(help="Characters a second on a terminal; 0: all at once.")] = 150.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; all of them, when left out.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")] = False,
) -> None:
    """Watch a model learn from real conversations for a minute, then read what it writes.

    \b
      gru demo
      gru demo --minutes 5
      gru demo --json                what gru train --json says, and the replies
    """
    from grucli.chat.pace import checked_pace
    from grucli.training.signals import StopFlag
    from grucli.ui.terminal.console import terminal
    from grucli.ui.training.train_view import TrainView, show_end
    from grucli.ui.views.sample_writer import StreamView

    here = terminal()
    checked_pace(pace)
    with StopFlag() as stop, TrainView(here, json, lambda: stop.reason is not None) as view:
        corpus = _corpus()
        from grucli.training import loop
        from grucli.training.options import Plan

        plan = Plan(
            sources=[corpus],
            name=_NAME,
            minutes=minutes,
            seed=seed,
            threads=threads,
            hidden=_HIDDEN,
            val=_HELD_OUT,
            force=True,
        )
        with unless_unread(), contextlib.closing(loop.train(plan, stop)) as events:
            finished = view.follow(events)
    if finished.reason in STOPPED:
        if json:
            here.print_json({**asdict(finished.summary), "replies": []})
        show_end(here, finished, resuming([corpus], _NAME))
        raise typer.Exit(STOPPED[finished.reason])
    here.say("\nWhat it replies now:\n")
    replies: list[Sample] = []
    with StreamView(here, pace) as stream:
        from grucli.generation.sampler import Draw, Sampler
        from grucli.model.store import find_model
        from grucli.model.weights import load_weights

        sampler = Sampler(load_weights(find_model(_NAME)), threads)
        for index, line in enumerate(_SAID):
            state = sampler.end_turn(sampler.read(sampler.begin(), line))
            reply = sampler.stream(state, Draw(temp=_TEMP, max_chars=_MOST_CHARS, seed=seed + index), line)
            pieces = (piece.text for piece in reply)
            if json:
                deque(pieces, maxlen=0)
            else:
                stream.stream(pieces, prompt=f"> {line}\n")
            replies.append(reply.sample)
    if json:
        here.print_json({**asdict(finished.summary), "replies": replies})
    here.say(_NEXT)


_NEXT = """
What to try next:
  gru chat demo                             talk with it
  gru sample demo --temp 0.5 -n 3           more, and tamer
  gru train your-comments.csv --minutes 5   a model of your own
"""


def _corpus() -> str:
    """Write the conversations of the package into the cache, and give the file's name.

    Raises:
        GruError: the package is not there.
    """
    from grucli.paths import cache_dir
    from grucli.text.demo_corpus import write_corpus

    try:
        import chitchat_dataset
    except ImportError as error:
        raise GruError(
            "the demo's conversations are not installed", "python -m pip install chitchat-dataset, then: gru demo"
        ) from error
    path = cache_dir() / "demo" / "chitchat.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_corpus(chitchat_dataset.Dataset(), path)
    return str(path)
