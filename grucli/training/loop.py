"""The loop of training: it yields events and never prints, so that piped, tested and drawn runs are the same run."""

import time
from collections.abc import Generator, Iterator

from grucli.engine.thread_pool import Crew
from grucli.files import FolderLock
from grucli.generation.copy_detection import save_index
from grucli.kernels.jit import CACHE
from grucli.model.config import parameter_count
from grucli.model.store import NOVELTY, model_folder
from grucli.text.dataset import Corpus
from grucli.training.checkpoint import Position
from grucli.training.events import Evaluated, Event, Finished, Preparing, Saved, Started
from grucli.training.options import EVALUATIONS, MOST_MINUTES, PATIENCE, Limit, Plan
from grucli.training.schedule import LEAST_DROPOUT, Stopwatch, dropout_for
from grucli.training.setup_run import build, clear, index_corpus, intent_of, read_corpus, tidy, warm_up
from grucli.training.signals import StopFlag
from grucli.training.trainer import Run, Step

_EVENT_EVERY = 0.1  # seconds between two `Stepped`
_SAVE_EVERY = 60.0  # seconds of training that a killed run may lose
_FORWARD_SHARE = 0.4  # what scoring a token costs, as a share of training on it
_EARLY = (8, 4, 2)  # parts of the first interval after which to look already: that is when it learns to spell
_MOST_SHARE = 0.2  # of a run's time that may go into evaluations


def train(plan: Plan, stop: StopFlag) -> Generator[Event]:
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
    yield Preparing("reading the corpus")
    folder = model_folder(plan.model_name())
    intent = intent_of(plan, folder)
    with FolderLock(folder):
        try:
            corpus = yield from read_corpus(plan, intent, stop)
            run = build(intent, plan, folder, corpus, Crew(plan.threads))
            index = yield from index_corpus(plan, intent, folder, corpus, stop)
            if index is not None and intent.checkpoint is not None:
                save_index(folder / NOVELTY, index)
            if _is_over(run):
                yield Finished("already finished", run.summary())
                return
            yield _started(run)
            yield from warm_up(run)
            if index is not None and intent.checkpoint is None:
                clear(folder)
                save_index(folder / NOVELTY, index)
            del index  # it may be large, and a run is long
            yield from _kept(run, _steps(run, stop))
        finally:
            tidy(folder)


def _is_over(run: Run) -> bool:
    """Whether a run that is gone on with has nothing left to do."""
    at = run.position
    if at.step == 0:
        return False
    if at.finished is not None or _has_settled(at):
        return True
    horizon = _steps_asked_for(run) if at.horizon is None else at.horizon
    return at.seconds >= _most_seconds(at.limit) if horizon is None else at.step >= horizon


def _started(run: Run) -> Started:
    at, corpus = run.position, run.corpus
    notes = corpus.report.notes() + run.notes
    if corpus.held_out is None:
        notes.append(_why_nothing_is_held_out(run))
    if CACHE.problem is not None:
        notes.append(f"kernels are compiled anew each time: {CACHE.problem}")
    held_out = corpus.held_out.tokens if corpus.held_out is not None else 0
    return Started(
        name=run.folder.name,
        path=run.folder,
        plan=_sentence(run, corpus),
        parameters=parameter_count(run.parameters.sizes),
        vocab=run.parameters.sizes.V,
        train_tokens=corpus.train.tokens,
        held_out_tokens=held_out,
        step=at.step,
        notes=tuple(notes),
        earlier=tuple(run.evaluations()) if at.step else (),
    )


def _why_nothing_is_held_out(run: Run) -> str:
    asked = run.position.recipe.val == 0
    why = "as --val 0 asks" if asked else "because there is only one text, or one thread, to train on"
    return f"nothing is held out, {why}: nobody will know how the model does on text it has not seen"


def _sentence(run: Run, corpus: Corpus) -> str:
    at, sizes = run.position, run.parameters.sizes
    layers = f"{sizes.L} layer{'s' if sizes.L > 1 else ''} of {sizes.H}"
    name = f"'{run.folder.name}'"
    begin = f"going on with {name} from step {at.step:,}" if at.step else f"training {name}"
    kind = "conversations" if corpus.conversations else "running text" if corpus.running_text else "comments"
    return (
        f"{begin}: a {sizes.cell} with {layers} units on {corpus.train.tokens:,} tokens of {kind}, "
        f"{at.limit.words(measured=corpus.held_out is not None)}"
    )


def _kept(run: Run, events: Generator[Event]) -> Iterator[Event]:
    """The events of a run, which is saved if whoever takes them goes away: each leaves it where it can be gone on."""
    saved = run.position.step
    try:
        for event in events:
            if isinstance(event, Evaluated | Saved):
                saved = event.step
            yield event
    except GeneratorExit:
        if run.position.step > saved:
            run.save()
        raise


def _steps(run: Run, stop: StopFlag) -> Generator[Event]:
    at, pace = run.position, _Pace(run)
    recent: list[Step] = []
    shown = saved = time.monotonic()
    while at.horizon is None or at.step < at.horizon:
        recent.append(run.step())
        pace.note(recent[-1])
        # No event comes between a step and its evaluation, because a run may be left for good at any event.
        seen = run.evaluate() if pace.evaluation_due() else None
        now = time.monotonic()
        if seen is not None or now - shown >= _EVENT_EVERY:
            yield run.stepped(recent)
            recent, shown = [], now
        if seen is not None:
            yield seen
            yield Saved(run.folder, at.step)
            saved = shown = time.monotonic()
            if _has_settled(at):
                yield from _finish(run, "settled")
                return
        elif now - saved >= _SAVE_EVERY:
            yield Saved(run.save(), at.step)
            saved = time.monotonic()
        if stop.reason is not None and (at.horizon is None or at.step < at.horizon):
            yield Saved(run.save(), at.step)
            yield Finished(stop.reason, run.summary())
            return
    yield from _finish(run, "limit")


def _has_settled(at: Position) -> bool:
    return not at.limit.given and at.settling >= PATIENCE


def _most_seconds(limit: Limit) -> float:
    return 60.0 * (MOST_MINUTES if limit.minutes is None else limit.minutes)


def _steps_asked_for(run: Run) -> int | None:
    """The steps that a limit of steps or epochs comes to, or None where there is no such limit."""
    limit = run.position.limit
    if limit.steps is None and limit.epochs is not None:
        return max(1, round(limit.epochs * run.batches.steps_per_epoch))
    return limit.steps


def _finish(run: Run, reason: str) -> Iterator[Event]:
    run.position.finished = reason
    yield Saved(run.save(), run.position.step)
    yield Finished(reason, run.summary())


class _Pace:
    """Fixes the horizon, from the limit or from the first measured steps, and all that follows from it.

    They go into the position, and so into the checkpoint: a resumed run keeps them.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        at = run.position
        self._stopwatch = Stopwatch(max(0.0, _most_seconds(at.limit) - at.seconds))
        if at.step == 0:
            at.dropout = LEAST_DROPOUT if at.recipe.dropout is None else at.recipe.dropout
        asked = _steps_asked_for(run)
        if at.horizon is None and asked is not None:
            self._fix(asked)

    def note(self, step: Step) -> None:
        """A step was made."""
        at = self._run.position
        if at.horizon is None:
            more = self._stopwatch.more_steps(step.seconds)
            if more is not None:
                self._fix(at.step + more)

    def _fix(self, horizon: int) -> None:
        at = self._run.position
        at.horizon = max(horizon, at.step)
        if at.recipe.dropout is None:
            tokens = at.horizon * at.recipe.batch * at.recipe.seq
            at.dropout = dropout_for(tokens / self._run.corpus.train.tokens)
        if not at.eval_given:
            at.eval_every = max(1, -(-at.horizon // self._evaluations(at.horizon)))

    def _evaluations(self, horizon: int) -> int:
        """How many evaluations such a run can afford: a fifth of its time at most, and one in any case."""
        held_out, recipe = self._run.corpus.held_out, self._run.position.recipe
        if held_out is None:
            return EVALUATIONS
        share = _FORWARD_SHARE * held_out.tokens / (horizon * recipe.batch * recipe.seq)
        return max(1, min(EVALUATIONS, int(_MOST_SHARE / share)))

    def evaluation_due(self) -> bool:
        """Whether the step just made is to be followed by an evaluation."""
        at = self._run.position
        if at.eval_every is None:
            return False
        early = not at.eval_given and at.step in {at.eval_every // part for part in _EARLY}
        return early or at.step == at.horizon or at.step % at.eval_every == 0
