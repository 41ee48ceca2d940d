"""The program's side: `gru train`, called as a function."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from benchmarks.recipes.results import RunFigures
from grucli.api.train import train as train_model
from grucli.errors import DivergedError, EmptyInputError
from grucli.model.store import model_dir
from grucli.training.events import Evaluated, TrainEvent
from grucli.training.options import Hyperparameters, TrainOptions
from grucli.training.schedule import default_dropout
from grucli.training.setup_run import prepare_run
from grucli.training.signals import StopFlag
from grucli.training.trainer import Trainer

_NOT_OF_A_RECIPE = {"seed", "val"}
_UNUSED_NAME = "recipe-speed"  # of a model that is never saved


def train(
    text: dict[str, Any],
    options: dict[str, Any],
    *,
    name: str,
    seed: int,
    threads: int | None,
    steps: int | None = None,
    minutes: float | None = None,
    keep: bool = False,
) -> RunFigures:
    """Train a model for a number of steps or of minutes; `keep` it, or remove it when it is measured.

    Raises:
        DivergedError: the run ended worse than an untrained network.
        KeyboardInterrupt: the run was stopped.
        GruError: as `grucli.train`.
    """
    losses: list[float] = []

    def on_event(event: TrainEvent) -> None:
        if isinstance(event, Evaluated) and event.val_nats_per_char is not None:
            losses.append(event.val_nats_per_char)

    train_options = TrainOptions(
        **text, **options, name=name, seed=seed, threads=threads, steps=steps, minutes=minutes, force=True
    )
    finished = train_model(train_options, on_event=on_event)
    if finished.reason == "diverged" and finished.error is not None:
        raise DivergedError(finished.error.message, finished.error.hint)
    if finished.reason != "limit":
        raise KeyboardInterrupt
    summary = finished.summary
    if not losses:
        raise EmptyInputError("the text has no validation part", "use more text")
    if not keep:
        shutil.rmtree(summary.path)
    return RunFigures(
        steps=summary.steps,
        tokens=summary.tokens,
        parameters=summary.parameters,
        seconds=summary.seconds,
        nats_per_char=losses[-1],
        best_nats_per_char=min(losses),
        context_gain_bits=summary.context_gain_bits,
    )


def resolve(text: dict[str, Any], options: dict[str, Any], minutes: float) -> dict[str, Any]:
    """Return the options of a recipe and those that the program chooses for this text and these minutes.

    Raises:
        GruError: as `grucli.train`.
    """
    train_options = TrainOptions(**text, **options, name=_UNUSED_NAME, force=True, minutes=minutes)
    hparams = asdict(_make_trainer(train_options).train_state.hparams)
    given = {option.name for option in fields(TrainOptions)} & {option.name for option in fields(Hyperparameters)}
    chosen = {name: hparams[name] for name in sorted(given - _NOT_OF_A_RECIPE) if hparams[name] is not None}
    return {**chosen, **options}


def make_workload(text: dict[str, Any], options: dict[str, Any]) -> Callable[[], int]:
    """Return a function that trains for a step and returns 1, for measurements with all cores."""
    trainer = _make_trainer(TrainOptions(**text, **options, name=_UNUSED_NAME, force=True, minutes=1))
    state = trainer.train_state
    if state.hparams.dropout is None:
        state.dropout = default_dropout(0.0, 0, is_adapted=state.origin is not None)

    def run_step() -> int:
        trainer.step()
        return 1

    return run_step


def _make_trainer(options: TrainOptions) -> Trainer:
    with StopFlag() as stop:
        work = prepare_run(options, model_dir(options.model_name()), stop)
        while True:
            try:
                next(work)
            except StopIteration as end:
                trainer: Trainer = end.value[1]
                return trainer
