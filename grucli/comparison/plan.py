"""What a comparison trains, as it is kept in its directory: `comparisons/NAME/plan.json`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec

from grucli.comparison.options import DEFAULT_CELLS, DEFAULT_SEEDS, MAX_SEEDS, CompareOptions
from grucli.comparison.runner import Run
from grucli.errors import ModelFileError, UsageError
from grucli.files import atomic_write
from grucli.model.cells import CELLS
from grucli.model.store import LAST, NOTHING, model_dir, validate_name
from grucli.paths import comparisons_dir
from grucli.sealed import UnknownFormatError, seal, unseal
from grucli.training.options import Budget, Hyperparameters, TrainOptions, contrast, given_hparams, option_specs
from grucli.training.setup_run import SharedResources
from grucli.training.staging import has_model

PLAN = "plan.json"
SUITE = "suite.json"
"""What is kept of a suite, which has a directory beside those of comparisons."""

SWEEP = "sweep"
"""The directory of the runs of the search for learning rates, in that of the comparison."""

NUM_EVALS = 12
"""Evaluations of a run unless --eval-every is given: a curve needs some, even where the validation data is long."""

_FORMAT = 1
_HINT = "start again with --force"
_Count = Annotated[int, msgspec.Meta(ge=1)]


class CellPlan(msgspec.Struct, kw_only=True):
    """One cell: its sizes, the bytes that training it takes, and its learning rate.

    `sweep`: bits per character by learning rate, None where training diverged; empty without a search.
    """

    cell: str
    hidden: _Count
    parameters: _Count
    memory: _Count
    lr: float
    sweep: list[tuple[float, float | None]] = []


class Plan(msgspec.Struct, kw_only=True):
    """A comparison. `budget` is that of one run, and `steps` what it comes to, None until the speed was measured.

    `options`: those of all runs, by name. `seeds`: their number; the first is an option. `tuned`: the learning rates
    were searched. `replaces`: the models that existed before, with their `saved_at`.
    """

    cells: Annotated[list[CellPlan], msgspec.Meta(min_length=2)]
    seeds: _Count
    tune: bool
    budget: Budget
    options: dict[str, bool | int | float | str]
    dataset_id: tuple[str, int, int]
    steps: _Count | None = None
    tuned: bool = False
    replaces: dict[str, int] = {}

    @property
    def seed_numbers(self) -> range:
        """The seeds."""
        first = int(self.options.get("seed", Hyperparameters.seed))
        return range(first, first + self.seeds)

    def is_earlier(self, run: Path) -> bool:
        """Return True if what is in the directory of a run is still the model that existed before the comparison."""
        return self.replaces.get(run.name) == saved_at(run)


def comparison_dir(name: str) -> Path:
    """Return the directory of the comparison `name`, which need not exist.

    Raises:
        UsageError: `name` is not a valid name.
    """
    return comparisons_dir() / validate_name(name)


def run_name(name: str, cell: str, seed: int) -> str:
    """Return the name of one run, which is that of its model."""
    return f"{name}-{cell}-{seed}"


def run_dir(options: CompareOptions, cell: str, seed: int) -> Path:
    """Return the directory of one run: that of a model, or one in `options.directory`.

    Raises:
        UsageError: its name is not valid.
    """
    name = run_name(options.model_name(), cell, seed)
    return model_dir(name) if options.directory is None else options.directory / name


def asked_cells(options: CompareOptions) -> tuple[str, ...]:
    """Return the cells to compare."""
    return DEFAULT_CELLS if options.cells is None else tuple(options.cells)


def asked_seeds(options: CompareOptions) -> range:
    """Return the seeds to use."""
    first = Hyperparameters.seed if options.seed is None else options.seed
    return range(first, first + (DEFAULT_SEEDS if options.seeds is None else options.seeds))


def existing_runs(options: CompareOptions, cells: Sequence[str], seeds: range) -> list[Path]:
    """Return the directories of the models that exist and would be trained by a new comparison.

    Raises:
        UsageError: one of their names is not valid.
    """
    paths = [run_dir(options, cell, seed) for seed in seeds for cell in cells]
    return [path for path in paths if has_model(path)]


def saved_at(run: Path) -> int:
    """Return when the model of a run was last saved, in nanoseconds since 1970; 0 if it has no last weights."""
    # Not a digest: the same run gives the same weights again.
    try:
        return (run / LAST).stat().st_mtime_ns
    except OSError:
        return 0


def runs_of(plan: Plan, options: CompareOptions, shared: SharedResources) -> Iterator[list[Run]]:
    """Yield the runs of each seed, which are trained in turns."""
    for seed in plan.seed_numbers:
        runs = []
        for cell in plan.cells:
            path = run_dir(options, cell.cell, seed)
            resume = has_model(path) and not plan.is_earlier(path)
            own = _run_options(plan, options, cell, resume=resume, seed=seed, name=path.name)
            runs.append(Run(cell.cell, seed, own, shared, path))
        yield runs


def sweep_dir(directory: Path, cell: str, lr: float) -> Path:
    """Return the directory of one run of the search for learning rates."""
    return directory / SWEEP / f"{cell}-{lr:g}"


def sweep_runs(
    plan: Plan, options: CompareOptions, shared: SharedResources, directory: Path, rates: list[float], steps: int
) -> Iterator[list[Run]]:
    """Yield the runs of each learning rate, with a seed that no other run has."""
    seed = plan.seed_numbers[0] + MAX_SEEDS
    for lr in rates:
        runs = []
        for cell in plan.cells:
            path = sweep_dir(directory, cell.cell, lr)
            own = _run_options(plan, options, cell, resume=has_model(path), seed=seed, lr=lr, steps=steps)
            runs.append(Run(cell.cell, seed, own, shared, path))
        yield runs


def _run_options(
    plan: Plan, options: CompareOptions, cell: CellPlan, *, resume: bool, **changes: float | str
) -> TrainOptions:
    own = {"cell": cell.cell, "hidden": cell.hidden, "lr": cell.lr, "steps": plan.steps}
    values: dict[str, Any] = plan.options | own | changes
    every = {"eval_every": -(-values["steps"] // NUM_EVALS)}
    return TrainOptions(
        sources=options.sources,
        read=options.read,
        val_file=options.val_file,
        threads=options.threads,
        resume=resume,
        force=not resume,
        start_from=None if resume else NOTHING,
        **every | values,
    )


def check_same(plan: Plan, options: CompareOptions) -> None:
    """Check that the options that were given are those of the plan; only the number of seeds may be larger.

    Raises:
        UsageError: they are not; the difference is named.
    """
    saved = plan.options | msgspec.to_builtins(plan.budget) | {"seeds": plan.seeds, "tune": plan.tune or None}
    given = given_hparams(options)
    for option in ("steps", "epochs", "minutes", "eval_every", "seeds"):
        if (value := getattr(options, option)) is not None:
            given[option] = value
    if options.tune:
        given["tune"] = True
    cells = [cell.cell for cell in plan.cells]
    if options.cells is not None and list(options.cells) != cells:
        given["cells"], saved["cells"] = ",".join(options.cells), ",".join(cells)
    if given.get("seeds", 0) > plan.seeds:
        del given["seeds"]
    changed = [
        contrast(option, value, "was", "not given" if saved.get(option) is None else saved[option])
        for option, value in given.items()
        if value != saved.get(option)
    ]
    if changed:
        raise UsageError(
            f"'{options.model_name()}' was not compared with {', '.join(changed)}",
            "remove the option, or start again with --force",
        )


def save_plan(directory: Path, plan: Plan) -> None:
    """Write the plan atomically.

    Raises:
        OSError: the file cannot be written; the old one is intact.
    """
    atomic_write(directory / PLAN, seal(_FORMAT, plan), follow_symlinks=False)


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Say of what is read from a sealed file of a comparison that it is corrupt, or of another format version.

    Raises:
        ModelFileError: it is.
    """
    try:
        yield
    except UnknownFormatError as error:
        raise ModelFileError(f"'{path}' has {kind} format {error.args[0]}", f"update grucli, or {_HINT}") from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ModelFileError(f"corrupt {kind}: '{path}': {error}", _HINT) from error


def load_plan(directory: Path) -> Plan:
    """Read a plan.

    Raises:
        ModelFileError: it is corrupt, or of another format version.
        OSError: it cannot be read.
    """
    path = directory / PLAN
    with reading(path, "plan"):
        plan = unseal(path.read_bytes(), _FORMAT, Plan)
    if not plan.options.keys() <= option_specs().keys():
        raise ModelFileError(f"'{path}' has an option that this gru does not have", _HINT)
    if unknown := [cell.cell for cell in plan.cells if cell.cell not in CELLS]:
        raise ModelFileError(f"'{path}' has the cell '{unknown[0]}', which this gru does not have", _HINT)
    return plan
