"""A comparison of cells, from its options to its result. It yields events and never prints."""

import shutil
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from grucli.comparison.events import (
    CompareEvent,
    ComparisonFinished,
    ComparisonStarted,
    PhaseStarted,
    RateChosen,
    RunDiverged,
)
from grucli.comparison.options import CompareOptions
from grucli.comparison.plan import (
    PLAN,
    SUITE,
    SWEEP,
    CellPlan,
    Plan,
    asked_cells,
    asked_seeds,
    check_same,
    comparison_dir,
    existing_runs,
    load_plan,
    run_dir,
    runs_of,
    save_plan,
    saved_at,
    sweep_dir,
    sweep_runs,
)
from grucli.comparison.result import make_result, read_evaluations
from grucli.comparison.runner import run_interleaved
from grucli.comparison.sizes import match_cells
from grucli.comparison.speed import measure_steps
from grucli.engine.thread_pool import ThreadPool
from grucli.errors import DivergedError, EmptyInputError, UsageError, pluralize
from grucli.files import DirectoryLock
from grucli.model.config import ModelConfig, num_parameters
from grucli.model.store import read_metrics
from grucli.text.dataset import Dataset
from grucli.training.events import SetupProgress, TrainFinished
from grucli.training.loop import requested_steps
from grucli.training.options import Hyperparameters, given_hparams
from grucli.training.setup_run import (
    RunConfig,
    SharedResources,
    build_trainer,
    check_length,
    check_memory,
    choose_hparams,
    dataset_id,
    load_dataset,
    training_bytes,
    warm_up,
)
from grucli.training.signals import StopFlag
from grucli.training.trainer import Trainer

SWEEP_FRACTION = 0.2
"""Steps of a run of the search, relative to one of the comparison."""

_MAX_LR = 100.0
_CHOSEN = ("hidden", "embed", "tied", "batch", "seq", "lr")
"""Options that the recipe chooses, which must be the same for all runs."""


def compare(options: CompareOptions, stop: StopFlag) -> Generator[CompareEvent]:
    """Train each cell with each seed, in turns, until all runs are finished or `stop` is set.

    Every run is a model of the store, and saved as `grucli.training.loop.train` saves it. The last event is
    `ComparisonFinished`.

    Raises:
        UsageError: the comparison or a model exists, an option differs from that of the comparison to resume, the
            cells cannot have the same size, or the runs of one seed do not fit in memory together.
        EmptyInputError: the corpus is shorter than one window, or too short for validation data.
        ModelFileError: the comparison or a model to resume is corrupt.
        LockedError: another process is at work on the comparison or on one of its models.
        DivergedError: every learning rate of a search diverged.
        CancelledError: `stop` was set before the comparison began.
        OSError: a file cannot be written; the last checkpoint of each run is intact.
    """
    yield SetupProgress("reading the corpus")
    name = options.model_name()
    directory = comparison_dir(name) if options.directory is None else options.directory
    with DirectoryLock(directory):
        try:
            saved = _saved_plan(options, directory)
            if saved is not None:
                options = replace(options, seeds=saved.seeds, **saved.options)  # type: ignore[arg-type]
            config = RunConfig(options.budget() if saved is None else saved.budget)
            dataset = yield from load_dataset(options, config, stop)
            shared = SharedResources(dataset, ThreadPool(options.threads))
            config, hparams = choose_hparams(config, options, dataset)
            _check_corpus(options, hparams, dataset)
            plan = _new_plan(options, config, hparams, shared) if saved is None else saved
            if plan.dataset_id != dataset_id(dataset):
                raise UsageError(
                    f"'{name}' compares cells on another corpus or another part of it",
                    "use the same files and --val-file, read the same way, or another --name",
                )
            trainers = _trainers(plan, options, config, hparams, shared, directory)
            if saved is None:
                shutil.rmtree(directory / SWEEP, ignore_errors=True)
            save_plan(directory, plan)
            yield _started(plan, options, config, shared, trainers[0])
            yield from _fix_steps(plan, trainers, directory)
            del trainers
            diverged = yield from _run_all(plan, options, shared, directory, stop)
            reason = stop.reason or ("diverged" if diverged else "limit")
            yield ComparisonFinished(reason, make_result(plan, options, diverged, tuple(dataset.report.schemas)))
        finally:
            _remove_if_empty(directory)


def _saved_plan(options: CompareOptions, directory: Path) -> Plan | None:
    """Return the plan to resume, None for a new comparison.

    Raises:
        UsageError: the comparison or one of its models exists, or an option differs from that of the saved plan.
        ModelFileError: the plan is corrupt.
    """
    name, exists = directory.name, (directory / PLAN).exists()
    if (directory / SUITE).exists():
        raise UsageError(f"'{name}' is a suite of tasks", "use another --name")
    if exists and not (options.resume or options.force):
        raise UsageError(f"comparison '{name}' already exists", "use --resume, --force or another --name")
    plan = load_plan(directory) if exists and options.resume else None
    cells, new_seeds = asked_cells(options), asked_seeds(options)
    if plan is not None:
        check_same(plan, options)
        cells, seeds_before = tuple(cell.cell for cell in plan.cells), plan.seeds
        plan.seeds = max(seeds_before, options.seeds or 0)
        new_seeds = plan.seed_numbers[seeds_before:]
    models = existing_runs(options, cells, new_seeds)
    if models and not options.force:
        raise UsageError(f"model '{models[0].name}' already exists", "use --force to replace it, or another --name")
    return plan


def _check_corpus(options: CompareOptions, hparams: Hyperparameters, dataset: Dataset) -> None:
    """Check that there is text to train on and text to compare with.

    Raises:
        EmptyInputError: the corpus is shorter than one window, or leaves no validation data.
    """
    check_length(dataset, hparams, options)
    if dataset.val is None:
        raise EmptyInputError(
            "the corpus is too short for a comparison: it leaves no validation data", "use more text, or a --val-file"
        )


def _new_plan(options: CompareOptions, config: RunConfig, hparams: Hyperparameters, shared: SharedResources) -> Plan:
    """Choose the sizes of the networks.

    Raises:
        UsageError: they cannot have the same size.
    """
    vocab = shared.dataset.tokenizer.vocab_size
    reference = ModelConfig("gru", vocab, hparams.embed, hparams.hidden, hparams.layers, hparams.tied)
    cells = [
        CellPlan(
            cell=cell,
            hidden=sizes.H,
            parameters=num_parameters(sizes),
            memory=training_bytes(sizes, hparams),
            lr=hparams.lr,
        )
        for cell, sizes in match_cells(asked_cells(options), reference).items()
    ]
    given = given_hparams(options) | ({} if options.eval_every is None else {"eval_every": options.eval_every})
    existing = existing_runs(options, asked_cells(options), asked_seeds(options))
    return Plan(
        cells=cells,
        seeds=len(asked_seeds(options)),
        tune=options.tune,
        budget=config.budget,
        options=given | {option: getattr(hparams, option) for option in _CHOSEN},
        dataset_id=dataset_id(shared.dataset),
        replaces={run.name: saved_at(run) for run in existing},
    )


def _trainers(
    plan: Plan,
    options: CompareOptions,
    config: RunConfig,
    hparams: Hyperparameters,
    shared: SharedResources,
    directory: Path,
) -> list[Trainer]:
    """Return a trainer of each cell, which shows that the comparison can be made, and how fast it will be.

    Raises:
        UsageError: the runs of one seed do not fit in memory together, or most of the text is unknown.
    """
    check_memory(sum(cell.memory for cell in plan.cells))
    return [
        build_trainer(config, replace(hparams, cell=cell.cell, hidden=cell.hidden), options, directory, shared)
        for cell in plan.cells
    ]


def _started(
    plan: Plan, options: CompareOptions, config: RunConfig, shared: SharedResources, trainer: Trainer
) -> ComparisonStarted:
    dataset = shared.dataset
    length = plan.budget.describe(has_val=True) if plan.steps is None else pluralize(plan.steps, "step")
    names = [cell.cell for cell in plan.cells]
    sizes = trainer.engine.sizes
    layers = "1 layer" if sizes.L == 1 else f"{sizes.L} layers"
    return ComparisonStarted(
        name=options.model_name(),
        cells=tuple(names),
        seeds=tuple(plan.seed_numbers),
        descriptions=(
            f"comparing {', '.join(names[:-1])} and {names[-1]} on {dataset.train.tokens:,} tokens of {dataset.kind}, "
            f"{pluralize(plan.seeds, 'seed')} each: {length} per run",
            *(
                f"{cell.cell}: {layers} of {pluralize(cell.hidden, 'unit')}, {cell.parameters:,} parameters"
                for cell in plan.cells
            ),
            *config.decisions,
        ),
        notices=(*dataset.report.messages(), *trainer.notices),
        inputs=trainer.inputs,
        evaluations=tuple(
            (cell, path.name, tuple(read_evaluations(plan, path)))
            for cell in names
            for path in [run_dir(options, cell, seed) for seed in plan.seed_numbers]
        ),
    )


def _fix_steps(plan: Plan, trainers: list[Trainer], directory: Path) -> Generator[CompareEvent]:
    """Fix the number of steps of each run, if it is not known yet; from then on it is in the plan."""
    if plan.steps is not None:
        return
    plan.steps = requested_steps(trainers[0])
    if plan.steps is None:
        for trainer in trainers:
            yield from warm_up(trainer)
        yield SetupProgress("measuring the speed")
        plan.steps = max(1, measure_steps(trainers, plan.budget.max_minutes))
    save_plan(directory, plan)


def _run_all(
    plan: Plan, options: CompareOptions, shared: SharedResources, directory: Path, stop: StopFlag
) -> Generator[CompareEvent, None, list[tuple[str, int]]]:
    """Train everything, and return the cell and seed of each run that diverged."""
    diverged: list[tuple[str, int]] = []
    yield from _search_rates(plan, options, shared, directory, stop)
    assert plan.steps is not None
    if stop.reason is None:
        yield PhaseStarted("comparison", plan.steps, plan.seeds)
    for runs in runs_of(plan, options, shared):
        if stop.reason is not None:
            break
        for event in run_interleaved(runs, stop):
            if isinstance(event, RunDiverged) or (isinstance(event.event, TrainFinished) and event.event.error):
                diverged.append((event.cell, event.seed))
            yield event
    return diverged


def _search_rates(
    plan: Plan, options: CompareOptions, shared: SharedResources, directory: Path, stop: StopFlag
) -> Generator[CompareEvent]:
    """Train each cell for a short time with several learning rates, and keep the best in the plan.

    Raises:
        DivergedError: every learning rate of a cell diverged.
    """
    if not plan.tune or plan.tuned or plan.steps is None:
        return
    steps = max(1, round(SWEEP_FRACTION * plan.steps))
    rates = sorted({min(factor * float(plan.options["lr"]), _MAX_LR) for factor in options.rate_factors})
    yield PhaseStarted("learning rates", steps, len(rates), plan.seeds * plan.steps)
    for runs in sweep_runs(plan, options, shared, directory, rates, steps):
        yield from run_interleaved(runs, stop)
        if stop.reason is not None:
            return
    chosen = [_choose_rate(cell, rates, directory, steps) for cell in plan.cells]
    plan.tuned = True
    save_plan(directory, plan)
    shutil.rmtree(directory / SWEEP, ignore_errors=True)
    yield from chosen


def _choose_rate(cell: CellPlan, rates: list[float], directory: Path, steps: int) -> RateChosen:
    """Set the learning rate of a cell to the best of its search.

    Raises:
        DivergedError: every one diverged.
    """
    cell.sweep = [(lr, _final_bits(sweep_dir(directory, cell.cell, lr), steps)) for lr in rates]
    known = {lr: bits for lr, bits in cell.sweep if bits is not None}
    if not known:
        raise DivergedError(
            f"{cell.cell} diverged with every learning rate from {rates[0]:g} to {rates[-1]:g}",
            f"start again with --force and --lr below {rates[0]:g}",
        )
    cell.lr = min(known, key=known.__getitem__)
    return RateChosen(cell.cell, cell.lr, tuple(cell.sweep), at_edge=cell.lr in (rates[0], rates[-1]))


def _final_bits(directory: Path, steps: int) -> float | None:
    return next((line.val_bits_per_char for line in read_metrics(directory) if line.step == steps), None)


def _remove_if_empty(directory: Path) -> None:
    """Remove the directory of a comparison that never began."""
    if not (directory / PLAN).exists():
        with suppress(OSError):
            (directory / "lock").unlink()
            directory.rmdir()
