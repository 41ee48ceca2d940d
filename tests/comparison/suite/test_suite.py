"""Whole suites with tiny budgets: exact resuming, what is refused, and what stays on the disk."""

import errno
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from grucli.comparison.events import PhaseStarted, RunEvent, SuiteEvent
from grucli.comparison.plan import SUITE, comparison_dir
from grucli.comparison.store import find_comparison, remove_comparison
from grucli.comparison.suite import run
from grucli.comparison.suite.options import SuiteOptions
from grucli.comparison.suite.state import CellRecord, TaskRecord, load_state, save_state
from grucli.comparison.suite.words import read_words
from grucli.errors import EmptyInputError, LockedError, ModelFileError, UsageError
from grucli.files import DirectoryLock
from grucli.model.store import LAST, model_names
from grucli.model.weights import load_weights
from grucli.paths import comparisons_dir
from grucli.training.events import SetupProgress
from tests.comparison.small_comparisons import compare_to_end, small_options
from tests.comparison.suite.small_suites import run_to_end, suite_events, use_small_tasks
from tests.fault_injection import failing_disk
from tests.training.small_runs import write_small_corpus

pytestmark = pytest.mark.usefixtures("home")

OPTIONS = SuiteOptions(minutes=0.02, seeds=2, threads=1)


@pytest.fixture(autouse=True)
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_tasks(monkeypatch)


@pytest.fixture
def same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every run have as many steps, whatever the machine does meanwhile."""
    monkeypatch.setattr("grucli.comparison.compare.measure_steps", lambda trainers, minutes: 5)


@pytest.fixture
def words_file(tmp_path: Path) -> Path:
    random = Random(0)
    lines = (" ".join(random.choices(["the", "cat", "sat", "<unk>", "on", "mats"], k=9)) for _ in range(1200))
    path = tmp_path / "words.txt"
    path.write_text("\n".join(lines), "utf-8")
    return path


def phase(number: int) -> Callable[[SuiteEvent], bool]:
    """Return a condition: phase `number` of the suite begins, from 1."""
    seen = 0

    def is_there(event: SuiteEvent) -> bool:
        nonlocal seen
        seen += isinstance(event, PhaseStarted)
        return isinstance(event, PhaseStarted) and seen == number

    return is_there


def stage(words: str) -> Callable[[SuiteEvent], bool]:
    """Return a condition: the setup says `words`."""
    return lambda event: isinstance(event, SetupProgress) and event.stage == words


@pytest.mark.slow
@pytest.mark.usefixtures("same_steps")
def test_a_suite_that_was_interrupted_anywhere_ends_as_if_it_had_not_been(words_file: Path) -> None:
    options = SuiteOptions(minutes=0.02, seeds=1, threads=1, words_file=str(words_file), name="whole")
    whole = run_to_end(options).suite
    assert [task.task for task in whole.tasks] == ["arithmetic", "counting", "words"]
    assert all(cell.seeds == 1 and cell.value is not None for task in whole.tasks for cell in task.cells)
    again = SuiteOptions(minutes=0.02, seeds=1, threads=1, words_file=str(words_file), name="again")
    resumed = SuiteOptions(name="again", threads=1, resume=True)
    assert run_to_end(again, stage("reading the words")).reason == "interrupted"
    for stop_when in (stage("making the text of arithmetic"), phase(1), phase(2), stage("testing counting"), phase(2)):
        assert run_to_end(resumed, stop_when).reason == "interrupted"
    last = run_to_end(resumed)
    assert last.reason == "limit"
    assert [[cell.figures for cell in task.cells] for task in last.suite.tasks] == [
        [cell.figures for cell in task.cells] for task in whole.tasks
    ]
    assert [claim.verdict for claim in last.suite.claims] == [claim.verdict for claim in whole.claims]
    assert not any(isinstance(event, RunEvent) for event in suite_events(resumed))
    # Only weights stay, no model of the store; words are of no use without their list.
    assert model_names() == []
    kept = {path.name for path in comparison_dir("again").rglob("*") if path.is_file()}
    assert kept == {SUITE, "lock", LAST}
    weights = comparison_dir("again") / "counting" / "counting-lstm-0" / LAST
    assert load_weights(weights).sizes.cell == "lstm"
    assert not list((comparison_dir("again") / "words").iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("same_steps")
def test_force_starts_anew() -> None:
    first = run_to_end(SuiteOptions(minutes=0.02, seeds=1, threads=1))
    with pytest.raises(UsageError, match="suite 'papers' already exists"):
        run_to_end(OPTIONS)
    again = run_to_end(SuiteOptions(minutes=0.02, seeds=1, threads=1, force=True))
    assert {cell.seeds for task in again.suite.tasks for cell in task.cells} == {1}
    assert again.suite.tasks[0].cells[0].figures[0] == first.suite.tasks[0].cells[0].figures[0]
    assert {claim.verdict for claim in again.suite.claims} == {"one seed", "not finished"}


def test_the_minutes_are_dealt_and_what_is_left_goes_to_the_rest() -> None:
    run_to_end(SuiteOptions(minutes=40), stage("starting the suite"))
    suite = run._open_suite(SuiteOptions(resume=True), comparison_dir("papers"))
    total = sum(
        suite.minutes_per_run(task) * len(task.cells) * (3 + 0.2 * len(task.rate_factors)) for task in suite.tasks
    )
    assert total == pytest.approx(0.85 * 40)
    before = suite.minutes_per_run(suite.tasks[1])
    suite.state.spent["arithmetic"] = 30
    assert suite.minutes_per_run(suite.tasks[1]) < before / 2
    suite.state.spent["arithmetic"] = 90
    assert suite.minutes_per_run(suite.tasks[1]) > 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seeds": 3}, r"--seeds 3 \(was 2\)"),
        ({"minutes": 1.0}, r"--minutes 1.0 \(was 0.02\)"),
        ({"words": True}, r"--words-file \S+ \(was not given\)"),
    ],
)
def test_resuming_with_other_options_is_refused(given: dict[str, Any], said: str, words_file: Path) -> None:
    stopped = run_to_end(OPTIONS, stage("starting the suite"))
    assert (stopped.reason, stopped.suite.tasks) == ("interrupted", ())
    changes = {"words_file": str(words_file)} if "words" in given else given
    with pytest.raises(UsageError, match=f"'papers' was not started with {said}"):
        run_to_end(SuiteOptions(resume=True, **changes))


def test_another_text_of_words_is_refused(words_file: Path) -> None:
    run_to_end(SuiteOptions(words_file=str(words_file)), stage("reading the words"))
    run_to_end(SuiteOptions(words_file=str(words_file), resume=True), stage("reading the words"))
    words_file.write_text(words_file.read_text("utf-8").replace("cat", "dog cat"), "utf-8")
    with pytest.raises(UsageError, match="another text"):
        run_to_end(SuiteOptions(words_file=str(words_file), resume=True))


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (None, UsageError, "none.txt"),
        (b"", EmptyInputError, "no text"),
        (b"only a few words\n" * 100, EmptyInputError, "too few words in .*: 400"),
        (b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 400, UsageError, "none.txt"),
        (b"%PDF-1.7\n" + bytes(range(256)) * 400, UsageError, "PDF"),
    ],
)
def test_a_file_without_words_is_refused(tmp_path: Path, data: bytes | None, error: type[Exception], said: str) -> None:
    path = tmp_path / "none.txt"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(error, match=said):
        run_to_end(SuiteOptions(words_file=str(path)))
    assert not comparison_dir("papers").exists()


def test_words_are_characters_and_rare_ones_the_same(words_file: Path) -> None:
    text = read_words(str(words_file), 40, lambda *_: None)
    words = words_file.read_text("utf-8").replace("<unk>", "unk").replace("\n", " \n ").split(" ")
    assert len(text.train) + len(text.val) == pytest.approx(len(words), abs=2)
    codes = dict(zip(words, text.train, strict=False))
    assert len(set(codes.values())) == 7
    assert "".join(codes[word] for word in words[: len(text.train)]) == text.train
    assert codes["\n"] == "\n"


def test_more_time_takes_more_words_and_more_parameters(tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    path.write_text(
        "\n".join(" ".join(f"w{n % 9000}" for n in range(k, k + 60)) for k in range(0, 60_000, 60)), "utf-8"
    )
    short, longer = (read_words(str(path), minutes, lambda *_: None) for minutes in (1, 4))
    assert len(longer.train) == pytest.approx(2 * len(short.train), rel=0.01)
    assert longer.vocab > short.vocab
    assert longer.hidden > short.hidden


def test_a_comparison_of_that_name_is_not_touched() -> None:
    directory = comparison_dir("papers")
    directory.mkdir(parents=True)
    (directory / "plan.json").write_text("{}")
    with pytest.raises(UsageError, match="is a comparison of cells"):
        run_to_end(SuiteOptions(force=True))
    assert (directory / "plan.json").exists()


def test_a_comparison_does_not_touch_a_suite(tmp_path: Path) -> None:
    run_to_end(OPTIONS, stage("starting the suite"))
    corpus = write_small_corpus(tmp_path / "small.csv", rows=100)
    with pytest.raises(UsageError, match="'papers' is a suite of tasks"):
        compare_to_end(small_options(corpus, name="papers", force=True))
    assert (comparison_dir("papers") / SUITE).exists()


def test_a_suite_is_listed_and_removed_as_a_comparison() -> None:
    run_to_end(OPTIONS, stage("starting the suite"))
    (comparison_dir("papers") / "xml" / "xml-gru-0").mkdir(parents=True)
    (comparison_dir("papers") / "xml" / "xml-gru-0" / LAST).touch()
    suite = find_comparison("papers")
    assert (suite.models, suite.problem) == ((), None)
    assert list(remove_comparison(suite)) == []
    assert not comparison_dir("papers").exists()


def test_two_processes_are_not_at_work_on_one_suite() -> None:
    with DirectoryLock(comparison_dir("papers")), pytest.raises(LockedError):
        run_to_end(OPTIONS)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": 9, "sha256": "", "content": {}}'])
def test_a_damaged_suite_is_named_and_replaced_by_force(content: bytes) -> None:
    run_to_end(OPTIONS, stage("starting the suite"))
    (comparison_dir("papers") / SUITE).write_bytes(content)
    with pytest.raises(ModelFileError, match=r"suite\.json"):
        run_to_end(SuiteOptions(resume=True))
    assert run_to_end(SuiteOptions(force=True), stage("starting the suite")).reason == "interrupted"


def test_a_suite_with_other_tasks_is_refused() -> None:
    run_to_end(OPTIONS, stage("starting the suite"))
    state = load_state(comparison_dir("papers"))
    state.done.append(TaskRecord(task="dancing", steps=1, cells=[]))
    state.done.append(
        TaskRecord(
            task="counting",
            steps=1,
            cells=[CellRecord(cell="gsu", hidden=1, parameters=1, lr=1, figures={}, curves=[])],
        )
    )
    save_state(comparison_dir("papers"), state)
    with pytest.raises(ModelFileError, match="corrupt suite"):
        run_to_end(SuiteOptions(resume=True))


@pytest.mark.slow
@pytest.mark.usefixtures("same_steps")
@pytest.mark.parametrize("fail_at", [4, 60])
def test_a_full_disk_loses_nothing_that_was_saved(fail_at: int) -> None:
    expected = run_to_end(SuiteOptions(minutes=0.02, seeds=1, threads=1, name="whole"))
    options = SuiteOptions(minutes=0.02, seeds=1, threads=1)
    with failing_disk(fail_at, errno.ENOSPC), pytest.raises(OSError, match="No space left"):
        run_to_end(options)
    exists = (comparisons_dir() / "papers" / SUITE).exists()
    resumed = run_to_end(SuiteOptions(minutes=0.02, seeds=1, threads=1, resume=exists))
    assert [[cell.figures for cell in task.cells] for task in resumed.suite.tasks] == [
        [cell.figures for cell in task.cells] for task in expected.suite.tasks
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"suite": "paper"}, "unknown suite 'paper'"),
        ({"suite": ""}, "unknown suite ''"),
        ({"seeds": 0}, "--seeds is 0"),
        ({"seeds": 101}, "--seeds is 101"),
        ({"minutes": 0}, "--minutes is 0"),
        ({"minutes": float("nan")}, "--minutes is nan"),
        ({"threads": 0}, "--threads is 0"),
        ({"resume": True, "force": True}, "cannot be used together"),
    ],
)
def test_options_that_cannot_be_meant(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        SuiteOptions(**changes)  # type: ignore[arg-type]
    assert refused.value.hint
