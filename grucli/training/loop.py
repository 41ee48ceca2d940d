"""The loop of training: it yields events and never prints, so that piped, tested and drawn runs are the same run."""

import time
from collections.abc import Generator, Iterator

from grucli.engine.thread_pool import ThreadPool
from grucli.files import DirectoryLock
from grucli.generation.copy_detection import save_index
from grucli.kernels.jit import CACHE
from grucli.model.config import num_parameters
from grucli.model.store import NOVELTY, model_dir
from grucli.text.dataset import Dataset
from grucli.training.checkpoint import TrainState
from grucli.training.events import CheckpointSaved, Evaluated, SetupProgress, TrainEvent, TrainFinished, TrainStarted
from grucli.training.options import DEFAULT_NUM_EVALS, MAX_MINUTES, PATIENCE, Budget, TrainOptions
from grucli.training.schedule import MIN_DROPOUT, StepTimer, default_dropout
from grucli.training.setup_run import (
    build_trainer,
    clear_model_dir,
    index_dataset,
    load_dataset,
    remove_if_empty,
    resolve_run,
    warm_up,
)
from grucli.training.signals import StopFlag
from grucli.training.trainer import StepResult, Trainer

_EVENT_EVERY_SECONDS = 0.1  # seconds between two `Stepped`
_SAVE_EVERY_SECONDS = 60.0  # seconds of training that a killed run may lose
_EVAL_COST_RATIO = 0.4  # what scoring a token costs, as a share of training on it
_EARLY_EVAL_DIVISORS = (
    8,
    4,
    2,
)  # parts of the first interval after which to look already: that is when it learns to spell
_MAX_EVAL_FRACTION = 0.2  # of a run's time that may go into evaluations


def train(options: TrainOptions, stop: StopFlag) -> Generator[TrainEvent]:
    """Train as `plan` says, until its limit, until it has settled, or until `stop` is set.

    The run is saved at every evaluation, about once a minute, at its end, and when its reader goes away and closes
    the iterator; the last event is `Finished`.

    Raises:
        UsageError, NothingToDoError: the plan cannot be meant, or there is nothing to train on.
        ModelFileError: what should be gone on with is damaged.
        BusyError: another process is training this model.
        DivergedError: the loss is not a finite number any more; the last good weights are kept.
        StoppedError: `stop` was set before the first step.
        OSError: the disk refused; the last whole checkpoint is still there.
    """
    yield SetupProgress("reading the corpus")
    directory = model_dir(options.model_name())
    config = resolve_run(options, directory)
    with DirectoryLock(directory):
        try:
            dataset = yield from load_dataset(options, config, stop)
            trainer = build_trainer(config, options, directory, dataset, ThreadPool(options.threads))
            index = yield from index_dataset(options, config, directory, dataset, stop)
            if index is not None and config.checkpoint is not None:
                save_index(directory / NOVELTY, index)
            if _is_finished(trainer):
                yield TrainFinished("already finished", trainer.summary())
                return
            yield _train_started(trainer)
            yield from warm_up(trainer)
            if index is not None and config.checkpoint is None:
                clear_model_dir(directory)
                save_index(directory / NOVELTY, index)
            del index  # it may be large, and a run is long
            yield from _save_on_close(trainer, _train_steps(trainer, stop))
        finally:
            remove_if_empty(directory)


def _is_finished(trainer: Trainer) -> bool:
    """Whether a run that is gone on with has nothing left to do."""
    state = trainer.train_state
    if state.step == 0:
        return False
    if state.finish_reason is not None or _should_stop_early(state):
        return True
    total_steps = _requested_steps(trainer) if state.total_steps is None else state.total_steps
    return state.seconds >= _max_seconds(state.budget) if total_steps is None else state.step >= total_steps


def _train_started(trainer: Trainer) -> TrainStarted:
    state, dataset = trainer.train_state, trainer.dataset
    notices = dataset.report.messages() + trainer.notices
    if dataset.val is None:
        notices.append(_no_val_message(trainer))
    if CACHE.problem is not None:
        notices.append(f"kernels are compiled anew each time: {CACHE.problem}")
    val_tokens = dataset.val.tokens if dataset.val is not None else 0
    return TrainStarted(
        name=trainer.model_dir.name,
        path=trainer.model_dir,
        description=_describe_run(trainer, dataset),
        parameters=num_parameters(trainer.parameters.sizes),
        vocab=trainer.parameters.sizes.V,
        train_tokens=dataset.train.tokens,
        val_tokens=val_tokens,
        step=state.step,
        notices=tuple(notices),
        previous_evaluations=tuple(trainer.evaluations()) if state.step else (),
    )


def _no_val_message(trainer: Trainer) -> str:
    requested = trainer.train_state.hparams.val == 0
    reason = "as --val 0 asks" if requested else "because there is only one text, or one thread, to train on"
    return f"nothing is held out, {reason}: nobody will know how the model does on text it has not seen"


def _describe_run(trainer: Trainer, dataset: Dataset) -> str:
    state, sizes = trainer.train_state, trainer.parameters.sizes
    layers = f"{sizes.L} layer{'s' if sizes.L > 1 else ''} of {sizes.H}"
    name = f"'{trainer.model_dir.name}'"
    prefix = f"going on with {name} from step {state.step:,}" if state.step else f"training {name}"
    kind = "conversations" if dataset.conversations else "running text" if dataset.running_text else "comments"
    return (
        f"{prefix}: a {sizes.cell} with {layers} units on {dataset.train.tokens:,} tokens of {kind}, "
        f"{state.budget.describe(has_val=dataset.val is not None)}"
    )


def _save_on_close(trainer: Trainer, events: Generator[TrainEvent]) -> Iterator[TrainEvent]:
    """The events of a run, which is saved if whoever takes them goes away: each leaves it where it can be gone on."""
    saved_step = trainer.train_state.step
    try:
        for event in events:
            if isinstance(event, Evaluated | CheckpointSaved):
                saved_step = event.step
            yield event
    except GeneratorExit:
        if trainer.train_state.step > saved_step:
            trainer.save()
        raise


def _train_steps(trainer: Trainer, stop: StopFlag) -> Generator[TrainEvent]:
    state, run_length = trainer.train_state, _RunLength(trainer)
    recent: list[StepResult] = []
    last_event_at = last_save_at = time.monotonic()
    while state.total_steps is None or state.step < state.total_steps:
        recent.append(trainer.step())
        run_length.record_step(recent[-1])
        # No event comes between a step and its evaluation, because a run may be left for good at any event.
        evaluation = trainer.evaluate() if run_length.evaluation_due() else None
        now = time.monotonic()
        if evaluation is not None or now - last_event_at >= _EVENT_EVERY_SECONDS:
            yield trainer.step_event(recent)
            recent, last_event_at = [], now
        if evaluation is not None:
            yield evaluation
            yield CheckpointSaved(trainer.model_dir, state.step)
            last_save_at = last_event_at = time.monotonic()
            if _should_stop_early(state):
                yield from _finish(trainer, "settled")
                return
        elif now - last_save_at >= _SAVE_EVERY_SECONDS:
            yield CheckpointSaved(trainer.save(), state.step)
            last_save_at = time.monotonic()
        if stop.reason is not None and (state.total_steps is None or state.step < state.total_steps):
            yield CheckpointSaved(trainer.save(), state.step)
            yield TrainFinished(stop.reason, trainer.summary())
            return
    yield from _finish(trainer, "limit")


def _should_stop_early(state: TrainState) -> bool:
    return not state.budget.is_set and state.num_bad_evals >= PATIENCE


def _max_seconds(budget: Budget) -> float:
    return 60.0 * (MAX_MINUTES if budget.minutes is None else budget.minutes)


def _requested_steps(trainer: Trainer) -> int | None:
    """The steps that a limit of steps or epochs comes to, or None where there is no such limit."""
    budget = trainer.train_state.budget
    if budget.steps is None and budget.epochs is not None:
        return max(1, round(budget.epochs * trainer.loader.steps_per_epoch))
    return budget.steps


def _finish(trainer: Trainer, reason: str) -> Iterator[TrainEvent]:
    trainer.train_state.finish_reason = reason
    yield CheckpointSaved(trainer.save(), trainer.train_state.step)
    yield TrainFinished(reason, trainer.summary())


class _RunLength:
    """Fixes the horizon, from the limit or from the first measured steps, and all that follows from it.

    They go into the position, and so into the checkpoint: a resumed run keeps them.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        state = trainer.train_state
        self._timer = StepTimer(max(0.0, _max_seconds(state.budget) - state.seconds))
        if state.step == 0:
            state.dropout = MIN_DROPOUT if state.hparams.dropout is None else state.hparams.dropout
        requested = _requested_steps(trainer)
        if state.total_steps is None and requested is not None:
            self._set_total_steps(requested)

    def record_step(self, step: StepResult) -> None:
        """A step was made."""
        state = self._trainer.train_state
        if state.total_steps is None:
            remaining = self._timer.remaining_steps(step.seconds)
            if remaining is not None:
                self._set_total_steps(state.step + remaining)

    def _set_total_steps(self, total_steps: int) -> None:
        state = self._trainer.train_state
        state.total_steps = max(total_steps, state.step)
        if state.hparams.dropout is None:
            tokens = state.total_steps * state.hparams.batch * state.hparams.seq
            state.dropout = default_dropout(tokens / self._trainer.dataset.train.tokens)
        if not state.eval_every_given:
            state.eval_every = max(1, -(-state.total_steps // self._num_evaluations(state.total_steps)))

    def _num_evaluations(self, total_steps: int) -> int:
        """How many evaluations such a run can afford: a fifth of its time at most, and one in any case."""
        val, hparams = self._trainer.dataset.val, self._trainer.train_state.hparams
        if val is None:
            return DEFAULT_NUM_EVALS
        cost_ratio = _EVAL_COST_RATIO * val.tokens / (total_steps * hparams.batch * hparams.seq)
        return max(1, min(DEFAULT_NUM_EVALS, int(_MAX_EVAL_FRACTION / cost_ratio)))

    def evaluation_due(self) -> bool:
        """Whether the step just made is to be followed by an evaluation."""
        state = self._trainer.train_state
        if state.eval_every is None:
            return False
        early = not state.eval_every_given and state.step in {state.eval_every // part for part in _EARLY_EVAL_DIVISORS}
        return early or state.step == state.total_steps or state.step % state.eval_every == 0
