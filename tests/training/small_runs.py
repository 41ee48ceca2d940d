"""Small runs for the tests of training."""

from collections.abc import Iterator
from pathlib import Path

from grucli.training.events import Evaluated, Event, Finished, Stepped, Summary
from grucli.training.loop import train
from grucli.training.options import Plan
from grucli.training.signals import StopFlag

SENTENCES = (
    "the cat sat on the mat",
    "a dog ran after the cat",
    "who let the dogs out",
    "it is raining again, naïve 🦊",
)


def write_corpus(path: Path, rows: int = 400) -> Path:
    lines = [f"{SENTENCES[i % 4]} {i * i % 37}" for i in range(rows)]
    path.write_text("body\n" + "".join(f'"{line}"\n' for line in lines), encoding="utf-8")
    return path


def plan(corpus: Path, **changes: object) -> Plan:
    small: dict[str, object] = {
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
    return Plan(**(small | changes))  # type: ignore[arg-type]


def events(asked: Plan, stop_after: int | None = None, reason: str = "interrupted") -> Iterator[Event]:
    """The events of a run that is asked to stop once it has made `stop_after` steps in all."""
    stop = StopFlag()
    for event in train(asked, stop):
        if stop_after is not None and isinstance(event, Stepped | Evaluated) and event.step >= stop_after:
            stop.reason = reason
        yield event


def finish(asked: Plan, stop_after: int | None = None) -> Finished:
    *_, last = events(asked, stop_after)
    assert isinstance(last, Finished)
    return last


def summary(asked: Plan) -> Summary:
    return finish(asked).summary
