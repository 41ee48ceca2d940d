"""A process of the laboratory: `python -m benchmarks.recipes.worker train|speed RECIPE JOB`, the job in JSON.

"train" prints the figures of a run in JSON. "speed" serves rounds as `benchmarks.serve`. A worker ends with the
process that started it.
"""

import os
import sys
import threading
from typing import Any

import msgspec

from benchmarks.recipes import gru, pytorch
from benchmarks.recipes.recipes import RECIPES
from benchmarks.recipes.results import RunFigures
from benchmarks.serve import serve
from grucli.errors import ExitStatus, GruError


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker does: trains with `options` on `text`, both those of the trainer, for `steps` or `minutes`."""

    text: dict[str, Any]
    options: dict[str, Any]
    name: str
    seed: int
    steps: int | None
    minutes: float | None
    threads: int | None
    keep: bool


class SpeedJob(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker of "speed" trains on, and with which options for each recipe."""

    text: dict[str, Any]
    options: dict[str, dict[str, Any]]


def train(recipe: str, job: Job) -> RunFigures:
    """Train one model with the trainer of the recipe.

    Raises:
        KeyboardInterrupt: the run was stopped.
        GruError: the run failed.
    """
    budget: dict[str, Any] = {"seed": job.seed, "threads": job.threads, "steps": job.steps, "minutes": job.minutes}
    if RECIPES[recipe].trainer == "pytorch":
        return pytorch.train(job.text, job.options, **budget)
    return gru.train(job.text, job.options, name=job.name, keep=job.keep, **budget)


def _serve_speed(recipe: str, job: SpeedJob) -> None:
    trainer = pytorch if RECIPES[recipe].trainer == "pytorch" else gru
    serve(trainer.make_workload(job.text, job.options[recipe]))


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(ExitStatus.FAILED)


def main(kind: str, recipe: str, job: str) -> int:
    """Do what is asked for, and return the exit status."""
    try:
        if kind == "speed":
            _serve_speed(recipe, msgspec.json.decode(job, type=SpeedJob))
            return ExitStatus.OK
        threading.Thread(target=_end_with_parent, daemon=True).start()
        figures = train(recipe, msgspec.json.decode(job, type=Job))
    except KeyboardInterrupt:
        return ExitStatus.SIGINT
    except GruError as error:
        print(f"{error.message}; {error.hint}", file=sys.stderr)
        return error.status
    print(msgspec.json.encode(figures).decode())
    return ExitStatus.OK


if __name__ == "__main__":
    status = main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)  # the thread that reads standard input holds its lock
