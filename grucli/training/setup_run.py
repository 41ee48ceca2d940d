"""Setup of a run before its first step: options, corpus, copy index, network, compiled kernels."""

import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from grucli.engine.cpu import CpuEngine
from grucli.engine.matmul import THREAD_COUNT_INVARIANT
from grucli.engine.protocol import DropoutMask, Engine
from grucli.engine.thread_pool import ThreadPool
from grucli.errors import CancelledError, EmptyInputError, ModelFileError, UsageError
from grucli.generation.copy_detection import MAX_FILTERS, BloomFilter, CopyIndex, build_index, load_index_for
from grucli.generation.options import GenerationConfig
from grucli.generation.sampler import Sampler
from grucli.kernels.jit import CACHE, notify_on_compile
from grucli.limits import memory_bytes
from grucli.model import packaged
from grucli.model.cells import CELLS
from grucli.model.config import ModelConfig, num_parameters
from grucli.model.parameters import Parameters, init_parameters
from grucli.model.store import LAST, NOTHING, OPTIMIZER
from grucli.model.vocabulary import extend_vocabulary
from grucli.model.weights import ModelCard, SavedModel
from grucli.paths import cache_dir
from grucli.text.dataset import Dataset, prepare_dataset
from grucli.text.loader import EvalBatch, TrainBatch
from grucli.text.tokenizers import Tokenizer, from_json
from grucli.text.tokenizers.char import COVERAGE, DEFAULT_VOCAB
from grucli.text.unknown_characters import check_unknown_share, unknown_share_warning
from grucli.training import recipe
from grucli.training.adaptation import Base, choose_base, describe_choice
from grucli.training.checkpoint import Checkpoint, TrainState, adaptation_hint, load_checkpoint
from grucli.training.estimates import describe_estimate
from grucli.training.events import Compiled, Compiling, SetupProgress
from grucli.training.optimizers import OPTIMIZERS
from grucli.training.options import (
    Budget,
    Hyperparameters,
    TrainOptions,
    budget_from,
    changed_options,
    check_exclusive,
    given_hparams,
)
from grucli.training.signals import StopFlag
from grucli.training.staging import has_model
from grucli.training.trainer import Trainer


@dataclass(frozen=True)
class RunConfig:
    """The checkpoint or the base model that a run starts from, and its budget.

    `decisions`: what was chosen, in lines.
    """

    budget: Budget
    checkpoint: Checkpoint | None = None
    base: Base | None = None
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True)
class SharedResources:
    """What several runs of one process share: the corpus and the threads."""

    dataset: Dataset
    pool: ThreadPool


def prepare_run(
    options: TrainOptions, model_dir: Path, stop: StopFlag, shared: SharedResources | None = None
) -> Generator[SetupProgress, None, tuple[RunConfig, Trainer]]:
    """Prepare everything but the copy index; yield the progress, and return what the run starts from and its trainer.

    `shared` None reads the corpus and starts the threads for this run alone.

    Raises:
        UsageError: the model exists, an option conflicts with the checkpoint, the base model or the corpus, or the run
            does not fit in memory.
        EmptyInputError: the corpus is shorter than one window.
        ModelFileError: the checkpoint or the base model is corrupt, or does not fit the engine.
        CancelledError: `stop` was set.
        GruError: as `prepare_dataset`.
    """
    config = _resolve_run(options, model_dir)
    if shared is None:
        shared = SharedResources((yield from load_dataset(options, config, stop)), ThreadPool(options.threads))
    config, hparams = choose_hparams(config, options, shared.dataset)
    return config, build_trainer(config, hparams, options, model_dir, shared)


def _resolve_run(options: TrainOptions, model_dir: Path) -> RunConfig:
    """Resolve the options against the files in `model_dir`.

    Raises:
        UsageError: the model exists, or an option conflicts with the checkpoint or the base model.
        ModelFileError: the checkpoint or the base model is corrupt.
    """
    check_exclusive(options)
    budget = budget_from(options)
    exists = has_model(model_dir)
    if exists and not (options.resume or options.force):
        raise UsageError(
            f"model '{model_dir.name}' already exists",
            "use --resume, --force or another --name",
        )
    if options.resume and (model_dir / OPTIMIZER).exists():
        return _resume_config(options, budget, load_checkpoint(model_dir / OPTIMIZER), model_dir.name)
    if options.resume and exists:
        raise UsageError(f"'{model_dir.name}' has weights but no checkpoint", adaptation_hint(model_dir.name))
    base, decision = choose_base(options)
    return RunConfig(budget, base=base, decisions=(decision,) if decision is not None else ())


def _resume_config(options: TrainOptions, budget: Budget, checkpoint: Checkpoint, name: str) -> RunConfig:
    state = checkpoint.train_state
    if changed := changed_options(options, state.hparams):
        raise UsageError(
            f"'{name}' was not trained with {', '.join(changed)}", "remove the option, or start again with --force"
        )
    return RunConfig(budget if budget.is_set else state.budget, checkpoint)


def choose_hparams(config: RunConfig, options: TrainOptions, dataset: Dataset) -> tuple[RunConfig, Hyperparameters]:
    """Return the hyperparameters, and the configuration once the text is known: it decides whether a base is used."""
    if config.checkpoint is not None:
        return config, config.checkpoint.train_state.hparams
    base, decisions = config.base, list(config.decisions)
    conditions = recipe.conditions_of(dataset, config.budget)
    if base is not None and (fit := dataset.base_fit) is not None:
        decisions.append(describe_choice(base, fit, dataset.tokenizer.vocab_size, dataset.kind))
        base = base if fit.fits else None
    given = given_hparams(options)
    chosen = recipe.choose(conditions, given) if base is None else base.hparams() | given
    hparams = Hyperparameters(**chosen | {"tokenizer": dataset.tokenizer.kind})
    is_timed = config.budget.is_timed
    decisions.append(recipe.describe(hparams, conditions if base is None else None, is_timed=is_timed))
    is_usual = (base is None or base.name == packaged.NAME) and is_timed and given.keys() <= {"seed", "val"}
    if is_usual and (estimate := describe_estimate(conditions, is_adapted=base is not None)) is not None:
        decisions.append(estimate)
    return replace(config, base=base, decisions=tuple(decisions)), hparams


def load_dataset(options: TrainOptions, config: RunConfig, stop: StopFlag) -> Generator[SetupProgress, None, Dataset]:
    """Prepare the corpus in a thread; yield the latest progress several times per second; return the dataset.

    Raises:
        CancelledError: `stop` was set.
        GruError: as `prepare_dataset`.
    """
    latest: SetupProgress | None = None

    def on_progress(stage: str, done: int, total: int | None) -> None:
        nonlocal latest
        if stop.reason is not None:
            raise CancelledError(stop.reason)
        latest = SetupProgress(stage, done, total)

    tokenizer: Tokenizer | str | None = options.tokenizer
    vocab, val_fraction = options.vocab, Hyperparameters.val if options.val is None else options.val
    if config.checkpoint is not None:
        state = config.checkpoint.train_state
        tokenizer, vocab, val_fraction = from_json(state.tokenizer), state.hparams.vocab, state.hparams.val
    with ThreadPoolExecutor(1, "gru-corpus") as pool:
        future = pool.submit(
            prepare_dataset,
            options.sources,
            read=options.read,
            tokenizer=tokenizer,
            vocab=vocab,
            val_fraction=val_fraction if options.val_file is None else 0.0,
            val_file=options.val_file,
            cache_dir=cache_dir(),
            on_progress=on_progress,
            base=config.base.base_tokenizer if config.base is not None else None,
        )
        for _ in _poll(future):
            if latest is not None:
                yield latest
        return future.result()


def _poll(future: Future[Any]) -> Iterator[None]:
    while not future.done():
        wait([future], timeout=0.05)
        yield


def index_dataset(
    config: RunConfig, model_dir: Path, dataset: Dataset, stop: StopFlag
) -> Generator[SetupProgress, None, CopyIndex | None]:
    """Index the training text for the detection of copies.

    Returns:
        The index, which the caller saves, or None if a resumed run has one already.

    Raises:
        CancelledError: `stop` was set.
    """
    if config.checkpoint is not None and _load_index(model_dir / LAST, dataset.fingerprint) is not None:
        return None
    inherited, complete = _inherited_filters(config)
    indexing, itemsize = build_index(dataset.train, dataset.tokenizer), dataset.train.ids.itemsize
    while True:
        if stop.reason is not None:
            raise CancelledError(stop.reason)
        try:
            done = next(indexing)
        except StopIteration as end:
            filters = (end.value, *inherited)
            return CopyIndex(dataset.fingerprint, filters[:MAX_FILTERS], complete and len(filters) <= MAX_FILTERS)
        yield SetupProgress("indexing the text", itemsize * done, itemsize * dataset.train.tokens)


def _inherited_filters(config: RunConfig) -> tuple[tuple[BloomFilter, ...], bool]:
    """Return the filters of the text that the base model was trained on, and whether they are complete."""
    if config.checkpoint is not None:
        return (), config.checkpoint.train_state.origin is None
    if config.base is None:
        return (), True
    index = _load_index(config.base.path, config.base.model.card.fingerprint)
    return ((), False) if index is None else (index.filters, index.complete)


def _load_index(weights_path: Path, fingerprint: str) -> CopyIndex | None:
    try:
        return load_index_for(weights_path, fingerprint)
    except (UsageError, ModelFileError):
        return None


def build_trainer(
    config: RunConfig, hparams: Hyperparameters, options: TrainOptions, model_dir: Path, shared: SharedResources
) -> Trainer:
    """Return the trainer, at its first step or at its checkpoint.

    Raises:
        UsageError: the corpus differs from that of the checkpoint, most of its characters are unknown, or the run does
            not fit in memory.
        EmptyInputError: the corpus is shorter than one window.
        ModelFileError: the checkpoint does not fit the engine.
    """
    dataset, pool = shared.dataset, shared.pool
    vocab = dataset.tokenizer.vocab_size
    sizes = ModelConfig(hparams.cell, vocab, hparams.embed, hparams.hidden, hparams.layers, hparams.tied)
    check_memory(training_bytes(sizes, hparams))
    check_length(dataset, hparams, options)
    if config.checkpoint is not None:
        state = _resumed_state(config.checkpoint.train_state, config.budget, model_dir.name, dataset)
        trainer = Trainer(model_dir, dataset, create_engine(Parameters(sizes), hparams, pool), state)
        trainer.restore(config.checkpoint)
    else:
        _check_vocabulary(options, dataset)
        state = TrainState(
            hparams=hparams,
            budget=config.budget,
            dataset_id=dataset_id(dataset),
            tokenizer=dataset.tokenizer.to_json(),
            origin=config.base.origin() if config.base is not None else None,
        )
        parameters = _initial_parameters(sizes, hparams.seed, config.base, dataset)
        trainer = Trainer(model_dir, dataset, create_engine(parameters, hparams, pool), state)
        if config.base is not None:  # what only its owner may read stays so
            trainer.file_mode &= config.base.path.stat().st_mode
    trainer.decisions += config.decisions
    trainer.notices += _vocabulary_notices(config, options, dataset)
    if not THREAD_COUNT_INVARIANT and trainer.train_state.step > 0 and trainer.train_state.threads != pool.threads:
        trainer.notices.append(
            f"started with {trainer.train_state.threads} threads; with {pool.threads}, the last bits differ"
        )
    trainer.train_state.threads = pool.threads
    if options.eval_every is not None:
        trainer.train_state.eval_every, trainer.train_state.eval_every_given = options.eval_every, True
    return trainer


def _resumed_state(state: TrainState, budget: Budget, name: str, dataset: Dataset) -> TrainState:
    if state.dataset_id != dataset_id(dataset):
        raise UsageError(
            f"'{name}' was trained on another corpus or another part of it",
            "use the same files and --val-file, read the same way, or adapt the model with --from",
        )
    if budget == state.budget:
        return state
    return msgspec.structs.replace(state, budget=budget, total_steps=None, finish_reason=None)


def _initial_parameters(sizes: ModelConfig, seed: int, base: Base | None, dataset: Dataset) -> Parameters:
    parameters = init_parameters(sizes, seed)
    if base is not None:
        counts = dataset.train.token_counts()
        parameters.load(extend_vocabulary(base.model, dataset.tokenizer, counts).arrays)
    return parameters


def create_engine(parameters: Parameters, hparams: Hyperparameters, pool: ThreadPool) -> Engine:
    """Return the engine that trains `parameters` on this machine."""
    optimizer = OPTIMIZERS[hparams.optimizer]
    return CpuEngine(parameters, hparams.seq, hparams.batch, pool, optimizer, hparams.weight_decay)


def check_length(dataset: Dataset, hparams: Hyperparameters, options: TrainOptions) -> None:
    """Check that there is a window to train on.

    Raises:
        EmptyInputError: the corpus is shorter.
    """
    available, needed = dataset.train.tokens, hparams.seq + 1
    if available >= needed:
        return
    val_tokens = dataset.val.tokens if dataset.val is not None and options.val_file is None else 0
    reasons = [f"{val_tokens:,} more are validation data"] * (val_tokens > 0) + dataset.report.messages()
    hint = "use more text or a smaller --seq"
    if available + val_tokens >= needed:
        hint = f"use more text or a smaller fraction than --val {hparams.val:g}"
    raise EmptyInputError(
        f"the corpus has {available:,} tokens to train on, less than one window of {needed:,}"
        + (f" ({'; '.join(reasons)})" if reasons else ""),
        hint,
    )


def _check_vocabulary(options: TrainOptions, dataset: Dataset) -> None:
    hint = "use a larger --vocab, or --tokenizer subword"
    if options.start_from not in (None, NOTHING):
        hint = "train without --from, or use text like that of the model"
    check_unknown_share(dataset.train, "the corpus", "the tokenizer", hint)
    if dataset.val is not None and options.val_file is not None:
        hint = "use a --val-file like the corpus, or --tokenizer subword"
        check_unknown_share(dataset.val, f"'{options.val_file}'", "the corpus", hint)


def _vocabulary_notices(config: RunConfig, options: TrainOptions, dataset: Dataset) -> Iterator[str]:
    """Yield what was decided about the vocabulary, and a warning if it does not know the text."""
    tokenizer = dataset.tokenizer
    is_sized_by_text = config.checkpoint is None and config.base is None and options.vocab is None
    if is_sized_by_text and tokenizer.kind == "char" and tokenizer.vocab_size > DEFAULT_VOCAB:
        yield f"the vocabulary has {tokenizer.vocab_size:,} characters, to know {COVERAGE:.1%} of the text"
    if (warning := unknown_share_warning(dataset.train)) is not None:
        how = "without --from" if config.base is not None else "with a larger --vocab, or with --tokenizer subword,"
        yield f"{warning}: train {how} to learn them"


def training_bytes(sizes: ModelConfig, hparams: Hyperparameters) -> int:
    """Return the bytes that training a network of these sizes takes, about."""
    persistent_floats = 4 * num_parameters(sizes)  # parameters, gradients, two moments
    layers = sizes.L * CELLS[sizes.cell].floats_per_token(sizes.H) + 2 * sizes.H
    window_floats = hparams.batch * hparams.seq * (layers + 2 * sizes.E + sizes.V)
    return 4 * (persistent_floats + window_floats)


def check_memory(needed_bytes: int) -> None:
    """Check that this process may use so much memory.

    Raises:
        UsageError: it may not.
    """
    available_bytes = memory_bytes()
    if available_bytes is not None and needed_bytes > available_bytes:
        raise UsageError(
            f"not enough memory: needs {needed_bytes / 1e9:,.1f} GB, {available_bytes / 1e9:,.1f} GB available",
            "use a smaller --hidden, --layers, --vocab, --batch or --seq",
        )


def dataset_id(dataset: Dataset) -> tuple[str, int, int]:
    """Return what tells the corpus and its split from another one: see `TrainState`."""
    val_tokens = dataset.val.tokens if dataset.val is not None else 0
    return dataset.fingerprint, dataset.train.tokens, val_tokens


def warm_up(trainer: Trainer) -> Iterator[Compiling | Compiled]:
    """Compile every kernel of a step, an evaluation and a sample, or load it from the cache, on a tiny network."""
    started_at, compiling, reported = time.perf_counter(), threading.Event(), False
    with notify_on_compile(compiling.set), ThreadPoolExecutor(1, "gru-kernels") as pool:
        future = pool.submit(_run_all_kernels, trainer)
        for _ in _poll(future):
            if compiling.is_set() and not reported:
                reported = True
                yield Compiling(cached_for_next_run=CACHE.directory is not None)
        future.result()
    yield Compiled(time.perf_counter() - started_at, cached=not compiling.is_set())


def _run_all_kernels(trainer: Trainer) -> None:
    sizes = replace(trainer.engine.sizes, E=1, H=1, L=1)
    parameters, hparams = init_parameters(sizes, 0), replace(trainer.train_state.hparams, seq=1, batch=1)
    engine = create_engine(parameters, hparams, ThreadPool(1))
    ids, resets, loss_mask = np.zeros((1, 1), np.int32), np.zeros((1, 1), np.bool_), np.ones((1, 1), np.float32)
    engine.step(0, TrainBatch(ids, ids, resets, is_epoch_start=True), DropoutMask(0.5, 0.5, 1), 0.0)
    engine.score(EvalBatch(ids, ids, resets, loss_mask, is_epoch_start=True))
    sampler = Sampler(SavedModel(sizes, trainer.dataset.tokenizer, parameters.views, ModelCard()), threads=1)
    list(sampler.stream(sampler.initial_state(), GenerationConfig(max_chars=1)))
