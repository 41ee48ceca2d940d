"""A suite, from its options to its result: a comparison per task, and what its networks can do. It never prints."""

import json
import shutil
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from grucli.comparison.compare import SWEEP_FRACTION, compare
from grucli.comparison.events import (
    CompareEvent,
    ComparisonFinished,
    ComparisonStarted,
    RateChosen,
    SuiteEvent,
    SuiteFinished,
)
from grucli.comparison.options import CompareOptions
from grucli.comparison.plan import PLAN, SUITE, comparison_dir, run_dir
from grucli.comparison.result import CellResult, Comparison, CurvePoint, RunResult
from grucli.comparison.suite.accuracy import accuracy, longest_count
from grucli.comparison.suite.options import SuiteOptions
from grucli.comparison.suite.result import make_result
from grucli.comparison.suite.state import (
    CellRecord,
    SuiteState,
    TaskRecord,
    WordRecord,
    check_same,
    load_state,
    save_state,
)
from grucli.comparison.suite.tasks import MAX_COUNT, TASKS, Example, Part, Task
from grucli.comparison.suite.words import WordText, read_words
from grucli.errors import CancelledError, UsageError
from grucli.files import DirectoryLock, atomic_write
from grucli.model.store import LAST
from grucli.model.weights import load_weights
from grucli.progress import ignore_progress
from grucli.training.events import SetupProgress
from grucli.training.signals import StopFlag

_TRAINING_SHARE = 0.85
"""Of the minutes; the rest is for evaluations, for making texts and for what the clock did not foresee."""

_MIN_SHARE = 0.1
"""Of the minutes, that are left for the tasks that remain, however long the others took."""


@dataclass(frozen=True)
class _Suite:
    """A suite at work: its options and state, its tasks, and where it is kept."""

    options: SuiteOptions
    directory: Path
    state: SuiteState
    tasks: tuple[Task, ...]

    def is_done(self, task: Task) -> bool:
        """Return True if the result of a task is known."""
        return any(record.task == task.name for record in self.state.done)

    def minutes_per_run(self, task: Task) -> float:
        """Return the minutes of training of one run, from what the tasks before have left."""
        share = task.share / sum(each.share for each in self.tasks if not self.is_done(each))
        left = max(self.state.minutes - sum(self.state.spent.values()), _MIN_SHARE * self.state.minutes)
        runs = len(task.cells) * (self.state.seeds + SWEEP_FRACTION * len(task.rate_factors))
        return _TRAINING_SHARE * left * share / runs


def run_suite(options: SuiteOptions, stop: StopFlag) -> Generator[SuiteEvent]:
    """Train and test every task until all are done or `stop` is set. The last event is `SuiteFinished`.

    Raises:
        UsageError: the suite exists, the file of words cannot be read, or an option differs from that of the suite to
            resume.
        EmptyInputError: the file has too few words.
        ModelFileError: the suite to resume, or a run of it, is corrupt.
        LockedError: another process is at work on the suite.
        DivergedError: every learning rate of a cell diverged.
        OSError: a file cannot be written; what was saved is intact.
    """
    yield SetupProgress("reading the words" if options.words_file is not None else "starting the suite")
    directory = comparison_dir(options.name)
    with DirectoryLock(directory):
        try:
            suite = _open_suite(options, directory)
            for number, task in enumerate(suite.tasks, 1):
                if stop.reason is None and not suite.is_done(task):
                    yield from _run_task(suite, task, number, stop)
            reason = "limit" if all(map(suite.is_done, suite.tasks)) else stop.reason
            assert reason is not None
            yield SuiteFinished(reason, make_result(suite.state, options.name))
        finally:
            _remove_if_empty(directory)


def _open_suite(options: SuiteOptions, directory: Path) -> _Suite:
    if (directory / PLAN).exists():
        raise UsageError(f"'{options.name}' is a comparison of cells on a corpus", "use another --name")
    exists = (directory / SUITE).exists()
    if exists and not (options.resume or options.force):
        raise UsageError(f"suite '{options.name}' already exists", "use --resume, --force or another --name")
    state = load_state(directory) if exists and options.resume else None
    minutes = options.total_minutes if state is None else state.minutes
    text = None if options.words_file is None else read_words(options.words_file, minutes, ignore_progress)
    words = None if text is None else WordRecord(text.digest, text.hidden, text.vocab)
    if state is None:
        _start_anew(directory, text)
        state = SuiteState(minutes=minutes, seeds=options.num_seeds, words=words)
        save_state(directory, state)
    else:
        check_same(state, options, words)
    tasks = tuple(task for task in TASKS if task.make is not None or state.words is not None)
    return _Suite(options, directory, state, tasks)


def _start_anew(directory: Path, text: WordText | None) -> None:
    """Remove what an earlier suite left, and write the text of words, which is not read again."""
    (directory / SUITE).unlink(missing_ok=True)
    for task in TASKS:
        with suppress(FileNotFoundError):
            shutil.rmtree(directory / task.name)
        if task.make is None and text is not None:
            (directory / task.name).mkdir()
            for part, words in (("train", text.train), ("val", text.val)):
                atomic_write(directory / task.name / f"{part}.txt", words.encode(), follow_symlinks=False)


def _run_task(suite: _Suite, task: Task, number: int, stop: StopFlag) -> Generator[CompareEvent]:
    """Train every run of a task, and measure what they can do, unless `stop` was set before the end."""
    started_at, state = time.monotonic(), suite.state
    try:
        yield SetupProgress(f"making the text of {task.name}")
        options = _compare_options(suite, task)
        for event in compare(options, stop):
            match event:
                case ComparisonStarted():
                    yield _started(event, task, f"task {number} of {len(suite.tasks)}")
                case ComparisonFinished() if event.reason in ("limit", "diverged"):
                    yield SetupProgress(f"testing {task.name}")
                    state.done.append(_measure(task, event.comparison, options))
                case ComparisonFinished():
                    pass
                case RateChosen():
                    yield replace(event, at_edge=False)  # of three, two are
                case _:
                    yield event
    except CancelledError:
        pass
    finally:
        state.spent[task.name] = state.spent.get(task.name, 0.0) + (time.monotonic() - started_at) / 60
        save_state(suite.directory, state)
    if suite.is_done(task):
        _keep_weights_only(suite.directory / task.name, is_readable=task.make is not None)


def _compare_options(suite: _Suite, task: Task) -> CompareOptions:
    """Return the options of the comparison of a task; its texts are written, unless they are there."""
    directory, training = suite.directory / task.name, dict(task.training)
    if task.make is None:
        assert suite.state.words is not None
        size = suite.state.words.hidden
        training |= {"hidden": size, "embed": size, "vocab": suite.state.words.vocab}
    return CompareOptions(
        sources=[str(_text_file(directory, task, "train"))],
        val_file=str(_text_file(directory, task, "val")),
        tokenizer="char",
        cells=task.cells,
        seeds=suite.state.seeds,
        tune=True,
        rate_factors=task.rate_factors,
        minutes=None if (directory / PLAN).exists() else suite.minutes_per_run(task),
        threads=suite.options.threads,
        directory=directory,
        resume=True,
        **training,
    )


def _text_file(directory: Path, task: Task, part: Part) -> Path:
    path = directory / f"{part}.{'txt' if task.make is None else 'jsonl'}"
    if task.make is not None and not path.exists():
        lines = [json.dumps({"body": example.text}) + "\n" for example in task.texts(part)]
        atomic_write(path, "".join(lines).encode(), follow_symlinks=False)
    return path


def _started(event: ComparisonStarted, task: Task, position: str) -> ComparisonStarted:
    """Return the event with what the task is, instead of what its files are."""
    cells = event.descriptions[1 : 1 + len(event.cells)]
    return replace(
        event,
        name=f"{task.name}, {position}",
        descriptions=(f"{position}, {task.name}: predict {task.summary}", *cells),
        notices=(),
        inputs=(),
    )


def _measure(task: Task, comparison: Comparison, options: CompareOptions) -> TaskRecord:
    """Return what the finished runs of a task can do."""
    examples = task.texts("test") if task.measure == "accuracy" else []
    assert comparison.steps is not None
    return TaskRecord(
        task=task.name,
        steps=comparison.steps,
        cells=[
            CellRecord(
                cell=cell.cell,
                hidden=cell.hidden,
                parameters=cell.parameters,
                lr=cell.lr,
                figures={run.seed: _figure(task, run, curve, cell.cell, options, examples) for run, curve in finished},
                curves=[[(point.step, point.bits) for point in curve] for _, curve in finished],
            )
            for cell in comparison.cells
            for finished in [_finished_runs(cell, comparison)]
        ],
    )


def _finished_runs(cell: CellResult, comparison: Comparison) -> list[tuple[RunResult, tuple[CurvePoint, ...]]]:
    curves = [curve for curve in comparison.curves[cell.cell] if curve and curve[-1].step == comparison.steps]
    return list(zip(cell.runs, curves, strict=True))


def _figure(
    task: Task,
    run: RunResult,
    curve: Sequence[CurvePoint],
    cell: str,
    options: CompareOptions,
    examples: Sequence[Example],
) -> float:
    if task.measure == "perplexity":
        # Each character stands for a word. The best evaluation counts, as with early stopping.
        return float(2 ** min(point.bits for point in curve))
    weights = load_weights(run_dir(options, cell, run.seed) / LAST)
    return accuracy(weights, examples) if task.measure == "accuracy" else float(longest_count(weights, MAX_COUNT))


def _keep_weights_only(directory: Path, *, is_readable: bool) -> None:
    """Remove what a task that is done does not need: all but its last weights, if their text is readable."""
    for path in directory.iterdir():
        if path.is_dir() and is_readable:
            for file in path.iterdir():
                if file.name != LAST:
                    file.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _remove_if_empty(directory: Path) -> None:
    """Remove the directory of a suite that never began."""
    if not (directory / SUITE).exists() and not (directory / PLAN).exists():
        with suppress(OSError):
            (directory / "lock").unlink()
            directory.rmdir()
