"""The training loop. It yields events and never prints: a terminal, a pipe and a test see the same run."""

import time
from collections.abc import Generator, Iterator
from pathlib import Path

from grucli.files import DirectoryLock
from grucli.generation.copy_detection import save_index
from grucli.kernels.jit import CACHE
from grucli.model.config import num_parameters
from grucli.model.store import NOVELTY, model_dir
from grucli.text.dataset import Dataset
from grucli.training.checkpoint import TrainState
from grucli.training.events import CheckpointSaved, Evaluated, SetupProgress, TrainEvent, TrainFinished, TrainStarted
from grucli.training.options import DEFAULT_NUM_EVALS, PATIENCE, TrainOptions
from grucli.training.schedule import StepTimer, default_dropout, default_embed_dropout
from grucli.training.setup_run import SharedResources, index_dataset, prepare_run, warm_up
from grucli.training.signals import StopFlag
from grucli.training.staging import clean_up, create_staging, recover
from grucli.training.trainer import StepResult, Trainer

_EVENT_EVERY_SECONDS = 0.1  # at least, between two `StepCompleted`
_SAVE_EVERY_SECONDS = 60.0  # what a killed run may lose
_EVAL_COST_RATIO = 0.4  # cost of scoring a token, relative to training on it
_EARLY_EVAL_DIVISORS = (8, 4, 2)  # the first interval is evaluated early too: that is when a model learns to spell
_MAX_EVAL_FRACTION = 0.2  # of the time of a run


def train(
    options: TrainOptions, stop: StopFlag, shared: SharedResources | None = None, directory: Path | None = None
) -> Generator[TrainEvent]:
    """Train until the budget is spent, the validation loss stops improving, or `stop` is set.

    The run is saved at every evaluation, about once a minute, at its end, and when the iterator is closed. The last
    event is `TrainFinished`. An earlier model that is replaced stays until the first save.

    `shared` is what this run has in common with others; `directory`, in place of that of the model in the store, is
    where its files are.

    Raises:
        UsageError: an option is out of range, or does not fit the model or the other options.
        EmptyInputError: the corpus is shorter than one window.
        ModelFileError: the checkpoint or the model to start from is corrupt.
        LockedError: another process is training this model.
        DivergedError: a loss is not finite; the last good weights are kept.
        CancelledError: `stop` was set before the first step.
        OSError: a file cannot be written; the last checkpoint is intact.
    """
    yield SetupProgress("reading the corpus")
    directory = directory or model_dir(options.model_name(), "choose another --name")
    with DirectoryLock(directory):
        try:
            recover(directory)
            config, trainer = yield from prepare_run(options, directory, stop, shared)
            index = yield from index_dataset(config, directory, trainer.dataset, stop)
            if config.checkpoint is None:
                trainer.output_dir = create_staging(directory)
            if index is not None:
                save_index(trainer.output_dir / NOVELTY, index)
            del index  # large, and not needed during the run
            if _is_finished(trainer):
                yield _finished(trainer, "already finished")
                return
            yield _train_started(trainer)
            yield from warm_up(trainer)
            yield from _save_on_close(trainer, _train_steps(trainer, stop))
        finally:
            clean_up(directory)


def _is_finished(trainer: Trainer) -> bool:
    state = trainer.train_state
    if state.step == 0:
        return False
    if state.finish_reason is not None or _should_stop_early(state):
        return True
    total_steps = requested_steps(trainer) if state.total_steps is None else state.total_steps
    return state.seconds >= 60 * state.budget.max_minutes if total_steps is None else state.step >= total_steps


def _train_started(trainer: Trainer) -> TrainStarted:
    state, dataset = trainer.train_state, trainer.dataset
    notices = dataset.report.messages() + trainer.notices
    if dataset.val is None:
        notices.append(_no_val_message(trainer))
    if CACHE.problem is not None:
        notices.append(f"kernel cache disabled ({CACHE.problem}): kernels are recompiled on every run")
    val_tokens = dataset.val.tokens if dataset.val is not None else 0
    return TrainStarted(
        name=trainer.model_dir.name,
        path=trainer.model_dir,
        description=_describe_run(trainer, dataset),
        parameters=num_parameters(trainer.engine.sizes),
        vocab=trainer.engine.sizes.V,
        train_tokens=dataset.train.tokens,
        val_tokens=val_tokens,
        step=state.step,
        decisions=tuple(trainer.decisions),
        notices=tuple(notices),
        inputs=trainer.inputs,
        previous_evaluations=tuple(trainer.evaluations()) if state.step else (),
    )


def _no_val_message(trainer: Trainer) -> str:
    reason = "all comments are the same text or one thread"
    if trainer.train_state.hparams.val == 0:
        reason = "--val 0"
    elif trainer.dataset.train.documents == 1:
        reason = "the corpus is a single text or thread"
    return f"no validation data ({reason}): validation loss will not be reported"


def _describe_run(trainer: Trainer, dataset: Dataset) -> str:
    state, sizes = trainer.train_state, trainer.engine.sizes
    layers = f"{sizes.L} layer{'s' if sizes.L > 1 else ''} of {sizes.H:,}"
    name = f"'{trainer.model_dir.name}'"
    prefix = f"resuming {name} from step {state.step:,}" if state.step else f"training {name}"
    share = dataset.train.unknown_share
    unknown = f" ({f'{share:.2%}' if share >= 1e-4 else 'below 0.01%'} of the characters unknown)" if share else ""
    return (
        f"{prefix}: a {sizes.cell} with {layers} units on {dataset.train.tokens:,} tokens of {dataset.kind}{unknown}, "
        f"{state.budget.describe(has_val=dataset.val is not None)}"
    )


def _save_on_close(trainer: Trainer, events: Generator[TrainEvent]) -> Iterator[TrainEvent]:
    """Yield the events of a run; save it if the consumer closes the iterator."""
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
        # No event between a step and its evaluation: the consumer may close the iterator at any event.
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
                yield from _finish(trainer, "early_stopping")
                return
        elif now - last_save_at >= _SAVE_EVERY_SECONDS:
            yield CheckpointSaved(trainer.save(), state.step)
            last_save_at = time.monotonic()
        if stop.reason is not None and (state.total_steps is None or state.step < state.total_steps):
            yield CheckpointSaved(trainer.save(), state.step)
            yield TrainFinished(stop.reason, trainer.summary(), trainer.inputs)
            return
    yield from _finish(trainer, "limit")


def _should_stop_early(state: TrainState) -> bool:
    return not state.budget.is_set and state.num_bad_evals >= PATIENCE


def requested_steps(trainer: Trainer) -> int | None:
    """Return the number of steps that the budget of a run asks for, None if it has another limit or none."""
    budget = trainer.train_state.budget
    if budget.steps is None and budget.epochs is not None:
        return max(1, round(budget.epochs * trainer.loader.steps_per_epoch))
    return budget.steps


def _finish(trainer: Trainer, reason: str) -> Iterator[TrainEvent]:
    trainer.train_state.finish_reason = reason
    yield CheckpointSaved(trainer.save(), trainer.train_state.step)
    yield _finished(trainer, reason)


def _finished(trainer: Trainer, reason: str) -> TrainFinished:
    error, state = trainer.divergence(), trainer.train_state
    best_step = state.best_step if state.num_bad_evals else None
    return TrainFinished(
        "diverged" if error is not None else reason, trainer.summary(), trainer.inputs, error, best_step
    )


class _RunLength:
    """Fixes the total number of steps, from the budget or the first timed steps, and what depends on it.

    All of it is kept in the train state, and so in the checkpoint: a resumed run has the same schedule.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        state = trainer.train_state
        self._timer = StepTimer(max(0.0, 60 * state.budget.max_minutes - state.seconds))
        if state.step == 0:
            self._set_dropout(default_dropout(0.0, 0, is_adapted=state.origin is not None))
        requested = requested_steps(trainer)
        if state.total_steps is None and requested is not None:
            self._set_total_steps(requested)

    def record_step(self, step: StepResult) -> None:
        """Time a step; this may fix the total number of steps."""
        state = self._trainer.train_state
        if state.total_steps is None:
            remaining = self._timer.remaining_steps(step.seconds)
            if remaining is not None:
                self._set_total_steps(state.step + remaining)

    def _set_total_steps(self, total_steps: int) -> None:
        state = self._trainer.train_state
        state.total_steps = max(total_steps, state.step)
        tokens = state.total_steps * state.hparams.batch * state.hparams.seq
        epochs = tokens / self._trainer.dataset.train.tokens
        self._set_dropout(default_dropout(epochs, state.total_steps, is_adapted=state.origin is not None))
        if not state.eval_every_given:
            state.eval_every = max(1, -(-state.total_steps // self._num_evaluations(state.total_steps)))

    def _set_dropout(self, default: float) -> None:
        state = self._trainer.train_state
        given, given_embed = state.hparams.dropout, state.hparams.embed_dropout
        state.dropout = default if given is None else given
        state.embed_dropout = (
            default_embed_dropout(state.dropout, state.hparams.tokenizer) if given_embed is None else given_embed
        )

    def _num_evaluations(self, total_steps: int) -> int:
        return max(1, min(DEFAULT_NUM_EVALS, self._affordable_evaluations(total_steps)))

    def _affordable_evaluations(self, total_steps: int) -> int:
        val, hparams = self._trainer.dataset.val, self._trainer.train_state.hparams
        if val is None:
            return DEFAULT_NUM_EVALS + len(_EARLY_EVAL_DIVISORS)
        cost_ratio = _EVAL_COST_RATIO * val.tokens / (total_steps * hparams.batch * hparams.seq)
        return int(_MAX_EVAL_FRACTION / cost_ratio)

    def evaluation_due(self) -> bool:
        """Return True if an evaluation follows the last step."""
        state = self._trainer.train_state
        if state.eval_every is None:
            return False
        return (
            state.step in self._early_steps() or state.step == state.total_steps or state.step % state.eval_every == 0
        )

    def _early_steps(self) -> set[int]:
        """Return the steps of the early evaluations: as many, the latest first, as the other ones leave time for."""
        state = self._trainer.train_state
        if state.eval_every is None or state.total_steps is None or state.eval_every_given:
            return set()
        left = self._affordable_evaluations(state.total_steps) - -(-state.total_steps // state.eval_every)
        latest_first = _EARLY_EVAL_DIVISORS[::-1][: max(left, 0)]
        return {state.eval_every // part for part in latest_first}
