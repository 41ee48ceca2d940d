"""Everything before the first step: what may be trained under a name, the corpus, the network, the compiled kernels."""

import contextlib
import os
import queue
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grucli.engine.matmul import ONE_ORDER
from grucli.engine.network import Dropout, Network
from grucli.engine.thread_pool import Crew
from grucli.errors import ModelFileError, NothingToDoError, StoppedError, UsageError
from grucli.generation.copy_detection import MOST_FILTERS, Filter, Index, index_beside, index_text
from grucli.generation.sampler import Draw, Sampler
from grucli.kernels.jit import CACHE, on_compiling
from grucli.model.config import Sizes, parameter_count
from grucli.model.parameters import Parameters, fresh_parameters
from grucli.model.store import BEST, LAST, METRICS, NOVELTY, OPTIMIZER, PURGED, find_model
from grucli.model.weights import Card, Weights, load_weights
from grucli.paths import cache_dir
from grucli.text.dataset import Corpus, prepare
from grucli.text.tokenizers import Tokenizer, from_json
from grucli.training.checkpoint import Checkpoint, Position, load_checkpoint
from grucli.training.events import Compiled, Compiling, Preparing
from grucli.training.optimizers import AdamW
from grucli.training.options import Limit, Plan, Recipe, differences, limit_of, recipe_of
from grucli.training.signals import StopFlag
from grucli.training.trainer import Run

_FILES = (BEST, LAST, OPTIMIZER, METRICS, NOVELTY, PURGED)


@dataclass(frozen=True)
class Intent:
    """What a plan comes to, given what is there: a recipe, and the checkpoint or the model to begin from."""

    recipe: Recipe
    limit: Limit
    checkpoint: Checkpoint | None
    origin: Weights | None

    @property
    def tokenizer(self) -> Tokenizer | str:
        """The tokenizer that the checkpoint or the model to start from has, or the kind to learn."""
        if self.checkpoint is not None:
            return from_json(self.checkpoint.position.tokenizer)
        return self.origin.tokenizer if self.origin is not None else self.recipe.tokenizer


def intent_of(plan: Plan, folder: Path) -> Intent:
    """Hold the plan against what is in `folder`.

    Raises:
        UsageError: the model exists, or the plan does not fit the run it should go on with or the model it starts from.
        ModelFileError: one of them is damaged.
    """
    recipe, limit = recipe_of(plan), limit_of(plan)
    there = _is_saved(folder)
    if there and not (plan.resume or plan.force):
        raise UsageError(
            f"a model called '{folder.name}' exists", "go on with --resume, begin anew with --force, or choose a --name"
        )
    if plan.resume and (folder / OPTIMIZER).exists():
        return _resumed(plan, limit, load_checkpoint(folder / OPTIMIZER), folder.name)
    if plan.resume and there:
        raise UsageError(
            f"'{folder.name}' has weights but no checkpoint",
            f"adapt it under another name: --from {folder.name} --name {folder.name[:60]}-2",
        )
    if plan.start_from is None:
        return Intent(recipe, limit, None, None)
    origin = load_weights(find_model(plan.start_from))
    return Intent(_adapted(plan, recipe, origin), limit, None, origin)


def _resumed(plan: Plan, limit: Limit, checkpoint: Checkpoint, name: str) -> Intent:
    position = checkpoint.position
    if changed := differences(plan, position.recipe):
        raise UsageError(f"'{name}' was not trained with {', '.join(changed)}", "leave that out, or begin with --force")
    return Intent(position.recipe, limit if limit.given else position.limit, checkpoint, None)


def _adapted(plan: Plan, recipe: Recipe, origin: Weights) -> Recipe:
    sizes = origin.sizes
    fixed = {
        "cell": sizes.cell,
        "hidden": sizes.H,
        "layers": sizes.L,
        "embed": sizes.E,
        "tokenizer": origin.tokenizer.kind,
        "vocab": sizes.V,
    }
    changed = [
        f"--{flag} {getattr(plan, flag)} (it has {value})"
        for flag, value in fixed.items()
        if getattr(plan, flag) not in (None, value)
    ]
    if changed:
        raise UsageError(f"the model '{plan.start_from}' cannot take {', '.join(changed)}", "leave that out")
    return Recipe(**{field: getattr(recipe, field) for field in Recipe.__struct_fields__} | fixed)


def read_corpus(plan: Plan, intent: Intent, stop: StopFlag) -> Generator[Preparing, None, Corpus]:
    """Prepare the corpus in a thread of its own, and tell how far it is: again and again, so that it shows what lasts.

    Raises:
        StoppedError: the user asked for an end meanwhile.
        GruError: as `grucli.text.dataset.prepare`.
    """
    news: queue.Queue[Preparing] = queue.Queue()

    def progress(stage: str, done: int, total: int | None) -> None:
        if stop.reason is not None:
            raise StoppedError(stop.reason)
        news.put(Preparing(stage, done, total))

    recipe = intent.recipe
    with ThreadPoolExecutor(1, "gru-corpus") as pool:
        future = pool.submit(
            prepare,
            plan.sources,
            column=plan.column,
            tokenizer=intent.tokenizer,
            vocab=recipe.vocab,
            held_out=recipe.val if plan.val_file is None else 0.0,
            held_out_file=plan.val_file,
            cache=cache_dir(),
            on_progress=progress,
        )
        latest: Preparing | None = None
        while not future.done():
            with contextlib.suppress(queue.Empty):
                latest = news.get(timeout=0.05)
            if latest is not None:
                yield latest
        return future.result()


def index_corpus(
    plan: Plan, intent: Intent, folder: Path, corpus: Corpus, stop: StopFlag
) -> Generator[Preparing, None, Index | None]:
    """Index the text to train on, so that copies of it can be told, or see that a run to go on with has an index.

    Returns:
        The index, to be saved where the run is, or None where it is there already.

    Raises:
        StoppedError: the user asked for an end meanwhile.
    """
    if intent.checkpoint is not None and _beside(folder / LAST, corpus.fingerprint) is not None:
        return None
    inherited, whole = _inherited(plan, intent)
    reading, itemsize = index_text(corpus.train, corpus.tokenizer), corpus.train.ids.itemsize
    while True:
        if stop.reason is not None:
            raise StoppedError(stop.reason)
        try:
            done = next(reading)
        except StopIteration as end:
            filters = (end.value, *inherited)
            return Index(corpus.fingerprint, filters[:MOST_FILTERS], whole and len(filters) <= MOST_FILTERS)
        yield Preparing("indexing the text", itemsize * done, itemsize * corpus.train.tokens)


def _inherited(plan: Plan, intent: Intent) -> tuple[tuple[Filter, ...], bool]:
    """What knows the text that a model learnt from before it learns from this one, and whether that is all of it."""
    if intent.origin is None:
        return (), intent.checkpoint is None  # what a run that is gone on with began from is not known
    index = _beside(find_model(plan.start_from), intent.origin.card.fingerprint)
    return ((), False) if index is None else (index.filters, index.whole)


def _beside(weights: Path, fingerprint: str) -> Index | None:
    try:
        return index_beside(weights, fingerprint)
    except (UsageError, ModelFileError):
        return None


def build(intent: Intent, plan: Plan, folder: Path, corpus: Corpus, crew: Crew) -> Run:
    """The run, at its first step or where its checkpoint left it.

    Raises:
        UsageError: the corpus is another one than the checkpoint's.
        NothingToDoError: it is shorter than one window.
    """
    recipe, tokenizer = intent.recipe, corpus.tokenizer
    sizes = Sizes(recipe.cell, tokenizer.size, recipe.embed, recipe.hidden, recipe.layers)
    _check_memory(sizes, recipe)
    _check_length(corpus, recipe, plan)
    if intent.checkpoint is not None:
        position = intent.checkpoint.position
        if position.corpus != _identity(corpus):
            raise UsageError(
                f"'{folder.name}' was trained on another corpus, or on another part of it",
                "name the same files, --column and --val-file, or adapt the model with --from",
            )
        if intent.limit != position.limit:
            position.limit, position.horizon, position.finished = intent.limit, None, None
        run = Run(folder, corpus, Parameters(sizes), position, crew)
        run.restore(intent.checkpoint)
    else:
        parameters = fresh_parameters(sizes, recipe.seed)
        if intent.origin is not None:
            parameters.load(intent.origin.arrays)
        position = Position(
            recipe=recipe,
            limit=intent.limit,
            corpus=_identity(corpus),
            tokenizer=tokenizer.to_json(),
        )
        run = Run(folder, corpus, parameters, position, crew)
    if not ONE_ORDER and run.position.step > 0 and run.position.threads != crew.threads:
        run.notes.append(
            f"begun with {run.position.threads} threads: with {crew.threads}, sums differ in their last bits"
        )
    run.position.threads = crew.threads
    if plan.eval_every is not None:
        run.position.eval_every, run.position.eval_given = plan.eval_every, True
    return run


def _check_length(corpus: Corpus, recipe: Recipe, plan: Plan) -> None:
    """Refuse a corpus that does not fill a window, with what made it so short.

    Raises:
        NothingToDoError: it does not.
    """
    there, needed = corpus.train.tokens, recipe.seq + 1
    if there >= needed:
        return
    held_out = corpus.held_out.tokens if corpus.held_out is not None and plan.val_file is None else 0
    why = [f"{held_out:,} more are held out"] * (held_out > 0) + corpus.report.notes()
    todo = "train on more text, or choose a shorter --seq"
    if there + held_out >= needed:
        todo = f"hold out less than --val {recipe.val:g}, or train on more text"
    raise NothingToDoError(
        f"the corpus has {there:,} tokens to train on, fewer than one window of {needed:,}"
        + (f" ({'; '.join(why)})" if why else ""),
        todo,
    )


def _check_memory(sizes: Sizes, recipe: Recipe) -> None:
    """Refuse what this machine cannot hold, before it begins to swap.

    Raises:
        UsageError: the arrays of such a run are larger than the machine's memory.
    """
    if not hasattr(os, "sysconf"):
        return
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    kept = 4 * parameter_count(sizes)  # parameters, gradients, two moments
    window = recipe.batch * recipe.seq * (8 * sizes.L * sizes.H + 2 * sizes.E + sizes.V)
    needed = 4 * (kept + window)
    if needed > there:
        raise UsageError(
            f"this run would take {needed / 1e9:,.0f} GB of memory, and there are {there / 1e9:,.0f}",
            "choose a smaller --hidden, --layers, --vocab, --batch or --seq",
        )


def _identity(corpus: Corpus) -> tuple[str, int, int]:
    held_out = corpus.held_out.tokens if corpus.held_out is not None else 0
    return corpus.fingerprint, corpus.train.tokens, held_out


def clear(folder: Path) -> None:
    """Remove what an earlier model left, for a run that begins anew."""
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Remove a folder in which nothing was saved."""
    if not _is_saved(folder):
        clear(folder)
        (folder / "lock").unlink(missing_ok=True)
        folder.rmdir()


def _is_saved(folder: Path) -> bool:
    """Whether there is a model; the notes on a run that was stopped before its first save are none."""
    return any((folder / name).exists() for name in (BEST, LAST, OPTIMIZER))


def warm_up(run: Run) -> Iterator[Compiling | Compiled]:
    """Have every kernel of a step, an evaluation and a sample compiled, or loaded from the cache, on a tiny network."""
    began, compiling, told = time.perf_counter(), threading.Event(), False
    with on_compiling(compiling.set), ThreadPoolExecutor(1, "gru-kernels") as pool:
        future = pool.submit(_use_every_kernel, run)
        while not future.done():
            wait([future], timeout=0.05)
            if compiling.is_set() and not told:
                told = True
                yield Compiling(kept=CACHE.folder is not None)
        future.result()
    yield Compiled(time.perf_counter() - began, cached=not compiling.is_set())


def _use_every_kernel(run: Run) -> None:
    sizes = Sizes(run.parameters.sizes.cell, run.corpus.tokenizer.size, 1, 1, 1)
    crew = Crew(1)
    parameters, gradients = fresh_parameters(sizes, 0), Parameters(sizes)
    network = Network(parameters, 1, 1, crew)
    ids, resets, state = np.zeros((1, 1), np.int32), np.zeros((1, 1), np.bool_), network.zero_state()
    dropout = Dropout(0.5, 1)
    network.forward(ids, resets, state, dropout)
    network.loss(ids, np.ones((1, 1), np.float32))
    network.backward(ids, ids, resets, gradients, dropout)
    AdamW(parameters, crew).step(0, gradients, 0.0)
    sampler = Sampler(Weights(sizes, run.corpus.tokenizer, parameters.views, Card()), threads=1)
    list(sampler.stream(sampler.begin(), Draw(max_chars=1)))
