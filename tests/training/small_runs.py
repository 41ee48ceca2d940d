"""Small runs for the tests of training."""

from collections.abc import Iterator
from pathlib import Path

from grucli.training.events import Evaluated, StepCompleted, TrainEvent, TrainFinished, TrainSummary
from grucli.training.loop import train
from grucli.training.options import TrainOptions
from grucli.training.signals import StopFlag

SENTENCES = (
    "the cat sat on the mat",
    "a dog ran after the cat",
    "who let the dogs out",
    "it is raining again, naïve 🦊",
)


def write_small_corpus(path: Path, rows: int = 400) -> Path:
    lines = [f"{SENTENCES[i % 4]} {i * i % 37}" for i in range(rows)]
    path.write_text("body\n" + "".join(f'"{line}"\n' for line in lines), encoding="utf-8")
    return path


def small_options(corpus: Path, **changes: object) -> TrainOptions:
    defaults: dict[str, object] = {
        "sources": [str(corpus)],
        "name": "small",
        "hidden": 12,
        "embed": 6,
        "layers": 2,
        "batch": 4,
        "seq": 8,
        "steps": 30,
        "threads": 1,
    }
    return TrainOptions(**(defaults | changes))  # type: ignore[arg-type]


def run_events(
    options: TrainOptions, stop_after: int | None = None, reason: str = "interrupted"
) -> Iterator[TrainEvent]:
    """Yield the events of a run that is stopped at step `stop_after`."""
    stop_flag = StopFlag()
    for event in train(options, stop_flag):
        if stop_after is not None and isinstance(event, StepCompleted | Evaluated) and event.step >= stop_after:
            stop_flag.reason = reason
        yield event


def run_to_finish(options: TrainOptions, stop_after: int | None = None) -> TrainFinished:
    *_, last = run_events(options, stop_after)
    assert isinstance(last, TrainFinished)
    return last


def run_summary(options: TrainOptions) -> TrainSummary:
    return run_to_finish(options).summary
