"""`gru demo`: training and replies of a small model, on conversations that come with the package."""

from collections import deque
from typing import TYPE_CHECKING, Annotated

import typer

from grucli.cli.error_handling import broken_pipe_is_failure
from grucli.cli.options import Json, Pace, Threads
from grucli.cli.train import EXIT_STATUS_BY_REASON, resume_command
from grucli.read.schema import ReadOptions

if TYPE_CHECKING:
    from grucli.generation.options import Sample

_NEXT_STEPS = """
What to try next:
  gru chat demo                             talk with it
  gru sample demo --temp 0.5 -n 3           more replies, less random
  gru train your-comments.csv --minutes 5   train your own model
"""


def demo(
    minutes: Annotated[float, typer.Option(help="Minutes of training.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 1,
    pace: Pace = 150.0,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Watch a model learn from real conversations for a minute, then read what it writes.

    \b
      gru demo
      gru demo --minutes 5
      gru demo --json                the summary of the training, and the replies
    """
    from grucli.chat.inputs import validate_pace
    from grucli.training.signals import StopFlag
    from grucli.ui.terminal.console import terminal
    from grucli.ui.training.train_view import TrainView, print_train_result
    from grucli.ui.views.sample_view import SampleWriter

    term = terminal()
    validate_pace(pace)
    with StopFlag() as stop, TrainView(term, json, lambda: stop.reason is not None) as view:
        from grucli.api.demo import NAME, DemoResult, demo_corpus, demo_replies, train_demo

        corpus = demo_corpus()
        with broken_pipe_is_failure():
            finished = train_demo(corpus, minutes=minutes, seed=seed, threads=threads, on_event=view.show, stop=stop)
    if finished.reason in EXIT_STATUS_BY_REASON:
        if json:
            term.print_json(DemoResult(finished.summary))
        print_train_result(term, finished, resume_command([corpus], NAME, ReadOptions()))
        raise typer.Exit(EXIT_STATUS_BY_REASON[finished.reason])
    term.info("\nWhat it replies now:\n")
    replies: list[Sample] = []
    with SampleWriter(term, pace) as writer:
        for prompt, reply in demo_replies(seed, threads):
            chunks = (chunk.text for chunk in reply)
            if json:
                deque(chunks, maxlen=0)
            else:
                writer.stream(chunks, prompt=f"> {prompt}\n")
            replies.append(reply.sample)
    if json:
        term.print_json(DemoResult(finished.summary, tuple(replies)))
    term.info(_NEXT_STEPS)
