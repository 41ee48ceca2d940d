"""Runs that never happened: the events of training, made up."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from grucli.training.events import (
    Compiled,
    Compiling,
    Evaluated,
    Event,
    Finished,
    Preparing,
    Saved,
    Started,
    Stepped,
    Summary,
)

SAMPLE = "I think [b]this[/b] is\tthe best thing \x1b[31mI have ever seen\u202e.\n\nNo really, you should see it 😂."


def summary(steps: int = 400) -> Summary:
    return Summary(
        model="emo",
        path="/models/emo",
        cell="gru",
        parameters=1_234_567,
        vocab=98,
        steps=steps,
        tokens=steps * 1000,
        seconds=steps / 10,
        tokens_per_second=10_000.0,
        train_nats=1.5,
        val_nats=1.625,
        val_nats_per_char=1.625,
        val_bits_per_char=2.344,
        parameters_sha256="ab" * 32,
    )


def started(held_out: int = 900_000, notes: tuple[str, ...] = ()) -> Started:
    return Started("emo", Path("/models/emo"), "trains two minutes", 1_234_567, 98, 8_100_000, held_out, 0, notes)


def stepped(step: int, steps: int | None = 400) -> Stepped:
    return Stepped(step, steps, step * 1000, step / 10, 1.5 + 3 * math.exp(-step / 50), 10_000.0, 0.002, 0.5)


def evaluated(step: int, val: float | None, best: bool = True, sample: str = SAMPLE) -> Evaluated:
    bits = None if val is None else val / math.log(2)
    return Evaluated(step, 400, step * 1000, step / 10, 10_000.0, 1.5, val, val, bits, best, sample)


def gone_on_with() -> Iterator[Event]:
    """A run that was stopped after 240 steps, ten steps after it went on."""
    earlier = tuple(evaluated(step, 1.6 + 60 / step, best=step != 200, sample="") for step in (50, 100, 200))
    yield replace(started(), plan="goes on from step 240", step=240, earlier=earlier)
    yield Compiled(0.5, cached=True)
    yield stepped(245)
    yield stepped(250)


def run(until: int = 400, held_out: bool = True, reason: str | None = None) -> Iterator[Event]:
    """A run of 400 steps with an evaluation after every hundred, up to the step `until`."""
    yield Preparing("reading the corpus", 30, 100)
    yield started(900_000 if held_out else 0)
    yield Compiling(kept=True)
    yield Compiled(12.0, cached=False)
    for step in range(10, until + 1, 10):
        yield stepped(step, 400 if step > 20 else None)
        if step % 100 == 0:
            yield evaluated(step, 1.6 + 60 / step if held_out else None, best=step != 300)
            yield Saved(Path("/models/emo/last.safetensors"), step)
    if reason is not None:
        yield Finished(reason, summary(until))
