"""What is kept of a suite in its directory, `comparisons/NAME/suite.json`: its options, and the tasks that are done."""

from pathlib import Path
from typing import Annotated

import msgspec

from grucli.comparison.plan import SUITE, reading
from grucli.comparison.suite.options import SuiteOptions
from grucli.comparison.suite.tasks import TASKS
from grucli.errors import UsageError
from grucli.files import atomic_write
from grucli.sealed import seal, unseal
from grucli.training.options import contrast

_FORMAT = 1
_Count = Annotated[int, msgspec.Meta(ge=1)]


class CellRecord(msgspec.Struct, kw_only=True):
    """A cell in a task that is done.

    `figures`: by seed, see `Task.measure`. `curves`: of each seed, the bits per character of the validation text after
    some numbers of steps.
    """

    cell: str
    hidden: _Count
    parameters: _Count
    lr: float
    figures: dict[int, float]
    curves: list[list[tuple[int, float]]]


class TaskRecord(msgspec.Struct, kw_only=True):
    """A task that is done. `steps`: of each run."""

    task: str
    steps: _Count
    cells: list[CellRecord]


class WordRecord(msgspec.Struct):
    """A text of words: what tells it from another one, and the sizes of the gru for it; see `WordText`."""

    digest: str
    hidden: _Count
    vocab: _Count


class SuiteState(msgspec.Struct, kw_only=True):
    """A suite. `words`: its text of words, None without one. `spent`: minutes by task."""

    minutes: Annotated[float, msgspec.Meta(gt=0)]
    seeds: _Count
    words: WordRecord | None
    spent: dict[str, float] = {}
    done: list[TaskRecord] = []


def check_same(state: SuiteState, options: SuiteOptions, words: WordRecord | None) -> None:
    """Check that the options that were given are those of the state; words: of the file that was given.

    Raises:
        UsageError: they are not; the difference is named.
    """
    changed = [
        contrast(option, given, "was", saved)
        for option, given, saved in (
            ("seeds", options.seeds, state.seeds),
            ("minutes", options.minutes, f"{state.minutes:g}"),
        )
        if given is not None and given != getattr(state, option)
    ]
    if words is not None and words != state.words:
        was = "not given" if state.words is None else "another text"
        changed.append(contrast("words_file", options.words_file, "was", was))
    if changed:
        raise UsageError(
            f"'{options.name}' was not started with {', '.join(changed)}",
            "remove the option, or start again with --force",
        )


def save_state(directory: Path, state: SuiteState) -> None:
    """Write the state atomically.

    Raises:
        OSError: the file cannot be written; the old one is intact.
    """
    atomic_write(directory / SUITE, seal(_FORMAT, state), follow_symlinks=False)


def load_state(directory: Path) -> SuiteState:
    """Read a state.

    Raises:
        ModelFileError: it is corrupt, or of another format version.
        OSError: it cannot be read.
    """
    path = directory / SUITE
    with reading(path, "suite"):
        state = unseal(path.read_bytes(), _FORMAT, SuiteState)
        known = {task.name: task.cells for task in TASKS}
        for record in state.done:
            if tuple(cell.cell for cell in record.cells) != known.get(record.task):
                raise ValueError(f"task '{record.task}' has other cells")
    return state
