"""Made-up events of training runs."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from grucli.model.figures import ContextGain
from grucli.training.events import (
    CheckpointSaved,
    Compiled,
    Compiling,
    Evaluated,
    SetupProgress,
    StepCompleted,
    TrainEvent,
    TrainFinished,
    TrainStarted,
    TrainSummary,
)

SAMPLE = "I think [b]this[/b] is\tthe best thing \x1b[31mI have ever seen\u202e.\n\nNo really, you should see it 😂."


CONTEXT_GAIN = ContextGain(
    context_gain_bits=1.524, context_gain_interval=(1.3, 1.748), right_context_share=0.7148, context_replies=1000
).gain_figures()


def make_summary(steps: int = 400) -> TrainSummary:
    return TrainSummary(
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


def run_started(val_tokens: int = 900_000, notes: tuple[str, ...] = ()) -> TrainStarted:
    return TrainStarted(
        "emo", Path("/models/emo"), "trains two minutes", 1_234_567, 98, 8_100_000, val_tokens, 0, notices=notes
    )


def step_completed(step: int, steps: int | None = 400) -> StepCompleted:
    return StepCompleted(step, steps, step * 1000, step / 10, 1.5 + 3 * math.exp(-step / 50), 10_000.0, 0.002, 0.5)


def evaluation(step: int, val: float | None, best: bool = True, sample: str = SAMPLE) -> Evaluated:
    bits = None if val is None else val / math.log(2)
    return Evaluated(
        step=step,
        total_steps=400,
        tokens=step * 1000,
        seconds=step / 10,
        tokens_per_second=10_000.0,
        train_nats=1.5,
        val_nats=val,
        val_nats_per_char=val,
        val_bits_per_char=bits,
        is_best=best,
        sample=sample,
    )


def resumed_run() -> Iterator[TrainEvent]:
    """A run resumed from step 240, ten steps later."""
    previous_evaluations = tuple(
        evaluation(step, 1.6 + 60 / step, best=step != 200, sample="") for step in (50, 100, 200)
    )
    yield replace(
        run_started(), description="goes on from step 240", step=240, previous_evaluations=previous_evaluations
    )
    yield Compiled(0.5, cached=True)
    yield step_completed(245)
    yield step_completed(250)


def training_run(last_step: int = 400, has_val: bool = True, reason: str | None = None) -> Iterator[TrainEvent]:
    """A run of 400 steps, evaluated every 100, up to `last_step`."""
    yield SetupProgress("reading the corpus", 30, 100)
    yield run_started(900_000 if has_val else 0)
    yield Compiling(cached_for_next_run=True)
    yield Compiled(12.0, cached=False)
    for step in range(10, last_step + 1, 10):
        yield step_completed(step, 400 if step > 20 else None)
        if step % 100 == 0:
            yield evaluation(step, 1.6 + 60 / step if has_val else None, best=step != 300)
            yield CheckpointSaved(Path("/models/emo/last.safetensors"), step)
    if reason is not None:
        yield TrainFinished(reason, make_summary(last_step))
