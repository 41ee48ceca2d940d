"""Which runs are missing, how many steps each takes, and how they are carried out."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import machine
from benchmarks.recipes import gru, pytorch
from benchmarks.recipes.recipes import RECIPES
from benchmarks.recipes.results import RecipeRun, RunFigures, RunKey, Speed, append_line, bits, last_by_key, read_lines
from benchmarks.recipes.texts import TEXTS
from benchmarks.recipes.worker import Job, SpeedJob
from benchmarks.runner import measure
from grucli.errors import ExitStatus, GruError

_WORKER = "benchmarks.recipes.worker"
_MAX_ERROR_CHARS = 300


@dataclass(frozen=True)
class Selection:
    """What was asked for: names of recipes and of texts, minutes in place of the texts' own, seeds from 1 up."""

    recipes: Sequence[str]
    texts: Sequence[str]
    minutes: Sequence[float] = ()
    seeds: int = 3

    def budgets(self) -> Iterator[tuple[str, float]]:
        """Yield each text with each of its minutes."""
        for text in self.texts:
            for minutes in self.minutes or TEXTS[text].minutes:
                yield text, minutes


@dataclass(frozen=True)
class Execution:
    """How runs are carried out.

    processor: the one whose speeds count. jobs: runs at once. threads: of each, None for all cores. wall_clock: by
    minutes, not by steps. keep: the models. retry: also train what failed.
    """

    processor: str
    jobs: int = 1
    threads: int | None = None
    wall_clock: bool = False
    keep: bool = False
    retry: bool = False


def steps_within(minutes: float, seconds_per_step: float) -> int:
    """Return the number of steps that fit into some minutes, at least one."""
    return max(1, int(60 * minutes / seconds_per_step))


@dataclass(frozen=True)
class Plan:
    """A run that is missing: the options of its trainer, and its steps, None to train for its minutes."""

    key: RunKey
    options: dict[str, Any]
    steps: int | None


def missing_runs(
    selection: Selection,
    processor: str,
    speeds: Mapping[Any, Speed],
    finished: Iterable[RecipeRun],
    *,
    wall_clock: bool,
) -> Iterator[Plan]:
    """Yield the runs that are not finished with the options of today; the recipes in turn within each seed."""
    done = last_by_key(finished)
    for text, minutes in selection.budgets():
        for seed in range(1, selection.seeds + 1):
            for recipe in selection.recipes:
                key = RunKey(recipe, text, minutes, seed, processor, wall_clock)
                plan = Plan(key, RECIPES[recipe].options, None)
                if not wall_clock:
                    speed = speeds[recipe, text, minutes, processor]
                    plan = Plan(key, speed.options, steps_within(minutes, speed.seconds_per_step))
                if key not in done or done[key].options != plan.options:
                    yield plan


def measure_speeds(
    selection: Selection, path: Path, *, rounds: int, even_if_busy: bool, repeat: bool, report: Callable[[str], None]
) -> dict[Any, Speed]:
    """Measure the missing speeds (all of them to `repeat`), append them to the file, and return the last of each.

    The recipes of a text take turns. The speed of a recipe whose options were changed since is missing.

    Raises:
        GruError: the machine is busy; a text cannot be had; a recipe fails.
    """
    processor = machine.processor_name()
    speeds = last_by_key(read_lines(path, Speed))
    load = machine.load_average()
    for text, minutes in selection.budgets():
        known = {} if repeat else speeds
        names = [
            name
            for name in selection.recipes
            if (speed := known.get((name, text, minutes, processor))) is None or speed.given != RECIPES[name].options
        ]
        if not names:
            continue
        if machine.is_busy(load) and not even_if_busy:
            raise GruError(
                f"the machine is busy: load average {load:.1f}", "wait a minute until it is idle, or use --even-if-busy"
            )
        for speed in _measure(text, minutes, names, rounds, processor, load):
            append_line(path, speed)
            speeds[speed.key] = speed
            report(f"{speed.recipe} on {text}, {minutes:g} minutes: {1e3 * speed.seconds_per_step:.1f} ms per step")
    return speeds


def read_speeds(selection: Selection, path: Path, processor: str) -> dict[Any, Speed]:
    """Return the speeds that were measured on a processor, which need not be this one.

    Raises:
        GruError: one was not measured there, or the options of its recipe were changed since.
    """
    speeds = last_by_key(read_lines(path, Speed))
    for text, minutes in selection.budgets():
        for name in selection.recipes:
            speed = speeds.get((name, text, minutes, processor))
            if speed is None or speed.given != RECIPES[name].options:
                raise GruError(
                    f"the speed of {name} on {text} for {minutes:g} minutes was not measured on {processor}",
                    "measure it there: python -m benchmarks.recipes speed",
                )
    return speeds


def _measure(
    text: str, minutes: float, names: Sequence[str], rounds: int, processor: str, load: float | None
) -> Iterator[Speed]:
    source = TEXTS[text].open()
    options = {name: _resolve(name, source, minutes) for name in names}
    job = SpeedJob(text=source, options=options)
    try:
        measurements = measure("speed", names, msgspec.json.encode(job).decode(), rounds, _WORKER)
    except (RuntimeError, ValueError) as error:
        raise GruError(f"cannot measure the speed on {text}: a recipe failed", "see the messages above") from error
    for name in names:
        yield Speed(
            recipe=name,
            text=text,
            minutes=minutes,
            processor=processor,
            given=RECIPES[name].options,
            options=options[name],
            seconds_per_step=1 / measurements[name].median,
            load=load,
            commit=machine.commit(),
            date=_now(),
        )


def _resolve(recipe: str, text: dict[str, Any], minutes: float) -> dict[str, Any]:
    options = RECIPES[recipe].options
    return pytorch.resolve(options) if RECIPES[recipe].trainer == "pytorch" else gru.resolve(text, options, minutes)


def train_missing(
    selection: Selection, execution: Execution, path: Path, speeds: Mapping[Any, Speed], report: Callable[[str], None]
) -> None:
    """Train what is missing, several runs at once, and append each as it ends; one that fails is recorded as failed.

    Raises:
        KeyboardInterrupt: a run was stopped; nothing is recorded for it.
        GruError: a text cannot be had, or a line of the file is not a run.
    """
    finished = [run for run in read_lines(path, RecipeRun) if run.error is None or not execution.retry]
    plans = list(missing_runs(selection, execution.processor, speeds, finished, wall_clock=execution.wall_clock))
    texts = {text: TEXTS[text].open() for text in dict.fromkeys(plan.key.text for plan in plans)}
    pool = ThreadPoolExecutor(execution.jobs, "laboratory")
    try:
        futures = [pool.submit(_train, plan, texts[plan.key.text], execution) for plan in plans]
        for number, future in enumerate(as_completed(futures), 1):
            run = future.result()
            append_line(path, run)
            report(f"{number} of {len(plans)}: {_describe(run)}")
    finally:
        pool.shutdown(cancel_futures=True)


def _describe(run: RecipeRun) -> str:
    what = f"{run.recipe} on {run.text}, {run.minutes:g} minutes, seed {run.seed}"
    if run.figures is None:
        return f"{what}: failed: {run.error}"
    return f"{what}: {run.bits_per_char:.4f} bits per character after {run.figures.steps:,} steps"


def _train(plan: Plan, text: dict[str, Any], execution: Execution) -> RecipeRun:
    key = plan.key
    job = Job(
        text=text,
        options=plan.options,
        name=f"{key.text}-{key.recipe}-{key.minutes:g}-{key.seed}".replace(".", "_"),
        seed=key.seed,
        steps=plan.steps,
        minutes=key.minutes if plan.steps is None else None,
        threads=execution.threads,
        keep=execution.keep,
    )
    figures, error = _run_worker(key.recipe, job)
    return RecipeRun(
        **key._asdict(),
        options=job.options,
        commit=machine.commit(),
        date=_now(),
        figures=figures,
        bits_per_char=None if figures is None else bits(figures.nats_per_char),
        best_bits_per_char=None if figures is None else bits(figures.best_nats_per_char),
        error=error,
    )


def _run_worker(recipe: str, job: Job) -> tuple[RunFigures, None] | tuple[None, str]:
    """Train in a process of its own; return its figures, or the message it failed with.

    Raises:
        KeyboardInterrupt: the process was stopped by Ctrl-C.
    """
    command = [sys.executable, "-m", _WORKER, "train", recipe, msgspec.json.encode(job).decode()]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stderr is not None
        # Standard input stays open: a worker ends when it closes.
        messages = worker.stderr.read().strip()
        output = worker.stdout.read()
        status = worker.wait()
    if status in (ExitStatus.SIGINT, -signal.SIGINT):
        raise KeyboardInterrupt
    if status != ExitStatus.OK:
        last_line = messages.splitlines()[-1] if messages else f"exit status {status}"
        return None, last_line[:_MAX_ERROR_CHARS]
    return msgspec.json.decode(output, type=RunFigures), None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
