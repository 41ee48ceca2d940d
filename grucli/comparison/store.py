"""The comparisons on this computer: list, remove."""

import difflib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from grucli.comparison.plan import PLAN, load_plan, run_name
from grucli.errors import ModelFileError, UsageError
from grucli.files import DirectoryLock
from grucli.model.store import model_dir, remove_directory
from grucli.paths import comparisons_dir
from grucli.training.staging import has_model


@dataclass(frozen=True, slots=True)
class StoredComparison:
    """A comparison or a suite, its directory, and those of its models that exist: a suite keeps its runs itself.

    One with a `problem` cannot be read, and its models are not known.
    """

    name: str
    path: Path
    models: tuple[str, ...]
    problem: str | None = None


def list_comparisons() -> list[StoredComparison]:
    """Return all comparisons in the order of their names.

    Raises:
        OSError: the directory of the comparisons cannot be read.
    """
    with suppress(FileNotFoundError):
        paths = sorted(path for path in comparisons_dir().iterdir() if path.is_dir() and path.name[0] != ".")
        return [_describe(path) for path in paths]
    return []


def find_comparison(name: str) -> StoredComparison:
    """Return the comparison `name`.

    Raises:
        UsageError: there is no such comparison; the hint has the closest name.
        OSError: the directory of the comparisons cannot be read.
    """
    comparisons = {each.name: each for each in list_comparisons()}
    if name not in comparisons:
        closest = difflib.get_close_matches(name, comparisons, n=1, cutoff=0.5)
        hint = f"did you mean '{closest[0]}'? See them all: {{models}}" if closest else "see which there are: {models}"
        raise UsageError(f"there is no comparison '{name}'", hint, ["models"])
    return comparisons[name]


def remove_comparison(comparison: StoredComparison) -> Iterator[str]:
    """Delete the models of a comparison, yielding the name of each deleted one, and then the comparison.

    Raises:
        LockedError: the comparison is running, or one of its models is being trained.
        OSError: a file cannot be deleted.
    """
    # The comparison last: what is left of an interrupted removal can be removed in the same way.
    with DirectoryLock(comparison.path):
        for model in comparison.models:
            remove_directory(model_dir(model))
            yield model
    remove_directory(comparison.path)


def _describe(path: Path) -> StoredComparison:
    try:
        if not (path / PLAN).exists():
            return StoredComparison(path.name, path, ())
        plan = load_plan(path)
        names = [run_name(path.name, cell.cell, seed) for seed in plan.seed_numbers for cell in plan.cells]
        runs = [run for run in map(model_dir, names) if has_model(run) and not plan.is_earlier(run)]
    except (ModelFileError, UsageError, OSError) as error:
        return StoredComparison(path.name, path, (), str(error))
    return StoredComparison(path.name, path, tuple(run.name for run in runs))
