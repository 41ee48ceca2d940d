"""`gru demo`: the whole story on a small corpus of real conversations."""

import contextlib
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from grucli.cli.error_handling import broken_pipe_is_failure
from grucli.cli.train import EXIT_STATUS_BY_REASON, resume_command
from grucli.errors import GruError

if TYPE_CHECKING:
    from grucli.generation.sampler import Sample

_NAME = "demo"
_DEMO_PROMPTS = (
    "Hi, how are you?",
    "What do you do for fun?",
    "Have you seen a good movie lately?",
    "Do you like dogs or cats?",
    "What did you eat today?",
)
_TEMPERATURE = 0.6
_MAX_CHARS = 240
_HIDDEN_SIZE = 256
"""In so short a time a small network gets further than a large one."""
_VAL_FRACTION = 0.002
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
    from grucli.chat.pace import validate_pace
    from grucli.training.signals import StopFlag
    from grucli.ui.terminal.console import terminal
    from grucli.ui.training.train_view import TrainView, print_train_result
    from grucli.ui.views.sample_writer import SampleWriter

    term = terminal()
    validate_pace(pace)
    with StopFlag() as stop, TrainView(term, json, lambda: stop.reason is not None) as view:
        corpus_path = _write_demo_corpus()
        from grucli.training import loop
        from grucli.training.options import TrainOptions

        options = TrainOptions(
            sources=[corpus_path],
            name=_NAME,
            minutes=minutes,
            seed=seed,
            threads=threads,
            hidden=_HIDDEN_SIZE,
            val=_VAL_FRACTION,
            force=True,
        )
        with broken_pipe_is_failure(), contextlib.closing(loop.train(options, stop)) as events:
            finished = view.follow(events)
    if finished.reason in EXIT_STATUS_BY_REASON:
        if json:
            term.print_json({**asdict(finished.summary), "replies": []})
        print_train_result(term, finished, resume_command([corpus_path], _NAME))
        raise typer.Exit(EXIT_STATUS_BY_REASON[finished.reason])
    term.info("\nWhat it replies now:\n")
    replies: list[Sample] = []
    with SampleWriter(term, pace) as stream:
        from grucli.generation.sampler import GenerationConfig, Sampler
        from grucli.model.store import find_model
        from grucli.model.weights import load_weights

        sampler = Sampler(load_weights(find_model(_NAME)), threads)
        for index, prompt in enumerate(_DEMO_PROMPTS):
            state = sampler.end_turn(sampler.read(sampler.initial_state(), prompt))
            reply = sampler.stream(
                state, GenerationConfig(temp=_TEMPERATURE, max_chars=_MAX_CHARS, seed=seed + index), prompt
            )
            chunks = (piece.text for piece in reply)
            if json:
                deque(chunks, maxlen=0)
            else:
                stream.stream(chunks, prompt=f"> {prompt}\n")
            replies.append(reply.sample)
    if json:
        term.print_json({**asdict(finished.summary), "replies": replies})
    term.info(_NEXT_STEPS)


_NEXT_STEPS = """
What to try next:
  gru chat demo                             talk with it
  gru sample demo --temp 0.5 -n 3           more, and tamer
  gru train your-comments.csv --minutes 5   a model of your own
"""


def _write_demo_corpus() -> str:
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
