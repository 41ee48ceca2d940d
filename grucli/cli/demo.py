"""`gru demo`: training and replies of a small model, on conversations that come with the package."""

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from grucli.cli.error_handling import broken_pipe_is_failure
from grucli.cli.options import Json, Pace, Threads
from grucli.cli.train import EXIT_STATUS_BY_REASON, resume_command
from grucli.errors import ModelFileError
from grucli.model import packaged
from grucli.read.schema import ReadOptions
from grucli.training.options import describe_minutes

if TYPE_CHECKING:
    from grucli.generation.decoding import TextStream
    from grucli.generation.options import Sample
    from grucli.ui.terminal.console import Terminal

_NEXT_STEPS = """
What to try next:
  gru chat demo                             talk with it
  gru chat                                  the same, while it is the newest model
  gru sample demo --temp 0.5 -n 3           more replies, less random
  gru train your-comments.csv --minutes 5   train your own model"""
_PACKAGED_STEP = f"  {f'gru chat {packaged.NAME}':<39}   talk with the one that comes with gru"


def demo(
    minutes: Annotated[float, typer.Option(help="Minutes of training.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 1,
    pace: Pace = 150.0,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Watch a model learn from real conversations for a minute, then read what it writes.

    The model that comes with gru answers first, to show what hours of training give.

    \b
      gru demo
      gru demo --minutes 5
      gru demo --json                the summary of the training, and the replies
    """
    from grucli.chat.inputs import validate_pace
    from grucli.training.signals import StopFlag
    from grucli.ui.terminal.console import terminal
    from grucli.ui.terminal.live_display import StatusLine
    from grucli.ui.training.train_view import TrainView, print_train_result

    term = terminal()
    validate_pace(pace)
    with StatusLine(term):
        from grucli.api.demo import NAME, DemoResult, demo_corpus, demo_options, demo_replies, packaged_replies
        from grucli.api.train import train

        corpus = demo_corpus()
        options = demo_options(corpus, minutes=minutes, seed=seed, threads=threads)
    length = describe_minutes(minutes)
    packaged_samples: tuple[Sample, ...] = ()
    try:
        replies = packaged_replies(seed, threads)
    except (ModelFileError, OSError):
        replies = None
        term.warn("the model that comes with gru is damaged; reinstall gru")
    if replies is not None:
        term.info("The model that comes with gru, after hours of training:\n")
        packaged_samples = _write_replies(term, replies, pace, json)
        term.info(f"\nNow a small one learns from the same conversations, from nothing, for {length}:\n")
    with (
        StopFlag() as stop,
        TrainView(term, json, lambda: stop.reason is not None) as view,
        broken_pipe_is_failure(),
    ):
        finished = train(options, on_event=view.show, stop=stop)
    if finished.reason in EXIT_STATUS_BY_REASON:
        if json:
            term.print_json(DemoResult(finished.summary, packaged_replies=packaged_samples))
        print_train_result(term, finished, resume_command([corpus], NAME, ReadOptions()))
        raise typer.Exit(EXIT_STATUS_BY_REASON[finished.reason])
    term.info(f"\nIts replies {'to the same questions, ' if packaged_samples else ''}after {length}:\n")
    samples = _write_replies(term, demo_replies(seed, threads), pace, json)
    if json:
        term.print_json(DemoResult(finished.summary, samples, packaged_samples))
    term.info(_NEXT_STEPS)
    if packaged_samples:
        term.info(_PACKAGED_STEP)


def _write_replies(
    term: "Terminal", replies: Iterable[tuple[str, "TextStream"]], pace: float, json: bool
) -> "tuple[Sample, ...]":
    """Write each prompt with its reply; with `json` only generate them."""
    from grucli.ui.views.sample_view import SampleWriter

    samples: list[Sample] = []
    with SampleWriter(term, pace) as writer:
        for prompt, reply in replies:
            chunks = (chunk.text for chunk in reply)
            if json:
                deque(chunks, maxlen=0)
            else:
                writer.stream(chunks, prompt=f"> {prompt}\n")
            samples.append(reply.sample)
    return tuple(samples)
